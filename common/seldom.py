"""What takes long to count is kept for a while, so that counting never costs more than a share of the time.

Kept in Redis, for all processes. Without Redis everything is counted anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from django.core.cache import cache
from redis.exceptions import RedisError


def recall(key: str) -> object:
    try:
        return cache.get(key)
    except (RedisError, OSError):
        return None


def keep(key: str, value: object, *, seconds: float) -> None:
    with suppress(RedisError, OSError):
        cache.set(key, value, timeout=seconds)


def counted[T](key: str, count: Callable[[], T], *, share_of_time: float, is_large: Callable[[T], bool]) -> T:
    """What ``count`` returns, or returned a while ago if it is large. One second at least: then many look at it."""
    found = recall(key)
    if found is not None:
        return found  # type: ignore[return-value]  # nobody else writes under this key
    began = time.monotonic()
    value = count()
    if is_large(value):
        keep(key, value, seconds=max(1.0, (time.monotonic() - began) / share_of_time))
    return value
