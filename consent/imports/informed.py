"""Many people who were informed and did not refuse, as sets in the database (rule C10).

``record_informed_people`` does for the people of a table what ``consent.services.record_informed`` does for one; a test
compares them on every state that a person can be in. As with the answers of a file, nobody is locked who is not
changed: what was seen is checked when it is written (``ChoicesChanged``).
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
from consent.chain import NOTHING
from consent.imports.choices import ChoicesChanged
from consent.imports.events import append_events, per_kind
from consent.ledger import Act, informed_evidence, write_events
from consent.models import Notice
from consent.rules import BEGINNING, Informed, Source, Verdict
from websites.models import ConsentScope
from websites.services import ensure_default_scope

# Left by record_informed_people until the end of the transaction: participant_id, and per kind the verdict.
INFORMED_TABLE = "consent_informed"


@dataclass(frozen=True, slots=True, kw_only=True)
class InformedPeople:
    """How the people of a file were informed, the same for all of them (rules C7, C10)."""

    informed: Informed
    notice: Notice | None
    source: Source
    method: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    actor: User | None = None
    # None: the organization's default one (rule C8).
    scope: ConsentScope | None = None


# consent.rules.choice_when_informed, line by line: an answer of their own goes first.
_VERDICT = """
CASE
    WHEN c.{kind} = 'no' THEN 'kept_no'
    WHEN c.{kind} = 'yes' THEN 'unchanged'
    WHEN c.{kind}_informed_since IS NOT NULL AND c.informed_ground = %(ground)s
         AND c.collected_at IS NOT DISTINCT FROM %(collected_at)s::timestamptz
         AND c.informed_at IS NOT DISTINCT FROM %(informed_at)s::timestamptz THEN 'unchanged'
    ELSE 'applied'
END"""

_PEOPLE = f"""
DROP TABLE IF EXISTS pg_temp.{INFORMED_TABLE};
CREATE TEMP TABLE {INFORMED_TABLE} ON COMMIT DROP AS
SELECT t.participant_id, t.ledger_id, c.participant_id IS NULL AS is_first,
       {{opens_verdict}} AS opens_verdict, c.opens AS opens_before, c.opens_at AS opens_at_before,
       {{clicks_verdict}} AS clicks_verdict, c.clicks AS clicks_before, c.clicks_at AS clicks_at_before
  FROM {{table}} t
  LEFT JOIN consent_choice c ON c.participant_id = t.participant_id AND c.scope_id = %(scope)s
"""  # noqa: S608 - made of constants and an identifier

_FIRST = f"""
INSERT INTO consent_choice (organization_id, participant_id, scope_id,
                            opens, opens_source, opens_not_no_since, opens_informed_since,
                            clicks, clicks_source, clicks_not_no_since, clicks_informed_since,
                            informed_ground, collected_at, informed_at)
SELECT %(organization)s, participant_id, %(scope)s, 'informed', '', %(beginning)s, %(now)s,
       'informed', '', %(beginning)s, %(now)s, %(ground)s, %(collected_at)s, %(informed_at)s
  FROM {INFORMED_TABLE} WHERE is_first
"""  # noqa: S608 - made of constants

# A kind that had been informed about before, and was answered with a yes since, shares the dates: they are others now.
_NEXT_STATE = """
{kind} = CASE WHEN a.{kind}_verdict = 'applied' THEN 'informed' ELSE c.{kind} END,
{kind}_informed_since = CASE
    WHEN a.{kind}_verdict = 'applied' THEN %(now)s::timestamptz
    WHEN c.{kind}_informed_since IS NULL THEN NULL
    WHEN c.informed_ground = %(ground)s
         AND c.collected_at IS NOT DISTINCT FROM %(collected_at)s::timestamptz
         AND c.informed_at IS NOT DISTINCT FROM %(informed_at)s::timestamptz THEN c.{kind}_informed_since
    ELSE %(now)s::timestamptz
END"""

_NEXT = f"""
UPDATE consent_choice AS c
   SET {{opens}}, {{clicks}},
       informed_ground = %(ground)s, collected_at = %(collected_at)s, informed_at = %(informed_at)s
  FROM {INFORMED_TABLE} a
 WHERE c.participant_id = ANY(ARRAY(SELECT participant_id FROM {INFORMED_TABLE}
                                     WHERE NOT is_first AND 'applied' IN (opens_verdict, clicks_verdict)))
   AND a.participant_id = c.participant_id AND c.scope_id = %(scope)s
   AND c.opens = a.opens_before AND c.opens_at IS NOT DISTINCT FROM a.opens_at_before
   AND c.clicks = a.clicks_before AND c.clicks_at IS NOT DISTINCT FROM a.clicks_at_before
"""  # noqa: S608 - made of constants

_COUNTS = f"""
SELECT opens_verdict, clicks_verdict, count(*), count(*) FILTER (WHERE is_first)
  FROM {INFORMED_TABLE} GROUP BY opens_verdict, clicks_verdict
"""  # noqa: S608 - made of constants


def record_informed_people(
    organization: Organization, *, table: str, people: InformedPeople, now: datetime
) -> Counter[Verdict]:
    """Record that the people of a temporary table were informed and did not refuse; count the verdicts of both kinds.

    ``table`` has participant_id and ledger_id, each person once; they exist and stay until the end of the transaction.
    Whether the rule table knows the ground where they are, the caller has asked. Never over an answer.
    """
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    write_events(organization)
    values = _parameters(organization, people, now)
    verdicts = {f"{kind}_verdict": sql for kind, sql in per_kind(_VERDICT).items()}
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE.format(table=table, **verdicts), values)
        cursor.execute(_COUNTS)
        counts, first, known = _count(cursor.fetchall())
        if not first + known:
            return counts
        append_events(cursor, INFORMED_TABLE, values, with_heads=bool(known), value_of="'informed'")
        if first:
            cursor.execute(_FIRST, values)
        if known:
            cursor.execute(f"CREATE INDEX ON {INFORMED_TABLE} (participant_id)")
            cursor.execute(_NEXT.format(**per_kind(_NEXT_STATE)), values)
            if cursor.rowcount != known:
                raise ChoicesChanged
    return counts


def _count(rows: list[tuple[str, str, int, int]]) -> tuple[Counter[Verdict], int, int]:
    counts: Counter[Verdict] = Counter()
    first = known = 0
    for opens, clicks, people, first_ones in rows:
        for verdict in (opens, clicks):
            counts[Verdict(verdict)] += people
        first += first_ones
        if Verdict.APPLIED in (opens, clicks):
            known += people - first_ones
    return counts, first, known


def _parameters(organization: Organization, people: InformedPeople, now: datetime) -> dict[str, Any]:
    informed = people.informed
    act = Act(
        source=Source(people.source),
        method=people.method,
        happened_at=min(informed.informed_at or now, now),
        now=now,
        evidence={**people.evidence, "informed": informed_evidence(informed, people.notice)},
        actor=people.actor,
    )
    return {
        "organization": organization.pk,
        "scope": (people.scope or ensure_default_scope(organization, now=now)).pk,
        "source": act.source.value,
        "method": act.method,
        "at": act.happened_at,
        "now": now,
        "text": None,
        "beginning": BEGINNING,
        "nothing": NOTHING.hex(),
        "evidence": json.dumps(dict(act.evidence)),
        "actor": act.actor.pk if act.actor else None,
        "act": act.hash(organization).hex(),
        "ground": informed.ground.value,
        "collected_at": informed.collected_at,
        "informed_at": informed.informed_at,
    }
