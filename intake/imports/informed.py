"""People of a chunk of whom the file brings no answer: informed, did not refuse (rule C10)."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import Any

from django.db import connection

from accounts.models import Organization
from consent.imports import INFORMED_TABLE, record_informed_people
from consent.models import Notice
from intake.models import Import
from intake.proven import informed_people_of, informed_rules
from intake.readers.rows import Chunk, Listed
from intake.rules import Field, Issue

# A cell that nobody could read may have been a no.
_UNREAD = frozenset({Issue.CONSENT_UNREADABLE, Issue.CONSENT_CONTRADICTS})

# After ``store_participants``: the people of the chunk are there, in the country that counts from now on.
_WITHOUT_ANSWER = """
DROP TABLE IF EXISTS pg_temp.intake_informed;
CREATE TEMP TABLE intake_informed ON COMMIT DROP AS
SELECT i.row_no, i.email, i.participant_id, i.ledger_id, p.country
  FROM intake_person i
  JOIN participants_participant p ON p.id = i.participant_id
 WHERE i.opens IS NULL AND i.clicks IS NULL AND NOT i.row_no = ANY(%(unread)s)"""

_TAKE_OUT = "DELETE FROM intake_informed WHERE country = ANY(%(countries)s) RETURNING row_no, email"

_RECORDED = f"""
SELECT count(*) FILTER (WHERE 'applied' IN (opens_verdict, clicks_verdict)), count(*)
  FROM {INFORMED_TABLE}"""  # noqa: S608 - made of constants


def store_informed(
    organization: Organization, source: Import, notice: Notice, chunk: Chunk, *, now: datetime
) -> tuple[Counter[str], list[Listed]]:
    """Record them, but for those who are where the rule table does not count it: they stay unknown, and are listed."""
    _run(_WITHOUT_ANSWER, unread=[one.row for one in chunk.listed if one.issue in _UNREAD])
    counts, listed = _take_out_unfit(organization, source, notice, now=now)
    people = informed_people_of(
        organization,
        source.informed,
        notice=notice,
        kept_with=("import", source.pk),
        author=source.created_by,
        scope=source.scope,
    )
    record_informed_people(organization, table="intake_informed", people=people, now=now)
    ((recorded, asked),) = _run(_RECORDED)
    counts.update(informed=recorded, informed_already=asked - recorded)
    return counts, listed


def _take_out_unfit(
    organization: Organization, source: Import, notice: Notice, *, now: datetime
) -> tuple[Counter[str], list[Listed]]:
    said = source.informed
    countries = [str(country) for (country,) in _run("SELECT DISTINCT country FROM intake_informed")]
    unfit: dict[Issue, list[str]] = {Issue.INFORMED_NOT_ALLOWED: [], Issue.INFORMED_TOO_LATE: []}
    rules = informed_rules(organization, notice.website, ground=said["ground"], countries=countries, now=now)
    days = {f"{part}_on": date.fromisoformat(said[f"{part}_at"]) for part in ("collected", "informed")}
    for country, rule in rules.items():
        if not rule.allowed:
            unfit[Issue.INFORMED_NOT_ALLOWED].append(country)
        elif not rule.in_time(**days):
            unfit[Issue.INFORMED_TOO_LATE].append(country)
    column = next(column for column, target in source.mapping.items() if target == Field.EMAIL)
    listed = [
        Listed(row, column, email, issue)
        for issue, where in unfit.items()
        if where
        for row, email in _run(_TAKE_OUT, countries=where)
    ]
    return Counter(one.issue.value for one in listed), sorted(listed)


def _run(query: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall() if cursor.description else []
