"""Forms of second factors, where allauth's own leave something open."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, generate_totp_secret
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.http import HttpRequest

from common.crypto import keyed_hash


class OnceOnly(BaseAuthenticateForm):
    """A code works once. allauth forgets a used one after its own half minute, though it is valid for three."""

    def clean_code(self) -> str:
        code = super().clean_code()
        used = keyed_hash("used code", str(self.user.pk), code.replace(" ", ""))
        seconds = settings.MFA_TOTP_PERIOD * (2 * settings.MFA_TOTP_TOLERANCE + 1)
        if not cache.add(f"used-code:{used}", 1, timeout=seconds):
            self._emit_authentication_failed(self.authenticator)
            raise get_adapter().validation_error("incorrect_code")
        return str(code)


class CodeForm(OnceOnly, AuthenticateForm):
    """The second step of signing in."""


class ConfirmCodeForm(OnceOnly, ReauthenticateForm):
    """Before something that matters."""


class SealedTotpForm(ActivateTOTPForm):
    """Setting up an app: what it is given waits in the session, sealed, until the first code has come back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.user = kwargs.pop("user")
        super(ActivateTOTPForm, self).__init__(*args, **kwargs)
        self.secret = self._waiting_secret()

    def _waiting_secret(self) -> str:
        session, adapter = context.request.session, get_adapter()
        waiting = session.get(SECRET_SESSION_KEY)
        if self.is_bound and waiting:
            return str(adapter.decrypt(waiting))
        secret = generate_totp_secret()
        session[SECRET_SESSION_KEY] = adapter.encrypt(secret)
        return str(secret)


class EvenSignUpForm(SignupForm):
    """An account that exists is answered as late as one that is made: its password is hashed, too, and thrown away."""

    def try_save(self, request: HttpRequest) -> Any:
        if self.account_already_exists:
            get_user_model()().set_password(self.cleaned_data["password1"])
        return super().try_save(request)
