"""Choices and subscriptions of many people at once, as sets in the database.

``record_choices`` says about each answer what ``consent.rules.supersedes`` says; a test compares them on every
combination. It locks nobody who says nothing new: what it saw is checked when it writes, and where somebody changed it
meanwhile, all of it is refused (``ChoicesChanged``, or IntegrityError for a first answer) and the caller's transaction
is to be run again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Organization, User
from consent.models import Basis, Topic
from consent.rules import BEGINNING, Kind, Source, Verdict

# Left by record_choices until the end of the transaction: participant_id, and per kind the answer, its verdict, and
# what stood before.
VERDICTS_TABLE = "consent_answer"


class ChoicesChanged(Exception):  # noqa: N818 - nobody's fault: run the transaction again
    """Somebody answered while the answers of a file were being recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How and when the answers of a file were given, the same for all of them (rules C7)."""

    source: Source
    method: str
    happened_at: datetime
    wording: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    actor: User | None = None


# An answer against the current one: consent.rules.supersedes, line by line.
_VERDICT = """
CASE
    WHEN t.{kind} IS NULL THEN NULL
    WHEN t.{kind} = 'unknown' THEN 'unchanged'
    WHEN c.{kind}_at IS NULL OR c.{kind} = 'unknown' THEN
        CASE WHEN t.{kind} = 'yes' AND %(lacks)s THEN 'no_provenance' ELSE 'applied' END
    WHEN t.{kind} = c.{kind} THEN
        CASE
            WHEN t.{kind} = 'no' THEN CASE WHEN %(at)s > c.{kind}_at THEN 'applied' ELSE 'unchanged' END
            WHEN %(lacks)s THEN 'unchanged'
            WHEN %(person)s <> (c.{kind}_source = 'person') THEN
                CASE WHEN %(person)s THEN 'applied' ELSE 'unchanged' END
            WHEN %(at)s > c.{kind}_at THEN 'applied'
            ELSE 'unchanged'
        END
    WHEN t.{kind} = 'no' THEN
        CASE
            WHEN %(source)s = 'member' THEN 'applied'
            WHEN c.{kind}_source = 'person' AND NOT %(person)s THEN
                CASE WHEN %(at)s > c.{kind}_at THEN 'applied' ELSE 'kept_persons_own' END
            WHEN c.{kind}_source <> 'person' AND %(person)s THEN 'applied'
            WHEN %(at)s >= c.{kind}_at THEN 'applied'
            ELSE 'kept_newer'
        END
    WHEN %(person)s THEN CASE WHEN %(at)s > c.{kind}_at THEN 'applied' ELSE 'kept_no' END
    WHEN c.{kind}_source = 'person' THEN 'kept_persons_own'
    ELSE 'kept_no'
END"""

_ANSWERS = """
DROP TABLE IF EXISTS pg_temp.consent_answer;
CREATE TEMP TABLE consent_answer ON COMMIT DROP AS
SELECT t.participant_id, c.participant_id IS NULL AS is_first,
       t.opens, {opens_verdict} AS opens_verdict, c.opens AS opens_before, c.opens_at AS opens_at_before,
       t.clicks, {clicks_verdict} AS clicks_verdict, c.clicks AS clicks_before, c.clicks_at AS clicks_at_before
  FROM {table} t
  LEFT JOIN consent_choice c ON c.participant_id = t.participant_id
 WHERE t.opens IS NOT NULL OR t.clicks IS NOT NULL
"""

_EVENTS = """
INSERT INTO consent_choiceevent (organization_id, participant_id, kind, value, source, method, happened_at, recorded_at,
                                 wording, evidence, actor_id)
SELECT %(organization)s, a.participant_id, k.kind, k.value, %(source)s, %(method)s, %(at)s, %(now)s,
       %(wording)s, %(evidence)s::jsonb, %(actor)s
  FROM consent_answer a
 CROSS JOIN LATERAL (VALUES ('opens', a.opens, a.opens_verdict), ('clicks', a.clicks, a.clicks_verdict))
       AS k (kind, value, verdict)
 WHERE k.verdict = 'applied'
"""

_FIRST_STATE = """
CASE WHEN a.{kind}_verdict = 'applied' THEN a.{kind} ELSE 'unknown' END,
CASE WHEN a.{kind}_verdict = 'applied' THEN %(source)s ELSE '' END,
CASE WHEN a.{kind}_verdict = 'applied' THEN %(at)s END,
CASE WHEN a.{kind}_verdict = 'applied' AND a.{kind} = 'yes' THEN %(now)s END,
CASE WHEN a.{kind}_verdict = 'applied' AND a.{kind} = 'no' THEN NULL ELSE %(beginning)s END"""

_FIRST = """
INSERT INTO consent_choice (organization_id, participant_id,
                            opens, opens_source, opens_at, opens_yes_since, opens_not_no_since,
                            clicks, clicks_source, clicks_at, clicks_yes_since, clicks_not_no_since)
SELECT %(organization)s, a.participant_id, {opens}, {clicks}
  FROM consent_answer a
 WHERE a.is_first AND (a.opens_verdict = 'applied' OR a.clicks_verdict = 'applied')
"""

# consent.rules.choice_since: a yes keeps the moments that hold, a no ends both.
_NEXT_STATE = """
{kind} = CASE WHEN a.{kind}_verdict = 'applied' THEN a.{kind} ELSE c.{kind} END,
{kind}_source = CASE WHEN a.{kind}_verdict = 'applied' THEN %(source)s ELSE c.{kind}_source END,
{kind}_at = CASE WHEN a.{kind}_verdict = 'applied' THEN %(at)s ELSE c.{kind}_at END,
{kind}_yes_since = CASE
    WHEN a.{kind}_verdict = 'applied' AND a.{kind} = 'yes' THEN coalesce(c.{kind}_yes_since, %(now)s)
    WHEN a.{kind}_verdict = 'applied' THEN NULL
    ELSE c.{kind}_yes_since
END,
{kind}_not_no_since = CASE
    WHEN a.{kind}_verdict = 'applied' AND a.{kind} = 'yes' THEN coalesce(c.{kind}_not_no_since, %(now)s)
    WHEN a.{kind}_verdict = 'applied' THEN NULL
    ELSE c.{kind}_not_no_since
END"""

# The numbers of the people first, so that the planner need not know how many there are.
_INDEX = "CREATE INDEX ON consent_answer (participant_id)"
_NEXT = """
UPDATE consent_choice AS c
   SET {opens}, {clicks}
  FROM consent_answer a
 WHERE c.participant_id = ANY(ARRAY(SELECT participant_id FROM consent_answer
                                     WHERE NOT is_first AND 'applied' IN (opens_verdict, clicks_verdict)))
   AND a.participant_id = c.participant_id
   AND c.opens = a.opens_before AND c.opens_at IS NOT DISTINCT FROM a.opens_at_before
   AND c.clicks = a.clicks_before AND c.clicks_at IS NOT DISTINCT FROM a.clicks_at_before
"""

_COUNTS = """
SELECT opens_verdict, clicks_verdict, count(*),
       count(*) FILTER (WHERE is_first AND 'applied' IN (opens_verdict, clicks_verdict)),
       count(*) FILTER (WHERE NOT is_first AND 'applied' IN (opens_verdict, clicks_verdict))
  FROM consent_answer GROUP BY opens_verdict, clicks_verdict
"""


def _per_kind(template: str) -> dict[str, str]:
    return {kind.value: template.format(kind=kind) for kind in Kind}


def record_choices(organization: Organization, *, table: str, answers: Answers, now: datetime) -> Counter[Verdict]:
    """Record the answers of the people in a temporary table, each of whom stands there once; count the verdicts.

    ``table`` has participant_id, opens and clicks: yes, no, or NULL for nothing. The people exist and stay until the
    end of the transaction. What became of each answer is left in ``VERDICTS_TABLE``; the caller asks for the deletion
    of the hits of those who refuse now (C11), since who has any is not known here.
    """
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    values = _parameters(organization, answers, now)
    verdicts = {f"{kind}_verdict": sql for kind, sql in _per_kind(_VERDICT).items()}
    with connection.cursor() as cursor:
        cursor.execute(_ANSWERS.format(table=table, **verdicts), values)
        cursor.execute(_COUNTS)
        counts, first, known = _count(cursor.fetchall())
        if first + known:
            cursor.execute(_EVENTS, values)
        if first:
            cursor.execute(_FIRST.format(**_per_kind(_FIRST_STATE)), values)
        if known:
            cursor.execute(_INDEX)
            cursor.execute(_NEXT.format(**_per_kind(_NEXT_STATE)), values)
            _expect(cursor.rowcount, known)
    return counts


def _parameters(organization: Organization, answers: Answers, now: datetime) -> dict[str, Any]:
    source = Source(answers.source)
    return {
        "organization": organization.pk,
        "source": source.value,
        "person": source is Source.PERSON,
        "lacks": source is not Source.PERSON and not answers.evidence,
        "method": answers.method,
        # Nobody can have answered later than we hear of it.
        "at": min(answers.happened_at, now),
        "now": now,
        "beginning": BEGINNING,
        "wording": answers.wording,
        "evidence": json.dumps(dict(answers.evidence)),
        "actor": answers.actor.pk if answers.actor else None,
    }


def _count(rows: list[tuple[str | None, str | None, int, int, int]]) -> tuple[Counter[Verdict], int, int]:
    counts: Counter[Verdict] = Counter()
    for opens, clicks, people, _first, _known in rows:
        for verdict in (opens, clicks):
            if verdict is not None:
                counts[Verdict(verdict)] += people
    return counts, sum(row[3] for row in rows), sum(row[4] for row in rows)


def _expect(written: int, expected: int) -> None:
    if written != expected:
        raise ChoicesChanged


_SUBSCRIBE = """
INSERT INTO consent_subscription (organization_id, participant_id, topic_id, basis, source, wording, subscribed_at)
SELECT %s, t.participant_id, %s, %s, %s, %s, %s FROM {table} t
    ON CONFLICT (participant_id, topic_id) DO NOTHING
"""


def subscribe_people(
    organization: Organization, topic: Topic, *, table: str, basis: Basis, source: str, wording: str, now: datetime
) -> int:
    """Subscribe the people in a temporary table; says how many are new. Whoever unsubscribed stays so."""
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    with connection.cursor() as cursor:
        cursor.execute(
            _SUBSCRIBE.format(table=table),
            [organization.pk, topic.pk, Basis(basis).value, source[:120], wording, now],
        )
        return int(cursor.rowcount)


_END_SUBSCRIPTIONS = """
UPDATE consent_subscription AS s SET unsubscribed_at = %s
 WHERE s.unsubscribed_at IS NULL AND s.participant_id = ANY(ARRAY(
    SELECT (SELECT p.id FROM participants_participant p WHERE p.organization_id = %s AND p.email_norm = t.email_norm)
      FROM {table} t))
"""


def end_subscriptions(organization: Organization, *, table: str, now: datetime) -> int:
    """End all subscriptions of the addresses in a temporary table; says how many there were."""
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    with connection.cursor() as cursor:
        cursor.execute(_END_SUBSCRIPTIONS.format(table=table), [now, organization.pk])
        return int(cursor.rowcount)
