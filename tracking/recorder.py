"""Stores what may be stored now of opens and clicks, many of them with one statement.

A hit of somebody who may be measured, the day of a last open, or one more in a total without anybody behind it.

One task takes everything that came in while the previous statement ran and stores it with the next one (group commit).
Nothing about consent is remembered between statements: each of them asks the tables.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from common import metrics
from tracking.rules import Actor

logger = logging.getLogger(__name__)

OPEN = 1
CLICK = 2
MACHINE = Actor.MACHINE.value
# What a hit of somebody's copy leaves (``consent.rules.Level``).
INDIVIDUAL = "individual"
LAST_OPEN_DAY = "last_open_day"

ANSWER_WITHIN_SECONDS = 0.25
HITS_KEPT = 100_000
# A statement of this many hits takes some 50 ms, so that the next ones need not wait longer than they may.
LARGEST_BATCH = 2_000
DRAIN_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 2.0


def _held(permitted: str, chosen: str) -> str:
    """Both sides of a ground, since before the copy m was decided (H1)."""
    return f"({permitted} <= m.decided_at AND {chosen} <= m.decided_at)"


# Somebody without a choice never answered, so silence has held since before any copy. That is the 1970 of
# ``consent.rules.BEGINNING``; no copy is older.
_SILENCE = "(CASE WHEN c.participant_id IS NULL THEN '-infinity'::timestamptz ELSE c.{kind}_not_no_since END)"
# Time alone has taken something back, and the permission has not been resolved anew yet: nothing but a yes counts.
_IN_FORCE = "(p.until IS NULL OR p.until > now())"


def may_measure_sql(kind: str) -> str:
    """``consent.rules.level_at_hit`` as far as it says individual, in SQL.

    For a tracked message m, its permission p and its choice c, if any. Not true is false or unknown.
    """
    silence = _SILENCE.format(kind=kind)
    return f"""(m.{kind} = 'individual' AND CASE m.exempt_purpose
        WHEN '' THEN {_held(f"p.{kind}_with_yes_since", f"c.{kind}_yes_since")}
            OR ({_IN_FORCE} AND ({_held(f"p.{kind}_unless_no_since", silence)}
                OR CASE c.informed_ground
                   WHEN 'existing' THEN {_held(f"p.{kind}_if_informed_since", f"c.{kind}_informed_since")}
                       AND (p.informed_collected_before IS NULL OR c.collected_at < p.informed_collected_before)
                       AND (p.informed_before IS NULL OR c.informed_at < p.informed_before)
                   WHEN 'professional' THEN {_held(f"p.{kind}_professionals_since", f"c.{kind}_informed_since")}
                   END))
        WHEN 'authentication' THEN {_IN_FORCE} AND {_held(f"p.{kind}_authentication_since", silence)}
        WHEN 'legal_notice' THEN {_IN_FORCE} AND {_held(f"p.{kind}_legal_notice_since", silence)}
        END)"""


def may_keep_last_open_day_sql() -> str:
    """``consent.rules.level_at_hit`` as far as it says last open day, in SQL, for an open of the same m, p and c."""
    silence = _SILENCE.format(kind="opens")
    return f"""(m.opens IN ('individual', 'last_open_day') AND m.subscribed AND {_IN_FORCE}
        AND {_held("p.last_open_day_since", silence)})"""


def may_count_sql(kind: str) -> str:
    """``consent.rules.counts_anonymously`` in SQL, for the address x that a launch shares."""
    return f"""(x.{kind}_countries <> '{{}}' AND NOT EXISTS (
        SELECT FROM unnest(x.{kind}_countries) AS shared (country)
        LEFT JOIN websites_measurementpermission p ON p.website_id = x.website_id AND p.country = shared.country
        WHERE (p.{kind}_anonymous_since <= x.decided_at AND {_IN_FORCE}) IS NOT TRUE))"""


# Whose answers count for a message m with a permission p.
CHOICE = "LEFT JOIN consent_choice c ON c.participant_id = m.participant_id AND c.scope_id = p.scope_id"

# The batch is stored only with its first hit or total: where nobody may be measured, nothing at all is written (H1).
# When the batch is there already, because the answer of an earlier try was lost, ``batch`` is empty and nothing is
# added. A last open day needs no batch: the same day written again changes nothing, and the row of a batch would say
# to the second when somebody opened of whom only the day may be kept (S8).
# A wrong clock of ours may not name a month that has no table, or one batch would hold up all others.
# Rows that several recorders write are written in the order of their keys, so that nobody waits in a circle.
RECORD_HITS = f"""
WITH arrived AS (
    SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::smallint[], %s::smallint[], %s::bigint[])
        AS a (key, kind, link_number, actor, microseconds)
), judged AS (
    SELECT m.organization_id, m.content_id, m.id, m.participant_id, a.kind, a.link_number, a.actor,
        greatest(least(to_timestamp(a.microseconds / 1e6), now()), now() - interval '1 day') AS received_at,
        CASE a.kind
            WHEN {OPEN} THEN CASE
                WHEN {may_measure_sql("opens")} THEN '{INDIVIDUAL}'
                WHEN {may_keep_last_open_day_sql()} AND a.actor <> {MACHINE} THEN '{LAST_OPEN_DAY}' END
            WHEN {CLICK} THEN CASE WHEN {may_measure_sql("clicks")} THEN '{INDIVIDUAL}' END
        END AS effect
    FROM arrived a
    JOIN tracking_trackedmessage m ON m.key = a.key
    JOIN websites_measurementpermission p ON p.website_id = m.website_id AND p.country = m.country
    {CHOICE}
), counted AS (
    SELECT x.organization_id, x.content_id, r.kind, r.link_number, r.actor, r.hits
    FROM (
        SELECT x.id, a.kind, a.link_number, a.actor, count(*) AS hits
        FROM arrived a JOIN tracking_anonymouscontent x ON x.key = a.key
        GROUP BY x.id, a.kind, a.link_number, a.actor
    ) r
    JOIN tracking_anonymouscontent x ON x.id = r.id
    WHERE CASE r.kind WHEN {OPEN} THEN {may_count_sql("opens")} WHEN {CLICK} THEN {may_count_sql("clicks")} END
), batch AS (
    INSERT INTO tracking_hitbatch (id, stored_at)
    SELECT %s::uuid, now()
    WHERE EXISTS (SELECT FROM judged WHERE effect = '{INDIVIDUAL}') OR EXISTS (SELECT FROM counted)
    ON CONFLICT DO NOTHING
    RETURNING id
), opened AS (
    INSERT INTO tracking_lastopenday AS known (participant_id, organization_id, day)
    SELECT d.participant_id, d.organization_id, d.day
    FROM (
        SELECT j.participant_id, j.organization_id, max((j.received_at AT TIME ZONE o.timezone)::date) AS day
        FROM judged j JOIN accounts_organization o ON o.id = j.organization_id
        WHERE j.effect = '{LAST_OPEN_DAY}'
        GROUP BY j.participant_id, j.organization_id
    ) d
    WHERE NOT EXISTS (SELECT FROM tracking_lastopenday l WHERE l.participant_id = d.participant_id AND l.day >= d.day)
    ORDER BY d.participant_id
    ON CONFLICT (participant_id) DO UPDATE SET day = greatest(known.day, excluded.day)
), totals AS (
    INSERT INTO tracking_anonymoustotal AS total (organization_id, content_id, kind, link_number, actor, hits)
    SELECT r.organization_id, r.content_id, r.kind, r.link_number, r.actor, r.hits FROM counted r, batch
    ORDER BY r.content_id, r.kind, r.link_number, r.actor
    ON CONFLICT (content_id, kind, link_number, actor) DO UPDATE SET hits = total.hits + excluded.hits
)
INSERT INTO tracking_hit (organization_id, content_id, tracked_message_id, kind, link_number, actor, received_at)
SELECT j.organization_id, j.content_id, j.id, j.kind, nullif(j.link_number, 0), j.actor, j.received_at
FROM judged j, batch WHERE j.effect = '{INDIVIDUAL}'
"""  # noqa: S608 - made of constants

# Every table is reached by its key, however few hits there are and however little the planner knows of them yet.
PLAN = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
TIMEOUTS = {"statement_timeout": "30s", "lock_timeout": "10s"}
CONNECTION: dict[str, Any] = {
    "autocommit": True,
    "application_name": "pli-recorder",
    "connect_timeout": 5,
    # A network that swallows packets is a database that is away.
    "tcp_user_timeout": 10_000,
    "options": " ".join(f"-c {name}={value}" for name, value in (PLAN | TIMEOUTS).items()),
}


class Batch:
    """Hits that are stored together."""

    __slots__ = ("done", "hits", "id", "timer")

    def __init__(self) -> None:
        # Begins with the time, so that the index of the batches grows at one end; the rest is random.
        self.id = f"{time.time_ns():016x}{secrets.token_hex(8)}"
        # Key, kind, number of the link or 0, actor, microseconds since 1970.
        self.hits: list[tuple[str, int, int, int, int]] = []
        self.done: asyncio.Future[bool] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self.hits)

    def add(self, key: str, kind: int, link_number: int, actor: int) -> None:
        """``key`` as 32 hexadecimal digits; ``link_number`` 0 for an open."""
        self.hits.append((key, kind, link_number, actor, time.time_ns() // 1000))

    def parameters(self) -> list[str]:
        """The columns of the statement, as text: PostgreSQL reads it faster than Python could take them apart."""
        keys, *numbers = zip(*self.hits, strict=True)
        columns = (",".join(keys), *(",".join(map(str, column)) for column in numbers))
        return [*("{" + column + "}" for column in columns), self.id]

    def answer(self, *, stored: bool) -> None:
        """Let everybody go who waits for this batch, unless that was done before."""
        if self.done is None or self.timer is None or self.timer.cancelled():
            return
        self.timer.cancel()
        waited = not self.done.done()
        metrics.HIT_ANSWERS.labels("yes" if stored and waited else "no").inc(len(self))
        if waited:
            self.done.set_result(stored)


class Recorder:
    """The recorder of one process. ``take`` never waits; what it returns is done once the hit is stored, or late.

    All hits of a batch share what is returned. Who is cancelled while awaiting it cancels it for the others too: they
    have to go on then, as ``tracking.asgi`` does. A future for each hit would cost more than all the rest of ``take``.
    """

    def __init__(self, url: str, *, hits_kept: int = HITS_KEPT, answer_within: float = ANSWER_WITHIN_SECONDS) -> None:
        self._url = url
        self._hits_kept = hits_kept
        self._answer_within = answer_within
        self._filling: Batch | None = None
        self._waiting: deque[Batch] = deque()
        self._hits_in_memory = 0
        self._arrived = asyncio.Event()
        self._closing = False
        self._worker: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None

    def take(self, key: str, kind: int, link_number: int, actor: int) -> asyncio.Future[bool] | None:
        """Keep a hit until it is stored. None when there is no room for it."""
        if self._hits_in_memory >= self._hits_kept:
            metrics.HITS_DROPPED.labels("full").inc()
            return None
        batch = self._filling
        if batch is None:
            batch = self._begin_batch()
        batch.add(key, kind, link_number, actor)
        self._hits_in_memory += 1
        if len(batch.hits) >= LARGEST_BATCH:
            self._seal(batch)
        return batch.done

    async def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Store what is left, unless that takes too long."""
        self._closing = True
        self._arrived.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=seconds)
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
        if self._hits_in_memory:
            metrics.HITS_DROPPED.labels("shutdown").inc(self._hits_in_memory)
            logger.error("stopped with %s hits that could not be stored", self._hits_in_memory)
        await self._disconnect()

    def _begin_batch(self) -> Batch:
        loop = asyncio.get_running_loop()
        batch = self._filling = Batch()
        batch.done = loop.create_future()
        # One timer per batch, set by its first hit: nobody in it waits longer.
        batch.timer = loop.call_later(self._answer_within, self._answer_late, batch)
        if self._worker is None or self._worker.done():
            metrics.HITS_WAITING.set_function(lambda: self._hits_in_memory)
            self._worker = loop.create_task(self._work())
        self._arrived.set()
        return batch

    def _seal(self, batch: Batch) -> None:
        self._waiting.append(batch)
        self._filling = None

    def _answer_late(self, batch: Batch) -> None:
        if batch is self._filling:
            # Who comes now gets a batch, and a time, of their own.
            self._seal(batch)
        batch.answer(stored=False)

    async def _work(self) -> None:
        while True:
            if not self._waiting and self._filling is not None:
                self._seal(self._filling)
            if self._waiting:
                # It stays in the queue until it is stored: if this task ends before, it is still there.
                batch = self._waiting[0]
                stored = await self._store(batch)
                self._waiting.popleft()
                self._hits_in_memory -= len(batch)
                batch.answer(stored=stored)
            elif self._closing:
                return
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _store(self, batch: Batch) -> bool:
        parameters = batch.parameters()
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._execute(parameters)
            except psycopg.DataError as error:
                # It will not be better the next time. The message may quote a key, so it is not logged.
                metrics.HITS_DROPPED.labels("refused").inc(len(batch))
                logger.error("the database cannot read %s hits (%s)", len(batch), error.sqlstate)
                return False
            except psycopg.Error as error:
                logger.warning("%s hits wait for the database (%s)", self._hits_in_memory, type(error).__name__)
                metrics.HIT_BATCHES_RETRIED.inc()
                await self._disconnect()
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
            else:
                metrics.HIT_BATCH_SIZE.observe(len(batch))
                return True

    async def _execute(self, parameters: Sequence[str]) -> None:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(self._url, **CONNECTION)
        began = time.perf_counter()
        cursor = await self._connection.execute(RECORD_HITS, parameters, prepare=True)
        metrics.HIT_COMMIT_SECONDS.observe(time.perf_counter() - began)
        metrics.HITS_STORED.inc(cursor.rowcount)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(psycopg.Error):
                await connection.close()


# --- Without an event loop ------------------------------------------------------------------------------------------


@cache
def _pool(url: str) -> ConnectionPool:
    pool = ConnectionPool(url, kwargs=CONNECTION, min_size=0, max_size=4, timeout=5, open=True)
    atexit.register(pool.close)
    return pool


def record_now(url: str, key: str, kind: int, link_number: int, actor: int) -> bool:
    """Store one hit before going on: a batch of one, with the same statement. Never fails because of the database."""
    batch = Batch()
    batch.add(key, kind, link_number, actor)
    try:
        with _pool(url).connection() as connection:
            cursor = connection.execute(RECORD_HITS, batch.parameters(), prepare=True)
    except psycopg.Error as error:
        metrics.HITS_DROPPED.labels("refused").inc()
        logger.warning("a hit was not stored (%s)", type(error).__name__)
        return False
    metrics.HITS_STORED.inc(cursor.rowcount)
    return True
