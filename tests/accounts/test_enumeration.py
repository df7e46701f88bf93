"""Nobody learns from us who has an account: not by words, status or the number of password hashes."""

from __future__ import annotations

import re

import pytest
import redis
from django.core.cache.backends.redis import RedisCache
from django.test import Client

from tests.support.cast import PASSWORD, Cast
from tests.support.hashers import QuickHasher

pytestmark = pytest.mark.django_db


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
    return answer.status_code, page


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
