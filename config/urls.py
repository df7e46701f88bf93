"""All addresses. Recipients' pages have one letter each, so that links in mails stay short."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from accounts import oidc, sign_in_views
from accounts.views import PasswordFromKeyView
from config import views

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("console/", admin.site.urls),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        PasswordFromKeyView.as_view(),
        name="account_reset_password_from_key",
    ),
    path("accounts/login/", sign_in_views.SignInView.as_view(), name="account_login"),
    path("accounts/sessions/", sign_in_views.sessions, name="usersessions_list"),
    path("accounts/single-sign-on/", sign_in_views.single_sign_on, name="sign_on"),
    path("accounts/oidc/<str:provider_id>/login/", oidc.login, name="openid_connect_login"),
    path("accounts/oidc/<str:provider_id>/login/callback/", oidc.callback, name="openid_connect_callback"),
    # Identities come from an organization's provider alone: nobody adds one to an account, or signs up with one.
    path("accounts/3rdparty/", RedirectView.as_view(pattern_name="mfa_index"), name="socialaccount_connections"),
    path("accounts/3rdparty/signup/", RedirectView.as_view(pattern_name="account_login"), name="socialaccount_signup"),
    path("accounts/3rdparty/", include("allauth.socialaccount.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("", include("campaigns.urls")),
    path("", include("delivery.urls")),
    path("", include("tracking.urls")),
    path("", include("intake.urls")),
    path("", include("privacy.urls")),
]

handler404 = "config.views.not_found"
