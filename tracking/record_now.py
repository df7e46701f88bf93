"""Recording without an event loop, for ``runserver`` and tests: a hit is stored before its request is answered."""

from __future__ import annotations

import atexit
import logging
from functools import cache

import psycopg
from psycopg_pool import ConnectionPool

from common import metrics
from tracking.batch import Batch
from tracking.recorder import CONNECTION, RECORD_HITS

logger = logging.getLogger(__name__)


@cache
def _pool(url: str) -> ConnectionPool:
    pool = ConnectionPool(url, kwargs=CONNECTION, min_size=0, max_size=4, timeout=5, open=True)
    atexit.register(pool.close)
    return pool


def record_now(url: str, key: str, kind: int, link_number: int, seen: int) -> bool:
    """Store one hit before going on: a batch of one, with the same statement. Never fails because of the database."""
    batch = Batch()
    batch.add(key, kind, link_number, seen)
    try:
        with _pool(url).connection() as connection:
            cursor = connection.execute(RECORD_HITS, batch.parameters(), prepare=True)
    except psycopg.Error as error:
        metrics.HITS_DROPPED.labels("refused").inc()
        logger.warning("a hit was not stored (%s)", type(error).__name__)
        return False
    metrics.HITS_STORED.inc(cursor.rowcount)
    return True
