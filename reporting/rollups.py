"""Counting hits into the figures of reports: each once, in the order of their numbers, and only the new ones.

The cursor and the figures move in one transaction, so that whoever is killed has either counted or not. Hits of all
organizations are counted together, as the owner role: one reading of the new rows, however many tenants there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections, transaction

from reporting.models import COPIES_IN_A_CHUNK
from tracking.forgetting import HIT_WRITERS
from tracking.models import HitKeeping

# One transaction: some seconds of work, and a kill loses no more than that.
HITS_AT_ONCE = 1_000_000

_NONE = f"repeat('0', {COPIES_IN_A_CHUNK})::bit({COPIES_IN_A_CHUNK})"
_BIT = f"set_bit({_NONE}, ({{}} %% {COPIES_IN_A_CHUNK})::int, 1)"

# Who was counted only possibly, or as a machine only: each person once, under the surest of their hits.
_UNSURE = "({0}unsure & ~{0}human)"
_MACHINE = "({0}machine & ~{0}human & ~{0}unsure)"


def _more(bits: str) -> str:
    """How many bits were added to a chunk: what is now, less what was."""
    return f"sum(bit_count({bits.format('now_')}) - bit_count({bits.format('was_')}))"


# Hits that were made anonymous have been counted already or are to be counted nowhere. What an exempt purpose recorded
# is no report's business (rule S6): a content whose mailing has none need not be asked copy by copy.
_COUNT = f"""
WITH arrived AS MATERIALIZED (
    SELECT h.organization_id, h.content_id, h.tracked_message_id AS copy, h.kind, coalesce(h.link_number, 0) AS link,
           h.actor, date_trunc('hour', h.received_at, 'UTC') AS hour
      FROM tracking_hit h WHERE {{which}} AND h.tracked_message_id IS NOT NULL
), doubtful AS MATERIALIZED (
    SELECT c.content_id FROM (SELECT DISTINCT content_id FROM arrived) c
     WHERE NOT EXISTS (SELECT FROM delivery_contentsnapshot s JOIN delivery_mailing m ON m.snapshot_id = s.id
                        WHERE s.tracked_content_id = c.content_id AND NOT m.exempt_approved)
), exempt AS MATERIALIZED (
    SELECT m.id FROM (SELECT DISTINCT a.copy FROM arrived a JOIN doubtful d ON d.content_id = a.content_id) c
      JOIN tracking_trackedmessage m ON m.id = c.copy WHERE m.exempt_purpose <> ''
), by_link AS MATERIALIZED (
    SELECT organization_id, content_id, kind, link, copy / {COPIES_IN_A_CHUNK} AS chunk, actor, hour,
           bit_or({_BIT.format("copy")}) AS bits, count(*) AS hits
      FROM arrived WHERE copy NOT IN (SELECT id FROM exempt)
     GROUP BY organization_id, content_id, kind, link, chunk, actor, hour
), counted AS MATERIALIZED (
    SELECT * FROM by_link WHERE kind = 1 OR link > 0
     UNION ALL
    SELECT organization_id, content_id, kind, 0, chunk, actor, hour, bit_or(bits), sum(hits)
      FROM by_link WHERE kind = 2 GROUP BY organization_id, content_id, kind, chunk, actor, hour
), merged AS MATERIALIZED (
    SELECT c.organization_id, c.content_id, c.kind, c.link, c.chunk, min(c.hour) AS first_at,
           coalesce(s.human, {_NONE}) AS was_human, coalesce(s.unsure, {_NONE}) AS was_unsure,
           coalesce(s.machine, {_NONE}) AS was_machine,
           coalesce(s.human, {_NONE}) | coalesce(bit_or(c.bits) FILTER (WHERE c.actor = 1), {_NONE}) AS now_human,
           coalesce(s.unsure, {_NONE}) | coalesce(bit_or(c.bits) FILTER (WHERE c.actor = 3), {_NONE}) AS now_unsure,
           coalesce(s.machine, {_NONE}) | coalesce(bit_or(c.bits) FILTER (WHERE c.actor = 2), {_NONE}) AS now_machine,
           coalesce(sum(c.hits) FILTER (WHERE c.actor = 1), 0) AS human_hits,
           coalesce(sum(c.hits) FILTER (WHERE c.actor = 3), 0) AS unsure_hits,
           coalesce(sum(c.hits) FILTER (WHERE c.actor = 2), 0) AS machine_hits
      FROM counted c LEFT JOIN reporting_seencopies s
        ON s.content_id = c.content_id AND s.kind = c.kind AND s.link_number = c.link AND s.chunk = c.chunk
     GROUP BY c.organization_id, c.content_id, c.kind, c.link, c.chunk, s.human, s.unsure, s.machine
), by_hour AS (
    SELECT c.organization_id, c.content_id, c.kind, c.link, c.actor, c.hour, c.hits,
           c.bits & ~CASE c.actor WHEN 1 THEN m.was_human WHEN 2 THEN m.was_machine ELSE m.was_unsure END
                  & ~coalesce(bit_or(c.bits) OVER earlier, {_NONE}) AS first_ones
      FROM counted c JOIN merged m USING (content_id, kind, link, chunk)
    WINDOW earlier AS (PARTITION BY c.content_id, c.kind, c.link, c.chunk, c.actor ORDER BY c.hour
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), hours AS (
    INSERT INTO reporting_hithour AS known
        (organization_id, content_id, kind, link_number, actor, hour, hits, people)
    SELECT organization_id, content_id, kind, link, actor, hour, sum(hits), sum(bit_count(first_ones))
      FROM by_hour GROUP BY organization_id, content_id, kind, link, actor, hour
        ON CONFLICT (content_id, kind, link_number, actor, hour) DO UPDATE
       SET hits = known.hits + excluded.hits, people = known.people + excluded.people
), people AS (
    INSERT INTO reporting_hitpeople AS known
        (organization_id, content_id, kind, link_number, human_people, unsure_people, machine_people,
         human_hits, unsure_hits, machine_hits)
    SELECT organization_id, content_id, kind, link, {_more("{0}human")}, {_more(_UNSURE)}, {_more(_MACHINE)},
           sum(human_hits), sum(unsure_hits), sum(machine_hits)
      FROM merged GROUP BY organization_id, content_id, kind, link
        ON CONFLICT (content_id, kind, link_number) DO UPDATE
       SET human_people = known.human_people + excluded.human_people,
           unsure_people = known.unsure_people + excluded.unsure_people,
           machine_people = known.machine_people + excluded.machine_people,
           human_hits = known.human_hits + excluded.human_hits,
           unsure_hits = known.unsure_hits + excluded.unsure_hits,
           machine_hits = known.machine_hits + excluded.machine_hits
), seen AS (
    INSERT INTO reporting_seencopies
        (organization_id, content_id, kind, link_number, chunk, human, unsure, machine, placed, first_at)
    SELECT organization_id, content_id, kind, link, chunk, now_human, now_unsure, now_machine, {_NONE}, first_at
      FROM merged
        ON CONFLICT (content_id, kind, link_number, chunk) DO UPDATE
       SET human = excluded.human, unsure = excluded.unsure, machine = excluded.machine
)
SELECT coalesce(sum(hits), 0) FROM by_link
"""  # noqa: S608 - made of constants
_NEW = "h.id > %(after)s AND h.id <= %(until)s"
_OF_CONTENT = "h.content_id = %(content)s AND h.id <= %(until)s"

_CURSOR = "INSERT INTO reporting_rollupcursor (id, waiting_for) VALUES (1, '{}') ON CONFLICT DO NOTHING"
_LOCKED = """
SELECT counted_to, horizon, horizon_at, waiting_for FROM reporting_rollupcursor WHERE id = 1 FOR UPDATE"""
# The numbers that were given out, before looking at who is writing: what is handed out later is no concern of ours.
_HANDED_OUT = "SELECT coalesce(pg_sequence_last_value('tracking_hit_id_seq'::regclass), 0)"
_NOTE = """
UPDATE reporting_rollupcursor SET horizon = %(horizon)s, horizon_at = %(now)s, waiting_for = %(waiting_for)s"""
_ADVANCE = "UPDATE reporting_rollupcursor SET counted_to = %(until)s, counted_at = coalesce(%(at)s, counted_at)"


@dataclass(frozen=True, slots=True)
class Counted:
    """What one step did."""

    hits: int
    # Whether hits that may be counted are left.
    more: bool


_ROOM = "SET LOCAL work_mem = '128MB'; SET LOCAL jit = off"


def _run(query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def running_writers() -> set[str]:
    """The transactions that are writing hits at this moment."""
    return {name for (name,) in _run(HIT_WRITERS)}


def note_horizon(*, now: datetime) -> None:
    """Move the horizon up if everybody has ended who was writing when it was noted; then note the next one.

    Every statement that writes hits locks their table before it takes a number. So whoever took one up to the horizon
    is either among the writers seen right after, or has ended and can be seen.
    """
    with transaction.atomic(using="owner"):
        _run(_CURSOR)
        ((counted_to, horizon, _at, waiting_for),) = _run(_LOCKED)
        if set(waiting_for) & running_writers():
            return
        if waiting_for:
            # It is believed from now on; it is counted before a later one is noted.
            _run("UPDATE reporting_rollupcursor SET waiting_for = '{}'")
            return
        if counted_to < horizon:
            return
        ((handed_out,),) = _run(_HANDED_OUT)
        _run(_NOTE, {"horizon": handed_out, "now": now, "waiting_for": sorted(running_writers())})


def count_new_hits(*, at_once: int = HITS_AT_ONCE) -> Counted:
    """Count the next hits up to the horizon, once it is believed."""
    with transaction.atomic(using="owner"):
        _run(_CURSOR)
        ((counted_to, horizon, horizon_at, waiting_for),) = _run(_LOCKED)
        if waiting_for or counted_to >= horizon:
            return Counted(0, more=False)
        until = min(horizon, counted_to + at_once)
        _run(_ROOM)
        ((hits,),) = _run(_COUNT.format(which=_NEW), {"after": counted_to, "until": until})
        _run(_ADVANCE, {"until": until, "at": horizon_at if until == horizon else None})
    return Counted(int(hits), more=until < horizon)


# --- Anew from the rows ---------------------------------------------------------------------------------------------

# Hits are gone, or have nobody any more, that a report had counted (rule C11).
_GONE = """
SELECT EXISTS (SELECT FROM tracking_forgottentotal WHERE content_id = %(content)s)
    OR EXISTS (SELECT FROM tracking_hit WHERE content_id = %(content)s AND tracked_message_id IS NULL)"""
_TAKE_AWAY = (
    "DELETE FROM reporting_hithour WHERE content_id = %(content)s",
    "DELETE FROM reporting_hitpeople WHERE content_id = %(content)s",
    "DELETE FROM reporting_seencopies WHERE content_id = %(content)s",
    "UPDATE reporting_mailinggroup SET opened = 0, clicked = 0 WHERE mailing_id IN (SELECT m.id FROM delivery_mailing m"
    " JOIN delivery_contentsnapshot s ON s.id = m.snapshot_id WHERE s.tracked_content_id = %(content)s)",
    "UPDATE reporting_countedmailing SET due_at = now() WHERE mailing_id IN (SELECT m.id FROM delivery_mailing m"
    " JOIN delivery_contentsnapshot s ON s.id = m.snapshot_id WHERE s.tracked_content_id = %(content)s)",
)


class HitsGoneError(Exception):
    """What was reported of an email cannot be counted from its rows any more."""


def rebuild(content_id: int) -> int:
    """Count an email's hits anew from their rows. Refused where some are gone: what was reported stays (rule C11)."""
    with transaction.atomic(using="owner"):
        _run(_CURSOR)
        ((counted_to, *_rest),) = _run(_LOCKED)
        for statement in _TAKE_AWAY:
            _run(statement, {"content": content_id})
        ((hits,),) = _run(_COUNT.format(which=_OF_CONTENT), {"content": content_id, "until": counted_to})
        # Last, so that it sees who withdrew meanwhile.
        if _run(_GONE, {"content": content_id}) == [(True,)]:
            raise HitsGoneError
    return int(hits)


# --- What may no longer be kept of a person -------------------------------------------------------------------------

# The copies of people whose hits went, of which no hit is left.
_TAKE_BITS_BACK = f"""
WITH gone AS (
    SELECT m.content_id, f.kind, m.id / {COPIES_IN_A_CHUNK} AS chunk, bit_or({_BIT.format("m.id")}) AS bits
      FROM (SELECT DISTINCT participant_id, kind FROM tracking_hitsforgotten WHERE done_at >= %(since)s) f
      JOIN tracking_trackedmessage m ON m.participant_id = f.participant_id
     WHERE EXISTS (SELECT FROM reporting_seencopies s
                    WHERE s.content_id = m.content_id AND s.kind = f.kind AND s.link_number = 0
                      AND s.chunk = m.id / {COPIES_IN_A_CHUNK}
                      AND get_bit(s.human | s.unsure | s.machine, (m.id %% {COPIES_IN_A_CHUNK})::int) = 1)
       AND NOT EXISTS (SELECT FROM tracking_hit h
                        WHERE h.content_id = m.content_id AND h.tracked_message_id = m.id AND h.kind = f.kind)
     GROUP BY m.content_id, f.kind, chunk
)
UPDATE reporting_seencopies s
   SET human = s.human & ~g.bits, unsure = s.unsure & ~g.bits, machine = s.machine & ~g.bits,
       placed = s.placed & ~g.bits
  FROM gone g WHERE s.content_id = g.content_id AND s.kind = g.kind AND s.chunk = g.chunk
RETURNING s.id
"""  # noqa: S608 - made of constants
_TOO_OLD = """
DELETE FROM reporting_seencopies s
 USING accounts_organization o LEFT JOIN tracking_hitkeeping k ON k.organization_id = o.id
 WHERE s.organization_id = o.id AND s.first_at < %(now)s - make_interval(months => coalesce(k.months, %(longest)s))
RETURNING s.id
"""


def forget_seen(*, since: datetime) -> int:
    """Forget of people who withdrew after ``since`` which copies they opened or clicked (rule C11). May run again.

    A permission that was taken back silences the copies of that time for good (rule H1), so they are not counted twice.
    """
    with transaction.atomic(using="owner"):
        _run(_CURSOR)
        # Whoever counts at this moment would write the bits back.
        _run(_LOCKED)
        return len(_run(_TAKE_BITS_BACK, {"since": since}))


def forget_old_seen(*, now: datetime) -> int:
    """Forget of which copies people were counted longer ago than their hits are kept (rule U4)."""
    return len(_run(_TOO_OLD, {"now": now, "longest": HitKeeping.LONGEST_MONTHS}))
