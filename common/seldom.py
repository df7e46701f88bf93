"""What takes long to count is counted seldom: whoever looks meanwhile sees what was counted before.

Kept in Redis, for all processes. Without Redis everything is counted anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.utils.module_loading import import_string
from redis.exceptions import RedisError

from common.jobs import after_commit
from common.tenancy import current_organization_id, tenant

SHARE_OF_TIME = 0.01
# What is older is not shown while it is counted again: then whoever looks waits for it.
STALE_SECONDS = 600.0
# Two people who look at once see the same, and a page that keeps itself fresh is not counted for each of them.
FRESH_SECONDS = 1.0
# A worker is asked for the same count at most so often.
ASKED_SECONDS = 10


@dataclass(frozen=True, slots=True)
class _Kept:
    value: object
    fresh_until: float


class SeldomCounts[T]:
    """Counts of an organization by number, such as those of its topics.

    ``path`` is where this object stands, for the worker that counts again. ``count`` takes an organization and numbers
    and says something about each of them. What ``is_large`` is kept for so long that counting costs ``share_of_time``.
    After that it is shown for another ``stale_for`` seconds, while a worker counts it again.
    """

    def __init__(
        self,
        path: str,
        count: Callable[[int, Sequence[int]], Mapping[int, T]],
        *,
        kind: type[T],
        is_large: Callable[[int, T], bool],
        share_of_time: float = SHARE_OF_TIME,
        stale_for: Callable[[T], float] = lambda value: STALE_SECONDS,
        fresh_for: float = FRESH_SECONDS,
    ) -> None:
        self._path, self._count, self._kind = path, count, kind
        self._is_large, self._share_of_time = is_large, share_of_time
        self._stale_for, self._fresh_for = stale_for, fresh_for

    def of(self, organization_id: int, numbers: Sequence[int]) -> dict[int, T]:
        """The counts of some numbers; those that are not known yet are counted together."""
        found, old = self._recall(organization_id, numbers)
        if old:
            self._have_counted(organization_id, old)
        unknown = [number for number in numbers if number not in found]
        return found | self._count_and_keep(organization_id, unknown)[0] if unknown else found

    def one(self, organization_id: int, number: int) -> T:
        return self.of(organization_id, [number])[number]

    def count_again(self, organization_id: int, numbers: Sequence[int]) -> None:
        """Count what was kept. What is no longer large is not kept any more: nobody is to see what it was."""
        _counted, large = self._count_and_keep(organization_id, numbers)
        forget([self._key(organization_id, number) for number in numbers if number not in large])

    def _count_and_keep(self, organization_id: int, numbers: Sequence[int]) -> tuple[dict[int, T], set[int]]:
        """All counts, and which of them are large."""
        began = time.monotonic()
        with nullcontext() if current_organization_id() == organization_id else tenant(organization_id):
            counted = dict(self._count(organization_id, numbers))
            large = {number for number, value in counted.items() if self._is_large(organization_id, value)}
        fresh = max(self._fresh_for, (time.monotonic() - began) / self._share_of_time)
        for number in large:
            kept = _Kept(counted[number], time.time() + fresh)
            keep(self._key(organization_id, number), kept, seconds=fresh + self._stale_for(counted[number]))
        return counted, large

    def _recall(self, organization_id: int, numbers: Sequence[int]) -> tuple[dict[int, T], list[int]]:
        """What is kept, and which of it is to be counted again."""
        keys = {self._key(organization_id, number): number for number in numbers}
        found: dict[int, T] = {}
        old = []
        for key, kept in recall_all(list(keys)).items():
            # What another release kept may be of another kind.
            if isinstance(kept, _Kept) and isinstance(kept.value, self._kind):
                found[keys[key]] = kept.value
                if time.time() >= kept.fresh_until:
                    old.append(keys[key])
        return found, old

    def _have_counted(self, organization_id: int, numbers: Sequence[int]) -> None:
        # Nobody asks for the same again while a worker is at it, or away.
        asked = [number for number in numbers if _is_first(f"{self._key(organization_id, number)}:asked")]
        if asked:
            after_commit("config.count_again", path=self._path, organization_id=organization_id, numbers=asked)

    def _key(self, organization_id: int, number: int) -> str:
        return f"{self._path}:{organization_id}:{number}"


def count_again(path: str, organization_id: int, numbers: Sequence[int]) -> None:
    """For the worker: count what somebody saw that was old. ``path`` is that of a ``SeldomCounts``."""
    counts = import_string(path)
    if not isinstance(counts, SeldomCounts):
        raise TypeError(f"counts nothing: {path!r}")
    counts.count_again(organization_id, numbers)


def _is_first(key: str) -> bool:
    try:
        return bool(cache.add(key, True, timeout=ASKED_SECONDS))
    except (RedisError, OSError):
        return False


def recall_all(keys: Sequence[str]) -> dict[str, Any]:
    try:
        return cache.get_many(keys)
    except (RedisError, OSError):
        return {}


def recall(key: str) -> object:
    return recall_all([key]).get(key)


def keep(key: str, value: object, *, seconds: float) -> None:
    with suppress(RedisError, OSError):
        cache.set(key, value, timeout=seconds)


def forget(keys: Sequence[str]) -> None:
    with suppress(RedisError, OSError):
        cache.delete_many(keys)
