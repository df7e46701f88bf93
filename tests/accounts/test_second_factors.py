"""Second factors: sealed, asked for, used once; and organizations that let nobody in without one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from accounts.models import SignInRules, User
from common.crypto import decrypt_secret
from common.tenancy import tenant
from tests.support.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db


def code_of(secret: str, steps: int = 0) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


def give_app(user: User) -> str:
    secret = str(generate_totp_secret())
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def first_step(user: User) -> Client:
    client = Client()
    answer = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


def signed_in(client: Client) -> bool:
    return client.get("/console/").status_code == 200


def require_factor(cast: Cast) -> None:
    with tenant(cast.bakery.pk):
        SignInRules.objects.create(organization=cast.bakery, second_factor_required=True)


def test_what_a_factor_is_made_of_is_sealed(cast: Cast) -> None:
    secret = give_app(cast.ana)
    rows = {row.type: row.data for row in Authenticator.objects.all()}
    assert secret not in json.dumps(rows)
    assert decrypt_secret(rows["totp"]["secret"]) == secret
    assert decrypt_secret(rows["recovery_codes"]["seed"])


def test_a_key_that_is_being_set_up_is_sealed_in_the_session(cast: Cast) -> None:
    client = first_step(cast.ana)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    assert secret in page.content.decode()
    held = [row.get_decoded() for row in Session.objects.all()]
    assert secret not in json.dumps(held)
    answer = client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert answer.status_code == 302, answer.content.decode()
    assert TOTP(Authenticator.objects.get(type="totp")).validate_code(code_of(secret, 1))


def test_the_second_step_is_asked_for_and_a_code_works_once(cast: Cast) -> None:
    secret = give_app(cast.ana)
    client = first_step(cast.ana)
    assert not signed_in(client)
    code = code_of(secret)
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
    assert signed_in(client)
    again = first_step(cast.ana)
    # allauth forgets it earlier than the code ends.
    cache.delete(f"allauth.mfa.totp.used?user={cast.ana.pk}&code={code}")
    assert again.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 200
    assert not signed_in(again)


def test_a_recovery_code_signs_in_once(cast: Cast) -> None:
    give_app(cast.ana)
    code = RecoveryCodes(Authenticator.objects.get(type="recovery_codes")).get_unused_codes()[0]
    client = first_step(cast.ana)
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert signed_in(client)
    again = first_step(cast.ana)
    again.post("/accounts/2fa/authenticate/", {"code": code})
    assert not signed_in(again)


def test_guessing_codes_is_locked_out(cast: Cast) -> None:
    secret = give_app(cast.ana)
    client = first_step(cast.ana)
    for _attempt in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    assert not signed_in(client)


def test_a_member_without_a_factor_is_led_to_it_before_anything_else(cast: Cast) -> None:
    require_factor(cast)
    client = first_step(cast.max)
    for address in ("/console/", "/console/campaigns/campaign/", "/console/participants/participant/?q=a"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers.get("Location")) == (302, "/accounts/2fa/"), address
    page = client.get("/console/", follow=True).content.decode()
    assert f"{cast.bakery.name} asks for a second factor before you can work in it." in page
    give_app(cast.max)
    assert signed_in(client)
    assert signed_in(first_step(cast.cleo))


def test_a_new_factor_ends_the_sessions_that_had_none(
    cast: Cast, django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]]
) -> None:
    elsewhere, here = first_step(cast.max), first_step(cast.max)
    here.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = here.get("/accounts/2fa/totp/activate/").context["form"].secret
    with django_capture_on_commit_callbacks(execute=True):
        here.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert signed_in(here)
    assert not signed_in(elsewhere)


def test_sessions_are_listed_and_ended_one_by_one(cast: Cast, now: datetime) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"}
    stolen = Client(headers=agent, REMOTE_ADDR="203.0.113.77")
    stolen.post("/accounts/login/", {"login": cast.ana.email, "password": PASSWORD})
    client = first_step(cast.ana)
    page = client.get("/accounts/sessions/")
    assert "Firefox, Windows" in page.content.decode()
    # The network, never the address itself.
    assert "203.0.113.0" in page.content.decode()
    assert "203.0.113.77" not in page.content.decode()
    other = next(one["row"] for one in page.context["sessions"] if not one["current"])
    stranger = first_step(cast.max)
    assert stranger.post("/accounts/sessions/", {"session": other.pk}).status_code == 404
    assert signed_in(stolen)
    client.post("/accounts/sessions/", {"session": other.pk})
    assert not signed_in(stolen)
    assert signed_in(client)
