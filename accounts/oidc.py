"""An organization's provider answers: what it signed is checked before anything of it is believed.

allauth leaves signatures unchecked when a token comes straight from the provider. We check always, and that the token
was made for this very sign-in.
"""

from __future__ import annotations

import hmac
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView, OAuth2View
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.csp import CSP
from django.views.decorators.cache import never_cache

from accounts.sign_on import rules_behind
from common.crypto import keyed_hash
from common.policies import with_policy

# No "none", and nothing that is signed with a key which both sides know.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
CLOCKS_APART_SECONDS = 60


def _nonce(state: str) -> str:
    """Ties a token to the browser in which the sign-in began, by what stands in its session."""
    return keyed_hash("single sign-on", state)


class NonceClient(OAuth2Client):
    def get_redirect_url(self, authorization_url: str, scope: list[str], extra_params: dict[str, str]) -> str:
        nonce = {"nonce": _nonce(self.state or "")}
        return str(super().get_redirect_url(authorization_url, scope, {**extra_params, **nonce}))


class SignedTokenAdapter(OpenIDConnectOAuth2Adapter):
    client_class = NonceClient

    def get_provider(self) -> Any:
        """allauth's provider, which asks its own adapter for the way there."""
        provider = super().get_provider()
        provider.oauth2_adapter_class = SignedTokenAdapter
        return provider

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        claims = self._decode_id_token(app, str(kwargs["response"].get("id_token") or ""))
        if "email" not in claims and self.openid_config.get("userinfo_endpoint"):
            said = self._fetch_user_info(token.token)
            if said.get("sub") != claims["sub"]:
                raise OAuth2Error("The provider speaks of two people.")
            claims = {**said, **claims}
        # Some say it as a word, and "false" is one too.
        claims["email_verified"] = claims.get("email_verified") in (True, "true")
        login = self.get_provider().sociallogin_from_response(request, {"id_token": claims})
        # Who it is, and no more, is kept.
        login.account.extra_data = {}
        return login

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        config = self.openid_config
        if str(config.get("issuer", "")).rstrip("/") != app.settings["issuer"].rstrip("/"):
            raise OAuth2Error("The provider calls itself by another name.")
        try:
            claims = jwt.decode(
                id_token,
                key=self._key_for(id_token, config["jwks_uri"]),
                algorithms=ALGORITHMS,
                audience=app.client_id,
                issuer=config["issuer"],
                leeway=CLOCKS_APART_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, LookupError, TypeError, ValueError) as error:
            raise OAuth2Error("The token is not good.") from error
        expected = _nonce(self.request.GET.get("state", ""))
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.encode()):
            raise OAuth2Error("The token belongs to another sign-in.")
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("The token was made for somebody else.")
        return claims

    def _key_for(self, id_token: str, address: str) -> jwt.PyJWK:
        wanted = jwt.get_unverified_header(id_token).get("kid")
        with get_adapter().get_requests_session() as session:
            answer = session.get(address)
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        fitting = [key for key in keys if wanted is None or key.key_id == wanted]
        if len(fitting) != 1:
            raise OAuth2Error("The provider has no such key.")
        return fitting[0]


@never_cache
def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """A page with one button, and the way to the provider when it is pressed."""
    origin = _origin_or_404(provider_id)
    # Browsers hold a form's policy against where it is redirected, too.
    policy = {**settings.SECURE_CSP, "form-action": [CSP.SELF, origin]}
    return with_policy(_answer(OAuth2LoginView, request, provider_id), policy)


@never_cache
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    _origin_or_404(provider_id)
    return _answer(OAuth2CallbackView, request, provider_id)


def _answer(view: type[OAuth2View], request: HttpRequest, provider_id: str) -> HttpResponse:
    """allauth asks the provider what it is before it begins to expect errors."""
    adapter = SignedTokenAdapter(request, provider_id)
    try:
        return cast("HttpResponse", view.adapter_view(adapter)(request))
    except requests.RequestException as error:
        return cast("HttpResponse", render_authentication_error(request, adapter.get_provider(), exception=error))


def _origin_or_404(provider_id: str) -> str:
    try:
        rules = rules_behind(UUID(provider_id))
    except ValueError:
        rules = None
    if rules is None:
        raise Http404
    parts = urlsplit(rules.provider_origin)
    return f"{parts.scheme}://{parts.netloc}"
