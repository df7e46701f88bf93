"""What allauth asks us."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render
from django.utils import timezone

from accounts.sign_on import member_behind, provider_session, rules_behind, social_app
from common.crypto import decrypt_secret, encrypt_secret
from common.mail import MailTroubleError
from common.ratelimit import client_prefix

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whoever confirms an address and founds an organization, where the operator lets them (``PLI_SIGN_UP``)."""
        return bool(settings.SIGN_UP_OPEN)

    def get_from_email(self) -> str:
        return str(settings.DEFAULT_FROM_EMAIL)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Whatever becomes of the mail, the page says the same: one that no server takes would tell by its error."""
        try:
            super().send_mail(template_prefix, email, context)
        except (MailTroubleError, OSError) as trouble:
            logger.warning("a mail about an account did not leave: %s", type(trouble).__name__)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The network that somebody comes from. It is counted by for the limits, and shown in the list of sessions."""
        network, slash, _bits = client_prefix(request).partition("/")
        return network if slash else "::"


class MfaAdapter(DefaultMFAAdapter):
    """Second factors: what they are made of is sealed like every other secret."""

    def encrypt(self, text: str) -> str:
        return encrypt_secret(text)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt_secret(encrypted_text)


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    """Sign-in with an organization's own provider, which opens that organization and nothing else."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The one provider that an address names. They are never listed: who uses which is nobody else's business."""
        try:
            rules = rules_behind(UUID(provider or ""))
        except ValueError:
            return []
        return [social_app(rules)] if rules is not None else []

    def get_requests_session(self) -> requests.Session:
        return provider_session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Only members of the provider's own organization go on; a stranger learns nothing about other accounts."""
        rules = rules_behind(UUID(sociallogin.account.provider))
        member = None
        if rules is not None and sociallogin.state.get("process") == AuthProcess.LOGIN:
            member = member_behind(rules, sociallogin, now=timezone.now())
        if member is None:
            raise ImmediateHttpResponse(render(request, "socialaccount/refused.html", status=403))
        if not sociallogin.is_existing:
            sociallogin.connect(request, member)
