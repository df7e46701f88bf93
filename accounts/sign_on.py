"""Single sign-on: an organization's own OpenID Connect provider.

Its owner decides whom the provider calls by which address. So a session that begins there opens the provider's
organization alone (``accounts/gate.py``), however many the same person is a member of.
"""

from __future__ import annotations

import json
from datetime import datetime
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import requests
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from django.utils.translation import gettext as _
from requests.adapters import BaseAdapter

from accounts import audit
from accounts.models import Membership, Organization, SignInRules, User
from common.crypto import decrypt_secret, encrypt_secret
from common.safe_http import checked_addresses, fetch
from common.tenancy import call_door, tenant

DISCOVERY = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
# A list of keys and a description; nothing that a provider says needs more.
LARGEST_ANSWER = 500_000
PATIENCE_SECONDS = 10.0


class ProviderError(Exception):
    """The provider cannot be used; the message says why."""


# --- Whose provider ---------------------------------------------------------------------------------------------------


def organization_behind(provider_key: UUID) -> int | None:
    rows = call_door("door_organization_of_sign_on", [provider_key])
    return int(rows[0][0]) if rows else None


def rules_behind(provider_key: UUID) -> SignInRules | None:
    """The rules of whoever runs this provider, None for one that nobody runs."""
    organization_id = organization_behind(provider_key)
    if organization_id is None:
        return None
    with tenant(organization_id):
        return SignInRules.objects.select_related("organization").get(pk=organization_id)


def provider_named(name: str) -> UUID | None:
    rows = call_door("door_sign_on_by_name", [name.strip().lower()])
    return UUID(str(rows[0][0])) if rows else None


def social_app(rules: SignInRules) -> SocialApp:
    """What allauth knows a provider by. It is never saved: allauth's own table has no walls."""
    return SocialApp(
        provider="openid_connect",
        provider_id=str(rules.provider_key),
        name=rules.organization.name[:40],
        client_id=rules.client_id,
        secret=decrypt_secret(rules.sealed_client_secret) if rules.sealed_client_secret else "",
        settings={"server_url": rules.issuer, "oauth_pkce_enabled": True, "issuer": rules.issuer},
    )


def member_behind(rules: SignInRules, login: SocialLogin, *, now: datetime) -> User | None:
    """The member whom a provider means: the one it named before, else by an address that it answers for."""
    with tenant(rules.organization_id):
        members = Membership.objects.filter(organization=rules.organization_id, user__is_active=True)
        if login.is_existing:
            found = members.filter(user=login.user).select_related("user").first()
        else:
            known = [one.email for one in login.email_addresses if one.verified or rules.trusts_addresses]
            found = members.filter(user__email__iexact=known[0]).select_related("user").first() if known else None
        return found.user if found else None


# --- The rules --------------------------------------------------------------------------------------------------------


def sign_in_rules(organization: Organization) -> SignInRules:
    """The organization's rules, or those of one that never set any."""
    found = SignInRules.objects.filter(organization=organization).first()
    return found or SignInRules(organization=organization)


def has_second_factor(user: User) -> bool:
    return bool(is_mfa_enabled(user, types=FACTORS))


def lacks_second_factor(organization: Organization, user: User) -> bool:
    """Whether the organization asks for a second factor, and somebody has none."""
    return sign_in_rules(organization).second_factor_required and not has_second_factor(user)


def save_rules(organization: Organization, rules: SignInRules, *, secret: str, actor: User, now: datetime) -> None:
    """Keep new rules. Identities belong to the provider that gave them: another one means nobody by them."""
    with tenant(organization.pk):
        before = SignInRules.objects.filter(organization=organization).first()
        if secret:
            rules.sealed_client_secret = encrypt_secret(secret)
        if not rules.has_provider:
            rules.sealed_client_secret = rules.provider_origin = ""
            rules.sign_on_required = False
        rules.organization = organization
        rules.save()
        if before is not None and before.issuer != rules.issuer:
            SocialAccount.objects.filter(provider=str(rules.provider_key)).delete()
        audit.record(
            organization,
            actor=actor,
            action="settings:sign_in:changed",
            details={
                "second_factor_required": rules.second_factor_required,
                "issuer": rules.issuer,
                "sign_on_required": rules.sign_on_required,
                "trusts_addresses": rules.trusts_addresses,
                "client_id": rules.client_id,
                "new_secret": bool(secret and rules.has_provider),
            },
            now=now,
        )


def sign_in_page_origin(issuer: str) -> str:
    """Where a provider's sign-in page is, as the provider says itself; ProviderError when it cannot be used."""
    _refuse_open_line(issuer)
    try:
        answer = fetch(issuer.rstrip("/") + DISCOVERY, timeout=PATIENCE_SECONDS, largest=LARGEST_ANSWER)
        said: Any = json.loads(answer.body) if answer.status == 200 else None
    except (OSError, ValueError) as error:
        raise ProviderError(_("The provider did not answer: %(words)s") % {"words": error}) from error
    if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in ENDPOINTS):
        raise ProviderError(_("There is no OpenID Connect provider at this address."))
    if str(said.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise ProviderError(_("The provider calls itself %(issuer)s.") % {"issuer": said.get("issuer", "")})
    for name in ENDPOINTS:
        _refuse_open_line(said[name])
    parts = urlsplit(said["authorization_endpoint"])
    return f"{parts.scheme}://{parts.netloc}"


def _refuse_open_line(url: str) -> None:
    """Passwords and tokens go by https, save within networks that the operator named."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    try:
        addresses = checked_addresses(parts.hostname or "", parts.port or 80) if parts.scheme == "http" else []
    except (OSError, ValueError) as error:
        raise ProviderError(str(error)) from error
    if not addresses or any(ip_address(one.partition("%")[0]).is_global for one in addresses):
        raise ProviderError(_("Every address of the provider begins with https://."))


# --- Asking a provider ------------------------------------------------------------------------------------------------


class _JudgedAdapter(BaseAdapter):
    """``requests`` over the connections of common/safe_http.py."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """``options`` are for connections of requests' own."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        if body is not None and not isinstance(body, bytes):
            raise requests.RequestException("only forms and texts are sent", request=request)
        try:
            _refuse_open_line(request.url or "")
            answer = fetch(
                request.url or "",
                method=request.method or "GET",
                body=body,
                headers={name: str(value) for name, value in request.headers.items()},
                timeout=PATIENCE_SECONDS,
                largest=LARGEST_ANSWER,
            )
        except (OSError, ProviderError) as error:
            raise requests.ConnectionError(str(error), request=request) from error
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw, response.url, response.request = BytesIO(answer.body), request.url or "", request
        return response

    def close(self) -> None:
        """Each connection ends with its answer."""


def provider_session() -> requests.Session:
    """Follows no redirect, takes no proxy from the environment, and connects to no private address."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.headers["Accept-Encoding"] = "identity"
    session.mount("https://", _JudgedAdapter())
    session.mount("http://", _JudgedAdapter())
    return session
