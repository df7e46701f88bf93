"""What people chose: each act is appended, the current state is derived from it in the same transaction (rules C5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts.models import Organization, User
from common.jobs import after_commit
from consent.models import Choice, ChoiceEvent
from consent.rules import (
    BEGINNING,
    ChoiceFact,
    ChoiceState,
    ChoiceValue,
    Kind,
    Source,
    Verdict,
    choice_since,
    supersedes,
)
from participants.models import Participant


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """How and when somebody brought an answer."""

    source: Source
    method: str
    happened_at: datetime
    now: datetime
    wording: str
    evidence: Mapping[str, Any]
    actor: User | None


def record_choice(
    organization: Organization,
    participant: Participant,
    *,
    opens: ChoiceValue | None,
    clicks: ChoiceValue | None,
    source: Source,
    method: str,
    happened_at: datetime,
    now: datetime,
    wording: str = "",
    evidence: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> dict[Kind, Verdict]:
    """Record what a person chose about opens, clicks or both, as far as it counts (rules C2, C6, C7).

    None leaves a kind alone. A no that is applied asks for the deletion of what was recorded of the person (C11).
    """
    # Nobody can have answered later than we hear of it.
    act = _Act(
        source=Source(source),
        method=method,
        happened_at=min(happened_at, now),
        now=now,
        wording=wording,
        evidence=evidence or {},
        actor=actor,
    )
    answers = {Kind.OPENS: opens, Kind.CLICKS: clicks}
    with transaction.atomic():
        choice = _lock_choice(organization, participant)
        return {
            kind: _apply(organization, choice, kind, ChoiceValue(value), act)
            for kind, value in answers.items()
            if value is not None
        }


def _lock_choice(organization: Organization, participant: Participant) -> Choice:
    """The person's row, made where it is missing and held until the end of the transaction."""
    fresh = Choice(
        organization=organization,
        participant=participant,
        opens_not_no_since=BEGINNING,
        clicks_not_no_since=BEGINNING,
    )
    Choice.objects.bulk_create([fresh], ignore_conflicts=True)
    return Choice.objects.select_for_update(of=("self",)).get(organization=organization, participant=participant)


def _apply(organization: Organization, choice: Choice, kind: Kind, value: ChoiceValue, act: _Act) -> Verdict:
    known = _known_fact(choice, kind)
    brought = ChoiceFact(value, act.source, act.happened_at, has_evidence=bool(act.evidence))
    verdict = supersedes(known, brought)
    if verdict is not Verdict.APPLIED:
        return verdict
    ChoiceEvent.objects.create(
        organization=organization,
        participant_id=choice.participant_id,
        kind=kind,
        value=value,
        source=act.source,
        method=act.method,
        happened_at=act.happened_at,
        recorded_at=act.now,
        wording=act.wording,
        evidence=dict(act.evidence),
        actor=act.actor,
    )
    refuses_now = value is ChoiceValue.NO and (known is None or known.value is not ChoiceValue.NO)
    _derive(choice, kind, value, act)
    if refuses_now:
        after_commit(
            "tracking.delete_hits_of_participant",
            organization_id=organization.pk,
            participant_id=choice.participant_id,
            kind=kind.value,
        )
    return verdict


def _known_fact(choice: Choice, kind: Kind) -> ChoiceFact | None:
    at = getattr(choice, f"{kind}_at")
    if at is None:
        return None
    return ChoiceFact(ChoiceValue(getattr(choice, kind)), Source(getattr(choice, f"{kind}_source")), at)


def _derive(choice: Choice, kind: Kind, value: ChoiceValue, act: _Act) -> None:
    before = ChoiceState(
        ChoiceValue(getattr(choice, kind)),
        getattr(choice, f"{kind}_yes_since"),
        getattr(choice, f"{kind}_not_no_since"),
    )
    # Since the recording, not since the date that is claimed: a yes never reaches back to copies sent before (H1).
    after = choice_since(before, value, now=act.now)
    state = {
        kind.value: after.value.value,
        f"{kind}_source": act.source.value,
        f"{kind}_at": act.happened_at,
        f"{kind}_yes_since": after.yes_since,
        f"{kind}_not_no_since": after.not_no_since,
    }
    for column, content in state.items():
        setattr(choice, column, content)
    choice.save(update_fields=list(state))


# One look into the index per person: from = ANY the planner may think it better to read the whole organization.
_MOVE = """
INSERT INTO consent_choice AS choice (organization_id, participant_id, opens, opens_source, opens_not_no_since,
                                      clicks, clicks_source, clicks_not_no_since)
SELECT person.organization_id, person.id, 'unknown', '', %(now)s, 'unknown', '', %(now)s
  FROM unnest(%(people)s::bigint[]) AS mover (id)
 CROSS JOIN LATERAL (SELECT p.organization_id, p.id FROM participants_participant p
                      WHERE p.organization_id = %(organization)s AND p.id = mover.id LIMIT 1) AS person
 ORDER BY person.id
    ON CONFLICT (participant_id) DO UPDATE
   SET opens_not_no_since = CASE WHEN choice.opens_not_no_since IS NOT NULL THEN excluded.opens_not_no_since END,
       clicks_not_no_since = CASE WHEN choice.clicks_not_no_since IS NOT NULL THEN excluded.clicks_not_no_since END
"""


def apply_move(organization: Organization, participant_ids: Sequence[int], *, now: datetime) -> None:
    """The choices of people whose country changes now: silence counts from now on (``rules.choice_after_move``)."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, {"now": now, "organization": organization.pk, "people": list(participant_ids)})
