"""What a file or a move says about where its answers come from, and what follows from a no among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.db import connection

from accounts.models import Organization, User
from common.jobs import after_commit
from consent.imports import VERDICTS_TABLE, Answers, InformedPeople
from consent.models import Notice
from consent.rules import Informed, InformedGround, InformedRule, Source, informed_rule
from consent.selectors import local_day, website_state
from intake.rules import has_provenance
from websites.models import ConsentScope, Website


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
    day = provenance.get("collected_at")
    return Answers(
        source=Source.IMPORT,
        method=f"{kind}:{number}",
        # Now when nothing is said about it.
        happened_at=min(_beginning_of(organization, day), now) if day else now,
        wording=str(provenance.get("wording") or ""),
        evidence={kind: number} if has_provenance(provenance) else {},
        actor=author,
        scope=scope,
    )


def _beginning_of(organization: Organization, day: str) -> datetime:
    """The first moment of a day where the organization is."""
    return datetime.combine(date.fromisoformat(day), time.min, tzinfo=ZoneInfo(organization.timezone))


def informed_people_of(
    organization: Organization,
    said: Mapping[str, str],
    *,
    notice: Notice,
    kept_with: tuple[str, int],
    author: User | None,
    scope: ConsentScope | None,
) -> InformedPeople:
    """What was said of the people of a file who gave no answer; it is kept once, with ``kept_with`` (rule C10)."""
    kind, number = kept_with
    return InformedPeople(
        informed=Informed(
            InformedGround(said["ground"]),
            _beginning_of(organization, said["collected_at"]),
            _beginning_of(organization, said["informed_at"]),
        ),
        notice=notice,
        source=Source.IMPORT,
        method=f"{kind}:{number}",
        evidence={kind: number},
        actor=author,
        scope=scope,
    )


def informed_rules(
    organization: Organization, website: Website, *, ground: str, countries: Iterable[str], now: datetime
) -> dict[str, InformedRule]:
    """Whether people of each country count as informed on a website, and by which days."""
    state, day = website_state(organization, website, now=now), local_day(organization, now)
    return {
        country: informed_rule(state, participant_country=country, ground=InformedGround(ground), on=day)
        for country in countries
    }


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
