"""Single sign-on with an organization's own provider: who gets in, where, and whom we do not believe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import LazySettings
from django.test import Client

from accounts.models import AuditEntry, Membership, SignInRules
from accounts.services import add_member
from common.tenancy import tenant
from tests.accounts.provider import CLIENT_ID, CLIENT_SECRET, Provider, new_key
from tests.support.cast import PASSWORD, Cast
from tests.support.web import Reply

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: LazySettings) -> Iterator[Provider]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    provider = Provider()
    with provider.server:
        yield provider


def set_up(cast: Cast, provider: Provider, **changes: str) -> SignInRules:
    """As an owner does it, on the page."""
    owner = Client()
    owner.force_login(cast.ana)
    page = {"short_name": "Bakery", "issuer": provider.url, "client_id": CLIENT_ID, "secret": CLIENT_SECRET}
    answer = owner.post("/console/sign-in/", page | changes)
    assert answer.status_code == 302, re.findall(r"error[^<]*<[^<]*", answer.content.decode())
    with tenant(cast.bakery.pk):
        return SignInRules.objects.get()


def go(provider: Provider, **claims: Any) -> tuple[Client, int]:
    """From our sign-in page to the provider and back."""
    provider.claims |= claims
    client = Client()
    address = client.post("/accounts/single-sign-on/", {"name": "bakery"})["Location"]
    page = client.get(address)
    assert f"form-action 'self' {provider.url}" in page["Content-Security-Policy"]
    there = client.post(address)["Location"]
    return client, client.get(provider.authorize(there)).status_code


def works(client: Client) -> bool:
    return client.get("/console/").status_code == 200


def test_a_member_signs_in_and_the_secret_is_sealed(cast: Cast, provider: Provider) -> None:
    rules = set_up(cast, provider)
    assert CLIENT_SECRET not in rules.sealed_client_secret
    client, status = go(provider, email=cast.max.email, email_verified=True)
    assert (status, works(client)) == (302, True)
    identity = SocialAccount.objects.get()
    assert (identity.user_id, identity.extra_data) == (cast.max.pk, {})
    # From then on by the identity, whatever the address is.
    client, _status = go(provider, email="other@elsewhere.example", email_verified=False)
    assert works(client)
    with tenant(cast.bakery.pk):
        Membership.objects.filter(user=cast.max).delete()
    client, status = go(provider)
    assert (status, works(client)) == (403, False)


def test_what_a_provider_says_opens_its_own_organization_and_no_account(
    cast: Cast, provider: Provider, now: datetime
) -> None:
    set_up(cast, provider)
    add_member(cast.cinema, cast.max, role="owner", now=now)
    client, _status = go(provider, email=cast.max.email, email_verified=True)
    session = client.session
    session["organization"] = cast.cinema.pk
    session.save()
    assert client.get("/console/").wsgi_request.organization.pk == cast.bakery.pk
    for address in ("/accounts/2fa/", "/accounts/2fa/webauthn/add/", "/accounts/password/change/", "/accounts/email/"):
        assert client.get(address).status_code == 403, address
    # Nor does it found or join another organization, or go to one.
    for address in ("/accounts/organizations/", "/accounts/invitation/any-key/"):
        for sent in ({"organization": str(cast.cinema.pk)}, {"name": "Mill", "legal_address": "x"}):
            assert client.post(address, sent).status_code == 403, address
    # A member of Cinema alone is a stranger to Bakery's provider.
    client, status = go(provider, sub="person-2", email=cast.cleo.email, email_verified=True)
    assert (status, works(client)) == (403, False)


@pytest.mark.parametrize("verified", [False, "false", None])
def test_an_address_that_nobody_confirmed_names_nobody(cast: Cast, provider: Provider, verified: object) -> None:
    set_up(cast, provider)
    _client, status = go(provider, email=cast.ana.email, email_verified=verified)
    assert status == 403
    set_up(cast, provider, trusts_addresses="on")
    client, _status = go(provider)
    assert works(client)


def test_forged_tokens_sign_nobody_in(cast: Cast, provider: Provider) -> None:
    set_up(cast, provider)
    honest = {"email": cast.max.email, "email_verified": True}
    for lie in (
        {"iss": "https://elsewhere.example"},
        {"aud": "another client"},
        {"exp": 1},
        {"nonce": "of another sign-in"},
        {"azp": "another client"},
    ):
        provider.claims = {}
        client, status = go(provider, **honest, **lie)
        assert (status, works(client)) == (401, False), lie
    provider.claims = {}
    provider.key = new_key()
    client, status = go(provider, **honest)
    assert (status, works(client)) == (401, False)
    provider.algorithm = "none"
    client, status = go(provider, **honest)
    assert (status, works(client)) == (401, False)


def test_a_provider_that_does_not_answer_signs_nobody_in_and_a_page_says_so(cast: Cast, provider: Provider) -> None:
    set_up(cast, provider)
    client = Client()
    address = client.post("/accounts/single-sign-on/", {"name": "bakery"})["Location"]
    there = client.post(address)["Location"]
    provider.server.reply = lambda _asked: Reply(503)
    for answer in (client.post(address), client.get(provider.authorize(there))):
        assert (answer.status_code, works(client)) == (401, False)
        assert "You are not signed in" in answer.content.decode()


def test_an_organization_may_let_nobody_in_by_password_but_its_owners(
    cast: Cast, provider: Provider, now: datetime
) -> None:
    set_up(cast, provider, sign_on_required="on")
    by_password = Client()
    by_password.post("/accounts/login/", {"login": cast.max.email, "password": PASSWORD})
    answer = by_password.get("/console/")
    assert answer.status_code == 403
    assert "/accounts/oidc/" in answer.content.decode()
    assert "/accounts/organizations/" not in answer.content.decode()
    # Whoever has another organization still gets there.
    add_member(cast.cinema, cast.max, role="viewer", now=now)
    assert "/accounts/organizations/" in by_password.get("/console/").content.decode()
    by_password.post("/accounts/organizations/", {"organization": str(cast.cinema.pk)})
    assert works(by_password)
    owner = Client()
    owner.post("/accounts/login/", {"login": cast.ana.email, "password": PASSWORD})
    assert works(owner)
    client, _status = go(provider, email=cast.max.email, email_verified=True)
    assert works(client)


def test_another_issuer_knows_nobody_and_the_change_is_in_the_trail(cast: Cast, provider: Provider) -> None:
    set_up(cast, provider)
    go(provider, email=cast.max.email, email_verified=True)
    assert SocialAccount.objects.exists()
    other = Provider()
    with other.server:
        set_up(cast, other)
        assert not SocialAccount.objects.exists()
    with tenant(cast.bakery.pk):
        assert AuditEntry.objects.filter(action="settings:sign_in:changed").count() == 2


def test_private_addresses_are_not_asked_and_open_lines_not_taken(cast: Cast, settings: LazySettings) -> None:
    client = Client()
    client.force_login(cast.ana)
    provider = Provider()
    page = {"short_name": "bakery", "issuer": provider.url, "client_id": CLIENT_ID, "secret": CLIENT_SECRET}
    with provider.server:
        assert client.post("/console/sign-in/", page).status_code == 200
        assert client.post("/console/sign-in/", page | {"issuer": "http://example.com"}).status_code == 200
        assert provider.server.asked == []
    with tenant(cast.bakery.pk):
        assert not SignInRules.objects.exists()


def test_only_owners_change_the_rules_and_names_are_taken_once(cast: Cast, provider: Provider) -> None:
    set_up(cast, provider)
    for person, status in ((cast.max, 403), (cast.dana, 403), (cast.ben, 403)):
        client = Client()
        client.force_login(person)
        assert client.get("/console/sign-in/").status_code == 200
        assert client.post("/console/sign-in/", {"second_factor_required": "on"}).status_code == status
    cinema = Client()
    cinema.force_login(cast.cleo)
    page = {"short_name": "bakery", "issuer": provider.url, "client_id": CLIENT_ID}
    answer = cinema.post("/console/sign-in/", page)
    assert answer.status_code == 200
    assert provider.url in answer.content.decode()
