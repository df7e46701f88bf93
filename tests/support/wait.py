"""Waiting for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# What stops a test that would wait for ever; a machine that is busy with others must not reach it.
PATIENCE_SECONDS = 60.0
# Only who works in this database: other tests wait in theirs.
_WAITING = """SELECT count(*) FROM pg_locks waiting WHERE locktype = 'transactionid' AND NOT granted AND EXISTS (
    SELECT FROM pg_locks held JOIN pg_database d ON d.oid = held.database
     WHERE held.pid = waiting.pid AND d.datname = current_database())"""


def wait_until[T](predicate: Callable[[], T], seconds: float = PATIENCE_SECONDS, what: str = "") -> T:
    """The first true value of ``predicate``; fails with ``what`` when the deadline passes."""
    deadline = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or predicate}")
        time.sleep(0.02)  # a pause between two looks, not a synchronisation
    return value


def somebody_waits_for_a_row(cursor: Any) -> bool:
    """Whether a transaction in the cursor's database waits for the end of another one."""
    return waiting_for_a_row(cursor) > 0


def waiting_for_a_row(cursor: Any) -> int:
    """How many do."""
    cursor.execute(_WAITING)
    return int(cursor.fetchone()[0])
