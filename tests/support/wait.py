"""Waiting for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until[T](predicate: Callable[[], T], seconds: float = 10.0, what: str = "") -> T:
    """The first true value of ``predicate``; fails with ``what`` when the deadline passes."""
    deadline = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or predicate}")
        time.sleep(0.02)  # a pause between two looks, not a synchronisation
    return value
