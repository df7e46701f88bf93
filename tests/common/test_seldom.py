"""What takes long to count is counted seldom, and what is small each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest
from django.core.cache import caches

from common.seldom import SeldomCounts
from common.tenancy import current_organization_id
from config.tasks import count_again
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db

_times = count(1)
_seen_as: list[int | None] = []


def _count(organization_id: int, numbers: Sequence[int]) -> dict[int, int]:
    """So large as their number, and how often anything was counted."""
    _seen_as.append(current_organization_id())
    time = next(_times)
    return {number: number + time for number in numbers}


def _counts(name: str, **more: Any) -> SeldomCounts[int]:
    path = f"tests.common.test_seldom.{name}"
    return SeldomCounts(path, _count, kind=int, is_large=lambda _, value: value >= 1000, **more)


fresh = _counts("fresh")
old = _counts("old", share_of_time=1e9, fresh_for=0.0)
expired = _counts("expired", share_of_time=1e9, fresh_for=0.0, stale_for=lambda _: 0.0)

_sizes: dict[int, int] = {}
shrinking = SeldomCounts(
    "tests.common.test_seldom.shrinking",
    lambda _, numbers: {number: _sizes[number] for number in numbers},
    kind=int,
    is_large=lambda _, value: value >= 1000,
)


@pytest.fixture(autouse=True)
def times() -> None:
    """Each test counts from one."""
    global _times
    _times = count(1)
    _seen_as.clear()


def test_what_is_large_is_kept_for_a_while_and_what_is_small_is_counted_each_time(cast: Cast) -> None:
    assert fresh.of(cast.bakery.pk, [0, 1000]) == {0: 1, 1000: 1001}
    assert fresh.of(cast.bakery.pk, [0, 1000]) == {0: 2, 1000: 1001}
    assert fresh.one(cast.bakery.pk, 1000) == 1001


def test_an_organization_sees_only_what_was_counted_for_it(cast: Cast) -> None:
    assert (fresh.one(cast.bakery.pk, 1000), fresh.one(cast.cinema.pk, 1000)) == (1001, 1002)
    assert _seen_as == [cast.bakery.pk, cast.cinema.pk]


def test_what_is_old_is_shown_while_a_worker_counts_again(
    cast: Cast, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    assert old.one(cast.bakery.pk, 1000) == 1001
    # The first who sees it asks for another count, and nobody else.
    with django_capture_on_commit_callbacks() as asked:
        assert (old.one(cast.bakery.pk, 1000), old.one(cast.bakery.pk, 1000)) == (1001, 1001)
    assert len(asked) == 1
    count_again("tests.common.test_seldom.old", cast.bakery.pk, [1000])
    assert old.one(cast.bakery.pk, 1000) == 1002


def test_what_is_no_longer_large_is_shown_as_it_is_as_soon_as_it_was_counted_again(cast: Cast) -> None:
    _sizes[7] = 2000
    assert shrinking.one(cast.bakery.pk, 7) == 2000
    _sizes[7] = 3
    assert shrinking.one(cast.bakery.pk, 7) == 2000
    count_again("tests.common.test_seldom.shrinking", cast.bakery.pk, [7])
    assert shrinking.one(cast.bakery.pk, 7) == 3


def test_what_is_too_old_is_counted_by_whoever_looks(cast: Cast) -> None:
    assert (expired.one(cast.bakery.pk, 1000), expired.one(cast.bakery.pk, 1000)) == (1001, 1002)


def test_a_worker_counts_nothing_but_counts() -> None:
    with pytest.raises(TypeError, match="counts nothing"):
        count_again("os.getcwd", 1, [1])


def test_without_redis_everything_is_counted_anew(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    monkeypatch.setitem(caches.settings, "default", away)
    monkeypatch.delattr(caches._connections, "default", raising=False)
    try:
        assert (fresh.one(cast.bakery.pk, 1000), fresh.one(cast.bakery.pk, 1000)) == (1001, 1002)
    finally:
        monkeypatch.undo()
        del caches["default"]
