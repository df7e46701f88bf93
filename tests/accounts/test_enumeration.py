"""Nobody learns from us who has an account: not by words, status or the number of password hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings
from django.core.cache.backends.redis import RedisCache
from django.test import Client
from django.urls import reverse

from tests.accounts.provider import Provider
from tests.accounts.test_single_sign_on import set_up
from tests.support.cast import PASSWORD, Cast
from tests.support.hashers import QuickHasher
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db
NEW = "a long pass phrase of three oaks"
NOBODY = "nobody@bakery.example"


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each password that was hashed."""
    counted: list[str] = []
    real = QuickHasher.encode

    def encode(self: QuickHasher, password: str, salt: str, *rest: object) -> str:
        counted.append(password)
        return str(real(self, password, salt, *rest))

    monkeypatch.setattr(QuickHasher, "encode", encode)
    return counted


def words_of(client: Client, address: str, **form: str) -> tuple[int, str]:
    answer = client.post(address, form, follow=True)
    page = re.sub(r'value="[^"]*"', "", answer.content.decode())
    return answer.status_code, page.replace(form.get("email", "no address"), "the address")


def test_a_wrong_password_looks_like_no_account(cast: Cast, hashes: list[str]) -> None:
    cast.dana.set_unusable_password()
    cast.dana.save()
    cast.ben.is_active = False
    cast.ben.save()
    hashes.clear()
    seen = []
    for email in (cast.ana.email, "nobody@bakery.example", cast.dana.email, cast.ben.email):
        answer = words_of(Client(), "/accounts/login/", login=email, password="a wrong password")
        seen.append((answer, len(hashes)))
        hashes.clear()
    assert seen[0][1] == 1
    assert all(one == seen[0] for one in seen[1:])


def test_a_forgotten_password_looks_the_same_for_everybody(cast: Cast, hashes: list[str]) -> None:
    seen = []
    for email in (cast.ana.email, "nobody@bakery.example"):
        hashes.clear()
        seen.append((words_of(Client(), "/accounts/password/reset/", email=email), len(hashes)))
    assert seen[0] == seen[1]


def test_signing_up_looks_the_same_for_an_address_that_has_an_account(
    cast: Cast, hashes: list[str], settings: LazySettings
) -> None:
    settings.SIGN_UP_OPEN = True
    seen = []
    for email in (cast.ana.email, NOBODY):
        hashes.clear()
        answer = words_of(Client(), reverse("account_signup"), email=email, password1=NEW, password2=NEW)
        seen.append((answer, len(hashes)))
    assert seen[0] == seen[1]
    assert seen[0][1] == 1


def test_a_mail_that_no_server_takes_does_not_show(cast: Cast, settings: LazySettings, tmp_path: Path) -> None:
    settings.SIGN_UP_OPEN = True
    settings.MAILERS = {"default": {"BACKEND": "delivery.transports.MemberMailBackend"}}
    forms = {"account_reset_password": {}, "account_signup": {"password1": NEW, "password2": NEW}}
    with SmtpServer(tmp_path) as server:
        settings.SMTP_URL = server.url
        server.behave(refuse={NOBODY: "550 No such user"})
        for name, form in forms.items():
            known, unknown = (
                words_of(Client(), reverse(name), email=email, **form) for email in (cast.ana.email, NOBODY)
            )
            assert known == unknown
            assert known[0] == 200
        assert [message.rcpt_to for message in server.messages()] == [cast.ana.email] * 2


def test_an_address_that_one_adds_to_an_account_says_nothing_about_another(cast: Cast, settings: LazySettings) -> None:
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    seen = []
    for member, email in ((cast.ana, cast.cleo.email), (cast.max, NOBODY)):
        client = Client()
        client.force_login(member)
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
        status, page = words_of(client, reverse("account_email"), email=email, action_add="")
        seen.append((status, page.replace(member.email, "one's own").replace(member.full_name, "oneself")))
    assert seen[0] == seen[1]
    assert "the address" in seen[0][1]


def test_an_organizations_provider_learns_nothing_about_accounts_elsewhere(cast: Cast, settings: LazySettings) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    provider = Provider()
    seen = []
    with provider.server:
        set_up(cast, provider)
        for number, email in enumerate((cast.cleo.email, NOBODY)):
            provider.claims |= {"sub": f"person-{number}", "email": email, "email_verified": True}
            client = Client()
            address = client.post("/accounts/single-sign-on/", {"name": "bakery"})["Location"]
            answer = client.get(provider.authorize(client.post(address)["Location"]))
            seen.append((answer.status_code, answer.content))
    assert seen[0] == seen[1]
    assert seen[0][0] == 403


def test_being_locked_out_says_nothing_about_an_account(cast: Cast) -> None:
    seen = []
    for network, email in (("192.0.2.1", cast.ana.email), ("198.51.100.1", NOBODY)):
        for _attempt in range(6):
            client = Client(REMOTE_ADDR=network)
            answer = words_of(client, "/accounts/login/", login=email, password="a wrong password")
        seen.append(answer)
    assert seen[0] == seen[1]
    assert "Too many" in seen[0][1]


def test_guessing_a_password_is_locked_out_even_for_the_right_one(cast: Cast) -> None:
    for _attempt in range(5):
        words_of(Client(), "/accounts/login/", login=cast.ana.email, password="a wrong password")
    client = Client()
    client.post("/accounts/login/", {"login": cast.ana.email, "password": PASSWORD})
    assert client.get("/console/").status_code == 302


def test_without_counters_nobody_signs_in_and_whoever_is_in_stays(cast: Cast) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise redis.ConnectionError

    client, inside = Client(), Client()
    inside.force_login(cast.max)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("add", "get", "set"):
            patch.setattr(RedisCache, name, away)
        answer = client.post("/accounts/login/", {"login": cast.ana.email, "password": PASSWORD})
        assert inside.get("/console/").status_code == 200
    assert answer.status_code == 503
    assert client.get("/console/").status_code == 302


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012345", "ana@bakery.example"])
def test_weak_passwords_are_refused(cast: Cast, password: str) -> None:
    client = Client()
    client.force_login(cast.ana)
    form = {"oldpassword": PASSWORD, "password1": password, "password2": password}
    assert client.post("/accounts/password/change/", form).status_code == 200
    cast.ana.refresh_from_db()
    assert cast.ana.check_password(PASSWORD)
