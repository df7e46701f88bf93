"""Stores what may be stored now of opens and clicks, many of them with one statement.

A hit of somebody who may be measured, the day of a last open, or one more in a total without anybody behind it.

What came in while a statement ran is stored with the next one (group commit). A second connection takes over
when one of them is stalled. Nothing about consent is remembered between statements: each of them asks the tables.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg

from common import metrics
from tracking.batch import CLICK, Batch
from tracking.rules import NOBODY_READ, REPEATED, Actor

logger = logging.getLogger(__name__)

OPEN = 1
MACHINE = Actor.MACHINE.value
# What a hit of somebody's copy leaves (``consent.rules.Level``).
INDIVIDUAL = "individual"
LAST_OPEN_DAY = "last_open_day"

ANSWER_WITHIN_SECONDS = 0.25
HITS_KEPT = 100_000
# A statement of this many hits takes some 50 ms, so that the next ones need not wait longer than they may.
LARGEST_BATCH = 2_000
# A statement that takes longer has met a lock or a slow disk. Two that run all the time would cost more than one.
STALLED_SECONDS = 0.04
CONNECTIONS = 2
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
# Nobody took back the approval of an exempt purpose. One row of the content says so of all its copies, however many.
_APPROVED = "(SELECT NOT e.exempt_ended FROM tracking_trackedcontent e WHERE e.id = m.content_id)"
# The same for whoever asks about very many copies: read once, not for each.
APPROVED_AMONG_MANY = "m.content_id NOT IN (SELECT e.id FROM tracking_trackedcontent e WHERE e.exempt_ended)"


def may_measure_sql(kind: str, *, approved: str = _APPROVED) -> str:
    """``consent.rules.level_at_hit`` as far as it says individual, in SQL.

    For a tracked message m, its permission p and its choice c, if any. Not true is false or unknown. ``approved`` is
    how a statement asks whether the exempt purpose of m is still approved.
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
        WHEN 'authentication' THEN {_IN_FORCE} AND {_held(f"p.{kind}_authentication_since", silence)} AND {approved}
        WHEN 'legal_notice' THEN {_IN_FORCE} AND {_held(f"p.{kind}_legal_notice_since", silence)} AND {approved}
        END)"""


def may_keep_last_open_day_sql() -> str:
    """``consent.rules.level_at_hit`` as far as it says last open day, in SQL, for an open of the same m, p and c."""
    silence = _SILENCE.format(kind="opens")
    return f"""(m.opens IN ('individual', 'last_open_day') AND m.subscribed AND {_IN_FORCE}
        AND {_held("p.last_open_day_since", silence)} AND (m.exempt_purpose = '' OR {_APPROVED}))"""


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
    SELECT a.key, a.kind, a.link_number, (a.seen & 3)::smallint AS actor, a.seen & {NOBODY_READ} = 0 AS may_have_read,
        a.seen & {REPEATED} <> 0 AS repeated, a.microseconds
    FROM unnest(%s::uuid[], %s::smallint[], %s::smallint[], %s::smallint[], %s::bigint[])
        AS a (key, kind, link_number, seen, microseconds)
), judged AS (
    SELECT m.organization_id, m.content_id, m.id, m.participant_id, a.kind, a.link_number, a.actor,
        greatest(least(to_timestamp(a.microseconds / 1e6), now()), now() - interval '1 day') AS received_at,
        CASE a.kind
            WHEN {OPEN} THEN CASE
                WHEN {may_measure_sql("opens")} THEN '{INDIVIDUAL}'
                WHEN {may_keep_last_open_day_sql()} AND a.actor <> {MACHINE} AND a.may_have_read
                    THEN '{LAST_OPEN_DAY}' END
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
        WHERE NOT a.repeated
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

# As PostgreSQL wants it. psycopg would look for placeholders in a text of this length each time anew.
RECORD_HITS_RAW = "".join(
    part + (f"${number}" if number <= 6 else "") for number, part in enumerate(RECORD_HITS.split("%s"), 1)
)

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


class Recorder:
    """The recorder of one process. ``take`` never waits; what it returns is done once the hit is stored, or late.

    All hits of a batch share what is returned. Who is cancelled while awaiting it cancels it for the others too: they
    have to go on then, as ``tracking.asgi`` does. A future for each hit would cost more than all the rest of ``take``.
    """

    def __init__(
        self,
        url: str,
        *,
        hits_kept: int = HITS_KEPT,
        answer_within: float = ANSWER_WITHIN_SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        self._url = url
        self._hits_kept = hits_kept
        self._answer_within = answer_within
        self._filling: Batch | None = None
        self._waiting: deque[Batch] = deque()
        self._hits_in_memory = 0
        self._running = 0
        self._closing = False
        self._writers = [_Writer(self) for _ in range(connections)]

    def take(self, key: str, kind: int, link_number: int, seen: int) -> asyncio.Future[bool] | None:
        """Keep a hit until it is stored. None when there is no room for it."""
        if self._hits_in_memory >= self._hits_kept:
            metrics.HITS_DROPPED.labels("full").inc()
            return None
        batch = self._filling
        if batch is None:
            batch = self._begin_batch()
        batch.add(key, kind, link_number, seen)
        self._hits_in_memory += 1
        if len(batch.hits) >= LARGEST_BATCH:
            self._seal(batch)
        return batch.done

    async def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Store what is left, unless that takes too long."""
        self._closing = True
        for writer in self._writers:
            writer.wake()
        tasks = {writer.task for writer in self._writers if writer.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for writer in self._writers:
            await writer.stop()
        if self._hits_in_memory:
            metrics.HITS_DROPPED.labels("shutdown").inc(self._hits_in_memory)
            logger.error("stopped with %s hits that could not be stored", self._hits_in_memory)

    def _begin_batch(self) -> Batch:
        loop = asyncio.get_running_loop()
        batch = self._filling = Batch()
        batch.done = loop.create_future()
        # One timer per batch, set by its first hit: nobody in it waits longer.
        batch.timer = loop.call_later(self._answer_within, self._answer_late, batch)
        if self._running:
            loop.call_later(STALLED_SECONDS, self._pass_by, batch)
        else:
            self._wake()
        return batch

    def _wake(self) -> None:
        """Let one more connection look for work, if one is idle."""
        for writer in self._writers:
            if writer.task is None or writer.task.done():
                metrics.HITS_WAITING.set_function(lambda: self._hits_in_memory)
                writer.start()
            if writer.idle:
                writer.wake()
                return

    def _seal(self, batch: Batch) -> None:
        self._waiting.append(batch)
        self._filling = None
        self._wake()

    def _pass_by(self, batch: Batch) -> None:
        """The statement before it still runs: another connection takes it, if there is one."""
        if batch is self._filling:
            self._seal(batch)

    def _answer_late(self, batch: Batch) -> None:
        if batch is self._filling:
            # Who comes now gets a batch, and a time, of their own.
            self._seal(batch)
        batch.answer(stored=False)

    # --- What the connections ask of it

    def next_batch(self) -> Batch | None:
        """What to store now. None while it is better to wait for more, or nothing is left."""
        filling = self._filling
        if not self._waiting and filling is not None and not self._running:
            self._waiting.append(filling)
            self._filling = None
        if not self._waiting:
            return None
        batch = self._waiting.popleft()
        # After the database was away: many small ones that nobody has tried to store yet.
        while not batch.tried and self._waiting and len(batch) + len(self._waiting[0]) <= LARGEST_BATCH:
            batch.join(self._waiting.popleft())
        self._running += 1
        return batch

    def put_back(self, batch: Batch) -> None:
        """A writer ended before the batch was stored: the next one tries it again, as it is."""
        self._running -= 1
        self._waiting.appendleft(batch)

    def is_stored(self, batch: Batch, *, stored: bool) -> None:
        self._running -= 1
        self._hits_in_memory -= len(batch)
        batch.answer(stored=stored)

    @property
    def is_over(self) -> bool:
        return self._closing and self._filling is None

    @property
    def hits_in_memory(self) -> int:
        return self._hits_in_memory

    @property
    def url(self) -> str:
        return self._url


class _Writer:
    """One connection, and the task that stores batches over it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._woken = asyncio.Event()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self.task: asyncio.Task[None] | None = None
        self.idle = True

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._work())

    def wake(self) -> None:
        self.idle = False
        self._woken.set()

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
        await self._disconnect()

    async def _work(self) -> None:
        while True:
            batch = self._recorder.next_batch()
            if batch is not None:
                try:
                    stored = await self._store(batch)
                except BaseException:
                    self._recorder.put_back(batch)
                    raise
                self._recorder.is_stored(batch, stored=stored)
            elif self._recorder.is_over:
                return
            else:
                self._woken.clear()
                self.idle = True
                await self._woken.wait()

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
                waiting = self._recorder.hits_in_memory
                logger.warning("%s hits wait for the database (%s)", waiting, type(error).__name__)
                metrics.HIT_BATCHES_RETRIED.inc()
                await self._disconnect()
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
            else:
                metrics.HIT_BATCH_SIZE.observe(len(batch))
                return True

    async def _execute(self, parameters: Sequence[str]) -> None:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._recorder.url, cursor_factory=psycopg.AsyncRawCursor, **CONNECTION
            )
        began = time.perf_counter()
        cursor = await self._connection.execute(RECORD_HITS_RAW, parameters, prepare=True)
        metrics.HIT_COMMIT_SECONDS.observe(time.perf_counter() - began)
        metrics.HITS_STORED.inc(cursor.rowcount)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(psycopg.Error):
                await connection.close()
