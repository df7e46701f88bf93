"""What people chose: each act is appended, the current state is derived from it in the same transaction (rules C5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.models import Organization, User
from common import journal
from common.jobs import after_commit
from common.journal import write_acts
from consent.grounds import choice_state
from consent.ledger import (
    Act,
    append_event,
    asked_kinds,
    informed_evidence,
    keep_text,
    require_asked,
    write_events,
)
from consent.models import Choice, ConsentText, Notice
from consent.rules import (
    BEGINNING,
    ChoiceFact,
    ChoiceState,
    ChoiceValue,
    Informed,
    InformedGround,
    Kind,
    Source,
    Verdict,
    choice_since,
    choice_when_informed,
    supersedes,
)
from participants.models import Participant
from websites.models import ConsentScope
from websites.services import ensure_default_scope

# What an objection to the anonymous totals is written under, beside the two kinds (rule S4).
ANONYMOUS = "anonymous"


def record_choice(
    organization: Organization,
    participant: Participant,
    *,
    opens: ChoiceValue | None,
    clicks: ChoiceValue | None,
    anonymous: ChoiceValue | None = None,
    scope: ConsentScope | None = None,
    everywhere: bool = False,
    source: Source,
    method: str,
    happened_at: datetime,
    now: datetime,
    consent_text: ConsentText | None = None,
    wording: str = "",
    evidence: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> dict[Kind, Verdict]:
    """Record what a person chose about opens, clicks or both, as far as it counts (rules C2, C6, C7).

    None leaves a kind alone. ``anonymous``: no is an objection to the anonymous totals, yes takes it back (S4). Without
    ``scope`` the organization's default one; ``everywhere``: each no counts in all scopes (C8). A no that is applied
    asks for the deletion of what was recorded of the person (C11).
    """
    answers = {kind: ChoiceValue(value) for kind, value in ((Kind.OPENS, opens), (Kind.CLICKS, clicks)) if value}
    objection = ChoiceValue(anonymous) if anonymous else None
    require_asked(consent_text, (kind for kind, value in answers.items() if value is ChoiceValue.YES))
    with transaction.atomic():
        write_events(organization)
        if consent_text is None and wording:
            consent_text = _text_of_place(organization, method, wording, answers, objection, actor, now=now)
        act = Act(
            source=Source(source),
            method=method,
            happened_at=min(happened_at, now),
            now=now,
            consent_text=consent_text,
            evidence=evidence or {},
            actor=actor,
        )
        own = scope or ensure_default_scope(organization, now=now)
        verdicts = {}
        for one in _scopes(organization, own, everywhere=everywhere):
            if one.pk == own.pk:
                verdicts = _record_in_scope(organization, participant, one, answers, objection, act)
            else:
                noes = {kind: value for kind, value in answers.items() if value is ChoiceValue.NO}
                _record_in_scope(
                    organization, participant, one, noes, objection if objection is ChoiceValue.NO else None, act
                )
        after_commit("consent.seal_ledger", organization_id=organization.pk)
    return verdicts


def _scopes(organization: Organization, own: ConsentScope, *, everywhere: bool) -> list[ConsentScope]:
    """Always in the same order, so that two acts of one person do not wait for each other."""
    if not everywhere:
        return [own]
    return list(ConsentScope.objects.filter(organization=organization).order_by("pk"))


def _text_of_place(
    organization: Organization,
    place: str,
    wording: str,
    answers: Mapping[Kind, ChoiceValue],
    objection: ChoiceValue | None,
    author: User | None,
    *,
    now: datetime,
) -> ConsentText:
    """Words that nobody published: what they ask for is what was answered."""
    return keep_text(
        organization,
        website=None,
        language="",
        place=place,
        text=wording,
        asks_for=[*asked_kinds(answers), *([ANONYMOUS] if objection else [])],
        author=author,
        now=now,
        latest_only=False,
    )


def _record_in_scope(
    organization: Organization,
    participant: Participant,
    scope: ConsentScope,
    answers: Mapping[Kind, ChoiceValue],
    objection: ChoiceValue | None,
    act: Act,
) -> dict[Kind, Verdict]:
    if not answers and objection is None:
        return {}
    choice, subject = _lock_choice(organization, participant, scope)
    verdicts = {kind: _apply(organization, choice, subject, kind, value, act) for kind, value in answers.items()}
    if objection is not None:
        _apply_objection(organization, choice, subject, objection, act)
    return verdicts


def _lock_choice(organization: Organization, participant: Participant, scope: ConsentScope) -> tuple[Choice, UUID]:
    """The person's row, made where it is missing and held until the end of the transaction; and their ledger name."""
    fresh = Choice(
        organization=organization,
        participant=participant,
        scope=scope,
        opens_not_no_since=BEGINNING,
        clicks_not_no_since=BEGINNING,
    )
    Choice.objects.bulk_create([fresh], ignore_conflicts=True)
    locked = Choice.objects.select_for_update(of=("self",)).get(
        organization=organization, participant=participant, scope=scope
    )
    # Asked of the table: whoever hands a participant over may have made it of a number only.
    subject = Participant.objects.values_list("ledger_id", flat=True).get(organization=organization, pk=participant.pk)
    return locked, subject


def _apply(
    organization: Organization, choice: Choice, subject: UUID, kind: Kind, value: ChoiceValue, act: Act
) -> Verdict:
    known = _known_fact(choice, kind)
    brought = ChoiceFact(value, act.source, act.happened_at, has_evidence=bool(act.evidence))
    verdict = supersedes(known, brought)
    if verdict is not Verdict.APPLIED:
        return verdict
    append_event(organization, subject, choice.scope_id, kind=kind.value, value=value, act=act)
    refuses_now = value is ChoiceValue.NO and (known is None or known.value is not ChoiceValue.NO)
    # Since the recording, not since the date that is claimed: a yes never reaches back to copies sent before (H1).
    _keep_state(
        choice,
        kind,
        choice_since(choice_state(choice, kind), value, now=act.now),
        {f"{kind}_source": act.source.value, f"{kind}_at": act.happened_at},
    )
    if refuses_now:
        _write_down(organization, choice, subject, kind.value, act)
        after_commit(
            "tracking.delete_hits_of_participant",
            organization_id=organization.pk,
            participant_id=choice.participant_id,
            kind=kind.value,
            scope_id=choice.scope_id,
        )
    return verdict


def _apply_objection(organization: Organization, choice: Choice, subject: UUID, value: ChoiceValue, act: Act) -> None:
    """Only a later act of the person takes an objection back, whoever recorded it (rules S4, C6)."""
    objected_at = choice.anonymous_objected_at
    if value is ChoiceValue.NO and objected_at is None:
        choice.anonymous_objected_at = act.now
    elif value is ChoiceValue.YES and objected_at is not None and act.source is Source.PERSON:
        choice.anonymous_objected_at = None
    else:
        return
    append_event(organization, subject, choice.scope_id, kind=ANONYMOUS, value=value, act=act)
    if value is ChoiceValue.NO:
        _write_down(organization, choice, subject, ANONYMOUS, act)
    choice.save(update_fields=["anonymous_objected_at"])


def _write_down(organization: Organization, choice: Choice, subject: UUID, about: str, act: Act) -> None:
    """In the journal beside the database: a restored backup must not forget a refusal (rule D3)."""
    write_acts(
        journal.Act.REFUSED,
        organization.pk,
        [subject],
        at=act.now,
        about=about,
        scope=choice.scope_id,
        source=act.source.value,
        happened_at=act.happened_at.isoformat(),
    )


def _known_fact(choice: Choice, kind: Kind) -> ChoiceFact | None:
    at = getattr(choice, f"{kind}_at")
    if at is None:
        return None
    return ChoiceFact(ChoiceValue(getattr(choice, kind)), Source(getattr(choice, f"{kind}_source")), at)


def _keep_state(choice: Choice, kind: Kind, after: ChoiceState, facts: Mapping[str, Any]) -> None:
    state = {
        kind.value: after.value.value,
        f"{kind}_yes_since": after.yes_since,
        f"{kind}_not_no_since": after.not_no_since,
        f"{kind}_informed_since": after.informed_since,
        **facts,
    }
    for column, content in state.items():
        setattr(choice, column, content)
    choice.save(update_fields=list(state))


# --- People who were informed and did not refuse (C10) ----------------------------------------------------------------


def record_informed(
    organization: Organization,
    participant: Participant,
    *,
    scope: ConsentScope | None = None,
    ground: InformedGround,
    collected_at: datetime | None,
    informed_at: datetime | None,
    notice: Notice | None,
    source: Source,
    method: str,
    now: datetime,
    evidence: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> dict[Kind, Verdict]:
    """Record that somebody was informed and did not refuse (rule C10). Never a yes, and never over an answer."""
    informed = Informed(InformedGround(ground), collected_at, informed_at)
    with transaction.atomic():
        write_events(organization)
        act = Act(
            source=Source(source),
            method=method,
            happened_at=min(informed_at or now, now),
            now=now,
            evidence={**(evidence or {}), "informed": informed_evidence(informed, notice)},
            actor=actor,
        )
        choice, subject = _lock_choice(organization, participant, scope or ensure_default_scope(organization, now=now))
        verdicts = _apply_informed(organization, choice, subject, informed, act)
        after_commit("consent.seal_ledger", organization_id=organization.pk)
    return verdicts


def _apply_informed(
    organization: Organization, choice: Choice, subject: UUID, informed: Informed, act: Act
) -> dict[Kind, Verdict]:
    # The dates belong to both kinds: what each was before is asked of both before either is written.
    before = {kind: choice_state(choice, kind) for kind in Kind}
    after = {kind: choice_when_informed(state, informed, now=act.now) for kind, state in before.items()}
    changed = [kind for kind in Kind if after[kind] != before[kind]]
    facts = {
        "informed_ground": informed.ground.value,
        "collected_at": informed.collected_at,
        "informed_at": informed.informed_at,
    }
    for kind in changed:
        append_event(organization, subject, choice.scope_id, kind=kind.value, value=ChoiceValue.INFORMED, act=act)
        _keep_state(choice, kind, after[kind], facts)
    for kind in set(Kind) - set(changed) if changed else ():
        # Answered with a yes since it was informed: what lies under that yes are other dates now.
        if before[kind].informed not in (None, informed):
            _keep_state(choice, kind, replace(before[kind], informed_since=act.now), {})
    return {kind: _verdict_when_informed(before[kind], kind in changed) for kind in Kind}


def _verdict_when_informed(before: ChoiceState, changed: bool) -> Verdict:
    if changed:
        return Verdict.APPLIED
    return Verdict.KEPT_NO if before.value is ChoiceValue.NO else Verdict.UNCHANGED


# --- A move -----------------------------------------------------------------------------------------------------------

# One look into the index per person: from = ANY the planner may think it better to read the whole organization.
_MOVE = """
INSERT INTO consent_choice AS choice (organization_id, participant_id, scope_id, opens, opens_source,
                                      opens_not_no_since, clicks, clicks_source, clicks_not_no_since)
SELECT person.organization_id, person.id, scope.id, 'unknown', '', %(now)s, 'unknown', '', %(now)s
  FROM unnest(%(people)s::bigint[]) AS mover (id)
 CROSS JOIN LATERAL (SELECT p.organization_id, p.id FROM participants_participant p
                      WHERE p.organization_id = %(organization)s AND p.id = mover.id LIMIT 1) AS person
  JOIN websites_consentscope scope ON scope.organization_id = %(organization)s
 ORDER BY person.id, scope.id
    ON CONFLICT (participant_id, scope_id) DO UPDATE
   SET opens_not_no_since = CASE WHEN choice.opens_not_no_since IS NOT NULL THEN excluded.opens_not_no_since END,
       opens_informed_since = CASE WHEN choice.opens_informed_since IS NOT NULL THEN excluded.opens_not_no_since END,
       clicks_not_no_since = CASE WHEN choice.clicks_not_no_since IS NOT NULL THEN excluded.clicks_not_no_since END,
       clicks_informed_since = CASE WHEN choice.clicks_informed_since IS NOT NULL
                                    THEN excluded.clicks_not_no_since END
"""


def apply_move(organization: Organization, participant_ids: Sequence[int], *, now: datetime) -> None:
    """The choices of people whose country changes now: silence counts from now on (``rules.choice_after_move``)."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, {"now": now, "organization": organization.pk, "people": list(participant_ids)})
