"""Settings from environment variables; docs/settings.md says what each is for."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from kombu import Exchange, Queue

from config.console_menu import CONSOLE_MENU, console_icon, console_script, console_stylesheet
from config.embedded import engine_urls

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

PLI_HOME = Path(env.str("PLI_HOME", default=str(BASE_DIR / ".pli"))).absolute()
PORT = env.int("PORT", default=8000)
DEBUG = env.bool("PLI_DEBUG", default=False)


def _own_secret() -> str:
    """The secret of an installation that was given none, made once and kept beside its data."""
    path = PLI_HOME / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text().strip()


# The first signs and encrypts; all verify and decrypt, so that old links keep working after a rotation.
PLI_SECRET_KEYS: list[str] = env.list("PLI_SECRET_KEY", default=[]) or [_own_secret()]
SECRET_KEY = PLI_SECRET_KEYS[0]
SECRET_KEY_FALLBACKS = PLI_SECRET_KEYS[1:]

BASE_URL = env.str("PLI_BASE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
ALLOWED_HOSTS = env.list("PLI_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [BASE_URL]

# Engines: given by the operator, or the embedded ones.
_urls = {
    name: env.str(name, default="")
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_RECORDER_URL", "REDIS_URL")
}
if not all(_urls.values()):
    _urls = {name: value or engine_urls(PLI_HOME)[name] for name, value in _urls.items()}
REDIS_URL = _urls["REDIS_URL"]
RECORDER_DATABASE_URL = _urls["DATABASE_RECORDER_URL"]


def _database(url: str, **options: Any) -> dict[str, Any]:
    database = dict(env.db_url_config(url))
    database["ENGINE"] = "django.db.backends.postgresql"
    database["OPTIONS"] = {**database.get("OPTIONS", {}), **options}
    return database


DATABASES = {
    # Web and worker: row-level security applies.
    "default": _database(_urls["DATABASE_URL"], pool={"min_size": 0, "max_size": 12, "timeout": 10}),
    # Owns the tables: migrations, month partitions, work across organizations.
    # It is the same database, which the test runner has to empty once only.
    "owner": {**_database(_urls["DATABASE_OWNER_URL"]), "TEST": {"MIRROR": "default"}},
}
CONN_MAX_AGE = 0
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "pli"}
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

INSTALLED_APPS = [
    "config",
    "reporting",
    "privacy",
    "intake",
    "campaigns",
    "delivery",
    "tracking",
    "consent",
    "participants",
    "websites",
    "accounts",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "config.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_countries",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.headers.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sign_in_middleware.SignInMiddleware",
    "accounts.middleware.OrganizationMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
# Long rather than crooked, and nothing that stands in lists (NIST SP 800-63B).
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {"user_attributes": ("email", "full_name")},
        "MinimumLengthValidator": {"min_length": 12},
        "CommonPasswordValidator": {},
        "NumericPasswordValidator": {},
    }.items()
]
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_FORMS = {"signup": "accounts.sign_in_forms.EvenSignUpForm"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# Members were asked in by a mail, or added by an operator: only who signs up by themselves still has to confirm.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
if (_sign_up := env.str("PLI_SIGN_UP", default="closed")) not in ("open", "closed"):
    raise ImproperlyConfigured(f"PLI_SIGN_UP is {_sign_up!r}; say open or closed.")
SIGN_UP_OPEN = _sign_up == "open"
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/console/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# Whoever finds a browser open changes neither address nor factors: the password, or a factor, is asked for once more.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
MFA_ADAPTER = "accounts.adapters.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Pli"
MFA_TOTP_PERIOD = 30
# Clocks of phones are up to one code apart from ours.
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "authenticate": "accounts.sign_in_forms.CodeForm",
    "reauthenticate": "accounts.sign_in_forms.ConfirmCodeForm",
    "activate_totp": "accounts.sign_in_forms.SealedTotpForm",
}
SOCIALACCOUNT_ADAPTER = "accounts.adapters.SingleSignOnAdapter"

LANGUAGE_CODE = "en"
# Of the console.
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
# Of the pages and service messages for recipients. The catalogues of the last four hold nothing else.
PUBLIC_LANGUAGES = ["en", "fr", "it", "de", "nl", "es"]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = env.str("PLI_STATIC_ROOT", default=str(PLI_HOME / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = env.str("PLI_MEDIA_ROOT", default=str(PLI_HOME / "media"))
# Outside of the database's folder, and of what its backups hold (rule D3).
JOURNAL_DIR = env.str("PLI_JOURNAL_DIR", default=str(PLI_HOME / "journal"))
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# Mail: SMTP of the operator, or the built-in mailbox of `make run`.
MAILBOX_PORT = env.int("PLI_MAILBOX_PORT", default=0)
SMTP_URL = env.str("PLI_SMTP_URL", default="")
SMTP_CONNECTIONS = env.int("PLI_SMTP_CONNECTIONS", default=4)
# Private networks that connections typed by members may lead to (common/safe_http.py).
ALLOWED_NETWORKS: list[str] = env.list("PLI_ALLOWED_NETWORKS", default=[])
# Mails to members (password reset) leave the same way.
MAILERS = {"default": {"BACKEND": "delivery.transports.MemberMailBackend"}}
DEFAULT_FROM_EMAIL = env.str("PLI_FROM_EMAIL", default="Pli <pli@localhost>")

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Somebody waits for what is urgent: every worker takes that first, and one does nothing else (config/services.py).
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("urgent", "celery")]
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_BROKER_TRANSPORT_OPTIONS = {"queue_order_strategy": "priority"}
CELERY_TASK_ROUTES = {
    "delivery.send_service_messages": {"queue": "urgent"},
    "delivery.send_due_service_messages": {"queue": "urgent"},
}
CELERY_BEAT_SCHEDULE = {
    "send-due-mailings": {"task": "delivery.send_due_mailings", "schedule": 5.0},
    "send-due-service-messages": {"task": "delivery.send_due_service_messages", "schedule": 5.0},
    "tell-outside-senders": {"task": "delivery.tell_outside_senders", "schedule": 5.0},
    "watch-connections": {"task": "delivery.watch_connections", "schedule": 300.0},
    "look-after-sending": {"task": "delivery.look_after_sending", "schedule": 60.0},
    "expand-due-launches": {"task": "campaigns.expand_due_launches", "schedule": 5.0},
    "decide-tests": {"task": "campaigns.decide_tests", "schedule": 60.0},
    "keep-quiet-hours": {"task": "campaigns.keep_quiet_hours", "schedule": 30.0},
    "resume-imports": {"task": "intake.resume_imports", "schedule": 30.0},
    "look-after-confirmations": {"task": "intake.look_after_confirmations", "schedule": 600.0},
    "end-pauses": {"task": "consent.end_pauses", "schedule": 60.0},
    "look-after-members": {"task": "accounts.look_after_members", "schedule": 60.0},
    "forget-old-of-accounts": {"task": "accounts.forget_old", "schedule": crontab(hour=3, minute=50)},
    "worker-heartbeat": {"task": "config.record_heartbeat", "schedule": 10.0},
    "make-hit-months": {"task": "tracking.make_hit_months", "schedule": 6 * 3600.0},
    "seal-ledgers": {"task": "consent.seal_all_ledgers", "schedule": 60.0},
    "end-justifications": {"task": "consent.apply_ended_justifications", "schedule": 60.0},
    "refresh-permissions": {"task": "consent.refresh_all_permissions", "schedule": 6 * 3600.0},
    "send-due-receipts": {"task": "privacy.send_due_receipts", "schedule": 60.0},
    "apply-retention": {"task": "privacy.apply_retention", "schedule": crontab(hour=1, minute=20)},
    "apply-inactivity-rules": {"task": "privacy.apply_inactivity_rules", "schedule": crontab(hour=5, minute=10)},
    "finish-departures": {"task": "privacy.finish_departures", "schedule": 600.0},
    "drop-old-hit-months": {"task": "tracking.drop_old_hit_months", "schedule": crontab(hour=4, minute=30)},
    "count-hits": {"task": "reporting.count_hits", "schedule": 5.0},
    "count-mailings": {"task": "reporting.count_mailings", "schedule": 15.0},
    "mail-reports": {"task": "reporting.mail_reports", "schedule": 300.0},
    "forget-seen-copies": {"task": "reporting.forget_seen_copies", "schedule": 900.0},
    "delete-refused-hits": {"task": "tracking.delete_hits_of_refusals", "schedule": 900.0},
}

# Kept by an app above the one that launches emails (campaigns/slowing.py).
SLOW_DOWN_RULE = "privacy.services.inactivity.slow_down_of"

_https = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
# By this name a browser takes a cookie from this very host only, over https, and no neighbour can set one.
_cookie_prefix = "__Host-" if _https else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_cookie_prefix}sessionid", f"{_cookie_prefix}csrftoken"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_SSL_REDIRECT = _https and env.bool("PLI_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
# Proxies of our own in front of us: who asks is what the outermost of them saw.
TRUSTED_PROXIES = ALLAUTH_TRUSTED_PROXY_COUNT = env.int("PLI_TRUSTED_PROXIES", default=0)
SECURE_HSTS_SECONDS = 31536000 if _https else 0
# Names below this host, and the list that browsers ship, are for whoever owns the domain to decide about.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}

LOG_LEVEL = env.str("PLI_LOG_LEVEL", default="INFO")
# Our own few fields only: no path, address or user agent of anybody (architecture.md, "Side effects and time").
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "config.logs.line_formatter"}},
    "filters": {"without_words": {"()": "config.logs.WithoutWords"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # Django names the path in these lines; a path may hold a recipient's key.
    "loggers": {
        "django.request": {"level": "CRITICAL"},
        "django.security": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
        "mail.log": {"level": "WARNING"},
        "celery.app.trace": {"filters": ["without_words"]},
    },
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Pli",
    "SITE_HEADER": "Pli",
    "SITE_SUBHEADER": _("Email that measures only who said yes"),
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SITE_ICON": console_icon,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": console_icon}],
    "STYLES": [console_stylesheet],
    "SCRIPTS": [console_script],
    "COLORS": {
        "primary": {
            "50": "240 250 248",
            "100": "212 242 236",
            "200": "168 228 217",
            "300": "116 207 192",
            "400": "66 178 162",
            "500": "32 150 135",
            "600": "17 122 110",
            "700": "15 98 90",
            "800": "17 78 73",
            "900": "18 65 61",
            "950": "4 37 36",
        }
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": CONSOLE_MENU},
}
