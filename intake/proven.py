"""What a file or a move says about where its answers come from, and what follows from a no among them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.db import connection

from accounts.models import Organization, User
from common.jobs import after_commit
from consent.imports import VERDICTS_TABLE, Answers
from consent.rules import Source
from intake.rules import has_provenance
from websites.models import ConsentScope


def answers_of(
    organization: Organization,
    provenance: Mapping[str, str],
    *,
    kept_with: tuple[str, int],
    author: User | None,
    now: datetime,
    scope: ConsentScope | None = None,
) -> Answers:
    """The provenance goes with each of the answers (rules C7); it is kept once, with ``kept_with``."""
    kind, number = kept_with
    return Answers(
        source=Source.IMPORT,
        method=f"{kind}:{number}",
        happened_at=_collected_at(organization, provenance, now),
        wording=str(provenance.get("wording") or ""),
        evidence={kind: number} if has_provenance(provenance) else {},
        actor=author,
        scope=scope,
    )


def _collected_at(organization: Organization, provenance: Mapping[str, str], now: datetime) -> datetime:
    """The beginning of the day of collection, where the organization is; now when nothing is said about it."""
    day = provenance.get("collected_at")
    if not day:
        return now
    return min(datetime.combine(date.fromisoformat(day), time.min, tzinfo=ZoneInfo(organization.timezone)), now)


# Only people who were sent something can have been measured.
_REFUSERS = f"""
SELECT a.participant_id, k.kind, a.scope_id
  FROM {VERDICTS_TABLE} a
 CROSS JOIN LATERAL (VALUES ('opens', a.opens, a.opens_verdict, a.opens_before),
                            ('clicks', a.clicks, a.clicks_verdict, a.clicks_before)) AS k (kind, value, verdict, before)
 WHERE k.verdict = 'applied' AND k.value = 'no' AND k.before IS DISTINCT FROM 'no'
   AND EXISTS (SELECT FROM tracking_trackedmessage m WHERE m.participant_id = a.participant_id)
"""  # noqa: S608 - made of constants


def forget_hits_of_refusals(organization: Organization) -> None:
    """Whoever refuses by what ``record_choices`` has just recorded is forgotten as by any other no (C11)."""
    with connection.cursor() as cursor:
        cursor.execute(_REFUSERS)
        refusers = cursor.fetchall()
    for participant_id, kind, scope_id in refusers:
        after_commit(
            "tracking.delete_hits_of_participant",
            organization_id=organization.pk,
            participant_id=participant_id,
            kind=kind,
            scope_id=scope_id,
        )
