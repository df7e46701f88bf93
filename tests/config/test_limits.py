"""Whatever strangers can send is counted. Addresses come from the resolver: a new one without a limit fails here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.conf import LazySettings
from django.db import transaction
from django.test import Client

from accounts.models import Invitation
from common.tenancy import tenant
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


# What a person does with a key of theirs, or a service with its own.
RIGHTS = ("preferences", "unsubscribe", "own_data", "stay", "reply", "participation", "confirm-address", "hook")


def test_without_counters_nobody_is_kept_from_a_right_and_nobody_signs_in(cast: Cast, settings: LazySettings) -> None:
    world = make_world(cast, datetime.now(UTC) - timedelta(seconds=1))
    counted_by, seen = settings.REDIS_URL, []
    for url in (counted_by, "redis://127.0.0.1:1/0"):
        settings.REDIS_URL = url
        answers = {}
        for name in RIGHTS:
            with transaction.atomic():
                answers[name] = Client().post(world.pages[name].path, SENT.get(name, {"do": "x"})).status_code
                transaction.set_rollback(True)
        seen.append(answers)
    assert seen[0] == seen[1]
    assert set(seen[0].values()) & {200, 302}
    # allauth counts in the cache, which is the same Valkey.
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    for name in ("account_login", "account_reset_password"):
        assert Client().post(world.pages[name].path, SENT[name]).status_code == 503


def test_without_counters_nobody_writes_to_strangers_or_tries_names(cast: Cast, settings: LazySettings) -> None:
    settings.REDIS_URL, settings.SIGN_UP_OPEN = "redis://127.0.0.1:1/0", True
    ana = Client()
    ana.force_login(cast.ana)
    ana.post("/console/accounts/membership/invite/", {"email": "eve@home.example", "role": "viewer"})
    form = {"name": "Mill", "legal_address": "Mill Road 1", "timezone": "Europe/Paris"}
    assert ana.post("/accounts/organizations/", form).status_code == 422
    assert Client().post("/accounts/single-sign-on/", {"name": "bakery"}).status_code == 429
    with tenant(cast.bakery.pk):
        assert not Invitation.objects.exists()
