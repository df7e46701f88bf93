"""Choices of many people at once, as sets in the database.

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
from common import journal
from consent.chain import NOTHING
from consent.imports.events import append_events, per_kind
from consent.ledger import Act, keep_text, write_events
from consent.models import ConsentText
from consent.rules import BEGINNING, Kind, Source, Verdict
from websites.models import ConsentScope
from websites.services import ensure_default_scope

# Left by record_choices until the end of the transaction: participant_id, scope_id, and per kind the answer, its
# verdict, and what stood before.
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
    # None: the organization's default one (rule C8).
    scope: ConsentScope | None = None


# An answer against the current one: consent.rules.supersedes, line by line.
_VERDICT = """
CASE
    WHEN t.{kind} IS NULL THEN NULL
    WHEN t.{kind} NOT IN ('yes', 'no') THEN 'unchanged'
    WHEN c.{kind}_at IS NULL OR c.{kind} NOT IN ('yes', 'no') THEN
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
SELECT t.participant_id, t.ledger_id, %(scope)s::bigint AS scope_id, c.participant_id IS NULL AS is_first,
       t.opens, {opens_verdict} AS opens_verdict, c.opens AS opens_before, c.opens_at AS opens_at_before,
       t.clicks, {clicks_verdict} AS clicks_verdict, c.clicks AS clicks_before, c.clicks_at AS clicks_at_before
  FROM {table} t
  LEFT JOIN consent_choice c ON {same_person}
 WHERE t.opens IS NOT NULL OR t.clicks IS NOT NULL
"""

_FIRST_STATE = """
CASE WHEN a.{kind}_verdict = 'applied' THEN a.{kind} ELSE 'unknown' END,
CASE WHEN a.{kind}_verdict = 'applied' THEN %(source)s ELSE '' END,
CASE WHEN a.{kind}_verdict = 'applied' THEN %(at)s END,
CASE WHEN a.{kind}_verdict = 'applied' AND a.{kind} = 'yes' THEN %(now)s END,
CASE WHEN a.{kind}_verdict = 'applied' AND a.{kind} = 'no' THEN NULL ELSE %(beginning)s END"""

_FIRST = """
INSERT INTO consent_choice (organization_id, participant_id, scope_id,
                            opens, opens_source, opens_at, opens_yes_since, opens_not_no_since,
                            clicks, clicks_source, clicks_at, clicks_yes_since, clicks_not_no_since)
SELECT %(organization)s, a.participant_id, %(scope)s, {opens}, {clicks}
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
END,
{kind}_informed_since = CASE
    WHEN a.{kind}_verdict = 'applied' AND a.{kind} = 'no' THEN NULL
    ELSE c.{kind}_informed_since
END"""

# The numbers of the people first, so that the planner need not know how many there are.
_INDEX = "CREATE INDEX ON consent_answer (participant_id)"
_NEXT = """
UPDATE consent_choice AS c
   SET {opens}, {clicks}
  FROM consent_answer a
 WHERE c.participant_id = ANY(ARRAY(SELECT participant_id FROM consent_answer
                                     WHERE NOT is_first AND 'applied' IN (opens_verdict, clicks_verdict)))
   AND a.participant_id = c.participant_id AND c.scope_id = %(scope)s
   AND c.opens = a.opens_before AND c.opens_at IS NOT DISTINCT FROM a.opens_at_before
   AND c.clicks = a.clicks_before AND c.clicks_at IS NOT DISTINCT FROM a.clicks_at_before
"""

_COUNTS = """
SELECT opens_verdict, clicks_verdict, count(*),
       count(*) FILTER (WHERE is_first AND 'applied' IN (opens_verdict, clicks_verdict)),
       count(*) FILTER (WHERE NOT is_first AND 'applied' IN (opens_verdict, clicks_verdict))
  FROM consent_answer GROUP BY opens_verdict, clicks_verdict
"""


def _answers_sql(table: str, *, made_here: bool = False) -> str:
    same_person = "false" if made_here else "c.participant_id = t.participant_id AND c.scope_id = %(scope)s"
    verdicts = {f"{kind}_verdict": sql for kind, sql in per_kind(_VERDICT).items()}
    return _ANSWERS.format(table=table, same_person=same_person, **verdicts)


def record_choices(
    organization: Organization, *, table: str, answers: Answers, now: datetime, made_here: bool = False
) -> Counter[Verdict]:
    """Record the answers of the people in a temporary table, each of whom stands there once; count the verdicts.

    ``table`` has participant_id, ledger_id, opens and clicks: yes, no, or NULL for nothing. The people exist and stay
    until the end of the transaction. What became of each answer is left in ``VERDICTS_TABLE``; the caller asks for the
    deletion of the hits of those who refuse now (C11), since who has any is not known here.

    ``made_here``: all of the people were made in this transaction. Nobody of them answered before, and no backup has
    them without their answer.
    """
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    write_events(organization)
    values = _parameters(organization, answers, now)
    with connection.cursor() as cursor:
        cursor.execute(_answers_sql(table, made_here=made_here), values)
        cursor.execute(_COUNTS)
        counts, first, known = _count(cursor.fetchall())
        if first + known:
            values |= _origin(organization, answers, values)
            append_events(cursor, VERDICTS_TABLE, values, with_heads=bool(known))
        if first:
            cursor.execute(_FIRST.format(**per_kind(_FIRST_STATE)), values)
        if known:
            cursor.execute(_INDEX)
            cursor.execute(_NEXT.format(**per_kind(_NEXT_STATE)), values)
            _expect(cursor.rowcount, known)
        if counts[Verdict.APPLIED] and not made_here:
            _write_down(cursor, organization, answers, values, now)
    return counts


def _write_down(
    cursor: Any, organization: Organization, answers: Answers, values: dict[str, Any], now: datetime
) -> None:
    """In the journal beside the database: a restored backup must not forget a refusal (rule D3)."""
    for kind in Kind:
        cursor.execute(
            f"SELECT ledger_id FROM {VERDICTS_TABLE} WHERE {kind}_verdict = 'applied' AND {kind} = 'no'"  # noqa: S608
            f" AND {kind}_before IS DISTINCT FROM 'no'"
        )
        journal.write_acts(
            journal.Act.REFUSED,
            organization.pk,
            [subject for (subject,) in cursor.fetchall()],
            at=now,
            about=kind.value,
            scope=values["scope"],
            source=answers.source.value,
            happened_at=min(answers.happened_at, now).isoformat(),
        )


def judge_choices(organization: Organization, *, table: str, answers: Answers, now: datetime) -> Counter[Verdict]:
    """What ``record_choices`` would say about the answers in a table. Writes nothing that outlives the transaction."""
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    with connection.cursor() as cursor:
        cursor.execute(_answers_sql(table), _parameters(organization, answers, now))
        cursor.execute(_COUNTS)
        return _count(cursor.fetchall())[0]


def _parameters(organization: Organization, answers: Answers, now: datetime) -> dict[str, Any]:
    source = Source(answers.source)
    return {
        "organization": organization.pk,
        "scope": (answers.scope or ensure_default_scope(organization, now=now)).pk,
        "source": source.value,
        "person": source is Source.PERSON,
        "lacks": source is not Source.PERSON and not answers.evidence,
        "method": answers.method,
        # Nobody can have answered later than we hear of it.
        "at": min(answers.happened_at, now),
        "now": now,
        "beginning": BEGINNING,
        "nothing": NOTHING.hex(),
        "evidence": json.dumps(dict(answers.evidence)),
        "actor": answers.actor.pk if answers.actor else None,
    }


def prepare_answers(organization: Organization, answers: Answers, *, now: datetime) -> None:
    """Make the scope and the text that answers need, before several transactions would wait for each other's."""
    _keep_wording(organization, answers, now=now)
    if answers.scope is None:
        ensure_default_scope(organization, now=now)


def _keep_wording(organization: Organization, answers: Answers, *, now: datetime) -> ConsentText | None:
    if not answers.wording:
        return None
    return keep_text(
        organization,
        website=None,
        language="",
        place=answers.method,
        text=answers.wording,
        asks_for=[kind.value for kind in Kind],
        author=answers.actor,
        now=now,
        latest_only=False,
    )


def _origin(organization: Organization, answers: Answers, values: Mapping[str, Any]) -> dict[str, Any]:
    """The text that the answers were given to, and the hash of all that they have in common."""
    text = _keep_wording(organization, answers, now=values["now"])
    act = Act(
        source=Source(answers.source),
        method=answers.method,
        happened_at=values["at"],
        now=values["now"],
        consent_text=text,
        evidence=answers.evidence,
        actor=answers.actor,
    )
    return {"text": text.pk if text else None, "act": act.hash(organization).hex()}


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
