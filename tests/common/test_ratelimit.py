"""Limits: counted under hashes of the day, and no obstacle when Redis is away."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import redis
from django.conf import LazySettings
from django.test import RequestFactory

from common.ratelimit import Limit, client_prefix, within_limit

TWICE = Limit("test", 2, 600)


def test_the_third_time_in_a_window_is_too_much_and_the_next_window_begins_anew(now: datetime) -> None:
    assert [within_limit(TWICE, "a", now=now) for _ in range(3)] == [True, True, False]
    assert within_limit(TWICE, "b", now=now)
    assert within_limit(TWICE, "a", now=now + timedelta(seconds=600))


def test_h5_redis_holds_neither_the_value_nor_the_same_hash_tomorrow(now: datetime, settings: LazySettings) -> None:
    client = redis.Redis.from_url(settings.REDIS_URL)
    for days in (0, 1):
        within_limit(TWICE, "203.0.113.0/24", now=now + timedelta(days=days))
    names = [name.decode() for name in client.scan_iter("limit:test:*")]
    assert len({name.split(":")[2] for name in names}) == 2
    assert not any("203.0.113" in name for name in names)
    assert all(0 < client.ttl(name) <= TWICE.seconds for name in names)


@pytest.mark.parametrize("when_away", [True, False])
def test_without_redis_the_caller_decides(settings: LazySettings, now: datetime, when_away: bool) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert within_limit(TWICE, "a", now=now, when_away=when_away) is when_away


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("", "unknown"),
    ],
)
def test_h5_only_the_network_of_an_address_is_looked_at(address: str, prefix: str) -> None:
    assert client_prefix(RequestFactory().get("/", REMOTE_ADDR=address)) == prefix


def test_only_our_own_proxies_are_believed(settings: LazySettings) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "192.0.2.1, 203.0.113.9"})
    assert client_prefix(request) == "10.0.0.0/24"
    settings.TRUSTED_PROXIES = 1
    assert client_prefix(request) == "203.0.113.0/24"
