"""Whatever strangers can send is counted. Addresses come from the resolver: a new one without a limit fails here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.conf import LazySettings
from django.test import Client

from tests.support.cast import PASSWORD, Cast
from tests.support.crawl import make_world, public_patterns

pytestmark = pytest.mark.django_db

# What is sent, where an empty form would be refused before anybody counts.
SENT = {
    "account_login": {"login": "nobody@home.example", "password": "wrong"},
    "account_reset_password": {"email": "nobody@home.example"},
    "account_signup": {"email": "nobody@home.example", "password1": PASSWORD, "password2": PASSWORD},
    "sign_on": {"name": "bakery"},
    "participation": {"email": "nobody@home.example"},
}
# They write nothing, and compare nothing that could be guessed.
HARMLESS = {
    "account_confirm_email": "a signature that works once",
    "account_logout": "ends the session of whoever asks",
    "account_reauthenticate": "needs a session",
    "healthz": "reads nothing",
    "metrics": "reads nothing",
    "readyz": "reads nothing",
    "home": "leads to the console",
    "socialaccount_signup": "leads to signing in",
    "socialaccount_connections": "leads to a page of the account",
    "openid_connect_login": "leads to a provider",
    "openid_connect_callback": "needs a state of this session",
    "pixel": "a hit, and no more than that is kept of it",
    "click": "a hit, and no more than that is kept of it",
}


@pytest.fixture
def counters(settings: LazySettings) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    yield client
    client.close()


def counted(client: redis.Redis) -> dict[bytes, bytes | None]:
    """All counters, ours and allauth's, as they stand."""
    names = [*client.scan_iter("limit:*"), *client.scan_iter("*allauth:rl:*")]
    return {name: client.dump(name) for name in names}


def test_every_address_that_strangers_can_send_to_is_counted(
    cast: Cast, counters: redis.Redis, settings: LazySettings
) -> None:
    settings.SIGN_UP_OPEN = True
    world = make_world(cast, datetime.now(UTC) - timedelta(seconds=1))
    uncounted = {}
    for name in sorted(public_patterns() - set(HARMLESS)):
        before = counted(counters)
        answer = Client().post(world.pages[name].path, SENT.get(name, {"do": "x"}))
        leads_to_sign_in = answer.status_code == 302 and answer.headers["Location"].startswith("/accounts/login/")
        if counted(counters) == before and answer.status_code != 405 and not leads_to_sign_in:
            uncounted[name] = answer.status_code
    assert uncounted == {}
