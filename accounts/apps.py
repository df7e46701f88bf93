from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from allauth.mfa.signals import authenticator_added

        from accounts import receivers
        from accounts.sign_in_views import end_sessions_without_it

        authenticator_added.connect(end_sessions_without_it, dispatch_uid="accounts.end_sessions_without_it")
        receivers.connect()
