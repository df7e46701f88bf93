"""What takes long to count is counted seldom, and what is small each time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from django.core.cache import caches

from common.seldom import counted


@pytest.fixture
def look() -> Callable[[int], int]:
    """Says how often it was counted, of something of that size."""
    times = count(1)

    def ask(size: int) -> int:
        return counted(
            "test:looks", lambda: size + next(times), share_of_time=0.01, is_large=lambda found: found >= 100
        )

    return ask


def test_what_is_large_is_kept_for_a_while(look: Callable[[int], int]) -> None:
    assert (look(100), look(100)) == (101, 101)


def test_what_is_small_is_counted_each_time(look: Callable[[int], int]) -> None:
    assert (look(0), look(0)) == (1, 2)


def test_without_redis_everything_is_counted_anew(look: Callable[[int], int], monkeypatch: pytest.MonkeyPatch) -> None:
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    monkeypatch.setitem(caches.settings, "default", away)
    monkeypatch.delattr(caches._connections, "default", raising=False)
    try:
        assert (look(100), look(100)) == (101, 102)
    finally:
        monkeypatch.undo()
        del caches["default"]
