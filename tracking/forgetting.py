"""What becomes of hits that may no longer be kept with a person: deleted, or made anonymous (rules C11, D2, U4).

Whatever a report had counted stays counted, as numbers that name nobody (``ForgottenTotal``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, connections
from psycopg import sql

from accounts.models import Organization
from common.tenancy import tenant
from tracking.models import HitKeeping, HitKind, HitsForgotten, LastOpenDay, PastHits

# A content that fewer people could be measured on says too much about each of them: its hits are deleted.
SMALLEST_CROWD = 10

# Every statement that writes hits takes this lock before it looks at anything, so those that began before a withdrawal
# and have not ended are among its holders. A transaction's own number is of no use here: it gets one with its first
# write, when it has looked already.
HIT_WRITERS = """
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'tracking_hit'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""


def running_hit_writers() -> set[str]:
    """The transactions that are writing hits at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(HIT_WRITERS)
        return {name for (name,) in cursor.fetchall()}


# By way of the content, whose hits have an index; one on the message would cost every hit a random write.
_OF_PERSON = """
 h.content_id = m.content_id AND h.tracked_message_id = m.id
   AND m.participant_id = %(participant)s AND h.kind = ANY(%(kinds)s)
   AND (%(until)s::timestamptz IS NULL OR h.received_at <= %(until)s)
   AND (%(scope)s::bigint IS NULL
        OR m.website_id = ANY(ARRAY(SELECT id FROM websites_website WHERE consent_scope_id = %(scope)s)))"""

_COUNTED = """
 h.organization_id, h.content_id, h.kind, h.link_number, h.actor, m.id AS person, m.exempt_purpose = '' AS reported,
 {whole} AS whole"""

_DELETED = f"""
DELETE FROM tracking_hit h USING tracking_trackedmessage m
 WHERE {_OF_PERSON} RETURNING {_COUNTED.format(whole="true")}"""  # noqa: S608

# The day is that of UTC, like the months of the table: no hit changes to another month.
_MADE_ANONYMOUS = f"""
UPDATE tracking_hit h SET tracked_message_id = NULL, received_at = date_trunc('day', h.received_at, 'UTC')
  FROM tracking_trackedmessage m
 WHERE {_OF_PERSON} AND m.exempt_purpose = '' AND %(crowd)s <= (
       SELECT count(*) FROM (SELECT FROM tracking_trackedmessage c WHERE c.content_id = m.content_id LIMIT %(crowd)s) c)
RETURNING {_COUNTED.format(whole="true")}"""  # noqa: S608 - made of constants

# Somebody of whom younger hits stay is counted by those until they go, too.
_OLD = f"""
DELETE FROM tracking_hit h USING tracking_trackedmessage m
 WHERE h.content_id = %(content)s AND h.tracked_message_id = m.id AND h.received_at < %(before)s
RETURNING {
    _COUNTED.format(
        whole='''NOT EXISTS (SELECT FROM tracking_hit n WHERE n.content_id = h.content_id
            AND n.tracked_message_id = h.tracked_message_id AND n.kind = h.kind AND n.received_at >= %(before)s)'''
    )
}"""  # noqa: S608 - made of constants

# What an exempt purpose recorded is in no report (rule S6), so there is nothing of it to keep.
ADD_TO_TOTALS = """
WITH gone AS ({gone}), person_of AS (
    SELECT organization_id, content_id, kind, 0 AS link_number, person, bool_or(actor = 1) AS human,
           bool_or(actor = 3) AS unsure, count(*) FILTER (WHERE actor = 1) AS human_hits, bool_and(whole) AS whole
      FROM gone WHERE reported GROUP BY organization_id, content_id, kind, person
     UNION ALL
    SELECT organization_id, content_id, kind, link_number, person, bool_or(actor = 1), bool_or(actor = 3),
           count(*) FILTER (WHERE actor = 1), bool_and(whole)
      FROM gone WHERE reported AND link_number > 0
     GROUP BY organization_id, content_id, kind, link_number, person
), added AS (
    INSERT INTO tracking_forgottentotal AS total
        (organization_id, content_id, kind, link_number, human_people, unsure_people, machine_people, human_hits)
    SELECT organization_id, content_id, kind, link_number, count(*) FILTER (WHERE whole AND human),
           count(*) FILTER (WHERE whole AND NOT human AND unsure),
           count(*) FILTER (WHERE whole AND NOT human AND NOT unsure),
           sum(human_hits)
      FROM person_of GROUP BY organization_id, content_id, kind, link_number
     ORDER BY content_id, kind, link_number
        ON CONFLICT (content_id, kind, link_number) DO UPDATE
       SET human_people = total.human_people + excluded.human_people,
           unsure_people = total.unsure_people + excluded.unsure_people,
           machine_people = total.machine_people + excluded.machine_people,
           human_hits = total.human_hits + excluded.human_hits
)
SELECT count(*) FROM gone"""


def hit_keeping(organization: Organization) -> HitKeeping:
    """What the organization set about its hits, or what holds without a word of it."""
    found = HitKeeping.objects.filter(organization=organization).first()
    return found or HitKeeping(organization=organization)


def forget_hits(
    organization_id: int,
    participant_id: int,
    *kinds: HitKind,
    now: datetime,
    scope_id: int | None = None,
    until: datetime | None = None,
    delete: bool = False,
) -> dict[PastHits, int]:
    """Delete a person's hits or make them anonymous, as the organization set (rule C11); keep what was counted.

    ``until`` leaves alone what came later. What was done is noted for the person. Returns how many hits there were.
    """
    values: dict[str, Any] = {
        "participant": participant_id,
        "scope": scope_id,
        "until": until,
        "crowd": SMALLEST_CROWD,
    }
    with tenant(organization_id):
        keeping = HitKeeping.objects.filter(organization=organization_id).first()
        anonymise = keeping is not None and keeping.on_withdrawal == PastHits.ANONYMISE and not delete
        done = dict.fromkeys(PastHits, 0)
        for kind in kinds:
            of_kind = values | {"kinds": [kind.value]}
            if anonymise:
                count = _run(ADD_TO_TOTALS.format(gone=_MADE_ANONYMOUS), of_kind)
                _note(organization_id, participant_id, kind, PastHits.ANONYMISE, count, now)
                done[PastHits.ANONYMISE] += count
            count = _run(ADD_TO_TOTALS.format(gone=_DELETED), of_kind)
            _note(organization_id, participant_id, kind, PastHits.DELETE, count, now)
            done[PastHits.DELETE] += count
        if HitKind.OPEN in kinds:
            forget_last_open_day(participant_id, until=until)
    return done


def forget_last_open_day(participant_id: int, *, until: datetime | None = None) -> None:
    """Delete the day of somebody's last open, in the caller's transaction; no report ever counted it (rule S8).

    With ``until``, one that may be later stays: they have said yes again since.
    """
    days = LastOpenDay.objects.filter(participant=participant_id)
    (days.filter(day__lte=until.date()) if until else days).delete()


def _run(query: str, values: Mapping[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        (count,) = cursor.fetchone()
    return int(count)


def _note(organization_id: int, participant_id: int, kind: HitKind, done: PastHits, count: int, now: datetime) -> None:
    if count:
        HitsForgotten.objects.create(
            organization_id=organization_id,
            participant_id=participant_id,
            kind=kind,
            done=done,
            hits=count,
            done_at=now,
        )


def delete_late_hits(organization_id: int, participant_id: int, kind: HitKind, *, scope_id: int | None = None) -> int:
    """Delete what was stored after a withdrawal by statements that began before it. It was never to be counted."""
    values: dict[str, Any] = {
        "participant": participant_id,
        "kinds": [kind.value],
        "scope": scope_id,
        "until": None,
    }
    with tenant(organization_id), connection.cursor() as cursor:
        if kind == HitKind.OPEN:
            forget_last_open_day(participant_id)
        cursor.execute(_DELETED, values)
        return cursor.rowcount


def delete_hits_of_copies(organization_id: int, copies: Mapping[str, Sequence[int]]) -> int:
    """Delete hits of sent copies that are gone themselves."""
    contents = [int(content) for content, messages in copies.items() for _ in messages]
    messages = [message for messages in copies.values() for message in messages]
    with tenant(organization_id), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM tracking_hit h USING unnest(%s::bigint[], %s::bigint[]) AS gone (content, message)"
            " WHERE h.content_id = gone.content AND h.tracked_message_id = gone.message",
            [contents, messages],
        )
        return cursor.rowcount


# Somebody who has said yes again since keeps what was recorded after it.
_REFUSALS = """
SELECT r.participant_id, r.scope_id, r.kind, r.refused_at,
       CASE r.kind WHEN 'opens' THEN c.opens ELSE c.clicks END = 'no'
  FROM (SELECT p.id AS participant_id, e.scope_id, e.kind, max(e.recorded_at) AS refused_at
          FROM consent_choiceevent e JOIN participants_participant p ON p.ledger_id = e.subject
         WHERE e.organization_id = %s AND e.value = 'no' AND e.kind IN ('opens', 'clicks') AND e.recorded_at >= %s
         GROUP BY p.id, e.scope_id, e.kind) r
  JOIN consent_choice c ON c.participant_id = r.participant_id AND c.scope_id = r.scope_id
 WHERE EXISTS (SELECT FROM tracking_trackedmessage m
                 JOIN tracking_hit h ON h.content_id = m.content_id AND h.tracked_message_id = m.id
                WHERE m.participant_id = r.participant_id AND h.kind = CASE r.kind WHEN 'opens' THEN 1 ELSE 2 END)
"""


def forget_hits_of_refusals(organization_id: int, *, since: datetime, now: datetime) -> int:
    """Do what is left undone for people who refused after ``since``. Returns how many hits there were."""
    found = 0
    with tenant(organization_id):
        with connection.cursor() as cursor:
            cursor.execute(_REFUSALS, [organization_id, since])
            refusals = cursor.fetchall()
        for participant_id, scope_id, kind, refused_at, still_refuses in refusals:
            hit_kind = HitKind.OPEN if kind == "opens" else HitKind.CLICK
            done = forget_hits(organization_id, participant_id, hit_kind, scope_id=scope_id, until=refused_at, now=now)
            found += sum(done.values())
            if still_refuses:
                found += delete_late_hits(organization_id, participant_id, hit_kind, scope_id=scope_id)
    return found


# --- After their time (rule U4) -------------------------------------------------------------------------------------

CONTENTS_AT_ONCE = 20


def forget_old_hits(organization_id: int, *, before: date, only_count: bool = False) -> int:
    """Delete an organization's hits from before a day of UTC, content by content. Says how many there are."""
    moment = datetime.combine(before, time.min, tzinfo=UTC)
    if only_count:
        return _count_old(organization_id, moment)
    gone = 0
    while True:
        with tenant(organization_id):
            contents = _old_contents(organization_id, moment)
            for content in contents:
                values: dict[str, Any] = {"content": content, "before": moment}
                gone += _run(ADD_TO_TOTALS.format(gone=_OLD), values)
                # Anonymous hits were counted when they became it, and hits of nobody never.
                gone += _delete_rest(values)
        if not contents:
            return gone


def _count_old(organization_id: int, before: datetime) -> int:
    with tenant(organization_id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM tracking_hit WHERE organization_id = %s AND received_at < %s",
            [organization_id, before],
        )
        return int(cursor.fetchone()[0])


def _old_contents(organization_id: int, before: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT content_id FROM tracking_hit WHERE organization_id = %s AND received_at < %s LIMIT %s",
            [organization_id, before, CONTENTS_AT_ONCE],
        )
        return [content for (content,) in cursor.fetchall()]


def _delete_rest(values: Mapping[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tracking_hit WHERE content_id = %(content)s AND received_at < %(before)s", values)
        return cursor.rowcount


def delete_orphaned_hits(organization_id: int, *, before: datetime) -> int:
    """Delete hits of sent copies that are gone, which a killed worker left behind. Says how many."""
    with tenant(organization_id), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM tracking_hit h WHERE h.organization_id = %s AND h.received_at BETWEEN %s AND %s"
            " AND h.tracked_message_id IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM tracking_trackedmessage m WHERE m.id = h.tracked_message_id)",
            [organization_id, before - timedelta(days=7), before],
        )
        return cursor.rowcount


_OLD_MONTHS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'tracking_hit'::regclass AND c.relname ~ '^tracking_hit_[0-9]{4}_[0-9]{2}$'
   AND c.relname < 'tracking_hit_' || to_char(%s::timestamptz - make_interval(months => %s), 'YYYY_MM')"""


def drop_old_hit_months(*, now: datetime) -> list[str]:
    """Drop the months of which no organization may keep anything any more, once they are empty. As the owner role."""
    dropped = []
    with connections["owner"].cursor() as cursor:
        cursor.execute(_OLD_MONTHS, [now, HitKeeping.LONGEST_MONTHS])
        for (name,) in cursor.fetchall():
            month = sql.Identifier(name)
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(month))
            if cursor.fetchone() == (False,):
                # Dropping stops hits for a moment; somebody who reads for long must not make that long.
                cursor.execute("SET lock_timeout = '2s'")
                cursor.execute(sql.SQL("DROP TABLE {}").format(month))
                cursor.execute("RESET lock_timeout")
                dropped.append(name)
    return dropped
