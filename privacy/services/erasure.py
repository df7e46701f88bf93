"""Erasure: the person goes, with everything about them, and what was counted stays (rule D2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.models import TrialAddress
from common.journal import Act, write_acts
from common.tenancy import tenant
from consent.dossier import build_dossier
from consent.models import Choice, ChoiceEvent
from consent.rules import ChoiceValue
from delivery.forgetting import forget_sent
from delivery.refusals import suppress_hash
from intake.forgetting import forget_imported
from participants.models import Participant
from participants.services import wait_for_keepers
from privacy.models import OrganizationExport, PersonRequest, RequestChannel, RequestKind, RequestState
from privacy.services.organization_export import begin_exports_anew, remove_organization_exports
from privacy.services.person_record import person_record
from privacy.services.proofs import seal_proof
from privacy.services.requests import answer_request, open_request


def erase_participant(
    organization: Organization, participant: Participant, *, actor: User | None, reason: str, now: datetime
) -> PersonRequest:
    """Remove a person and everything about them. What stays names nobody.

    The history of their choices stays whole, since nothing ties it to a person any more; the proof of them is sealed
    (``proofs``). The address stays out as a keyed hash until its person comes back by themselves. Returns the entry of
    the register of requests. ``actor`` is empty where the person did it on their page.
    """
    with tenant(organization.pk):
        person = Participant.objects.select_for_update().get(organization=organization, pk=participant.pk)
        request = _note_request(organization, person, actor=actor, reason=reason, now=now)
        forget_imported(organization, person)
        begin_exports_anew(organization)
        remove_organization_exports(OrganizationExport.objects.filter(organization=organization))
        refused, reasons = _take_out(organization, person, now=now)
        digest = suppress_hash(organization, person.email_norm, reasons=reasons, refused=refused, now=now)
        write_acts(Act.ERASED, organization.pk, [person.ledger_id], at=now, digest=digest.hex(), once_committed=True)
        audit.record(organization, actor=actor, action="person:erase", target=f"request {request.pk}", now=now)
    return request


def let_go(organization: Organization, participant: Participant, *, now: datetime) -> None:
    """Remove a person whose time is over (rule U4). Inside a transaction.

    Nobody asked for it, so the address may come back with a file; but not that of somebody who had refused something:
    the refusal would be lost.
    """
    refused, reasons = _take_out(organization, participant, now=now)
    if refused or reasons:
        suppress_hash(organization, participant.email_norm, reasons=reasons, refused=refused, now=now)


def _take_out(
    organization: Organization, person: Participant, *, now: datetime
) -> tuple[dict[str, list[str]], list[str]]:
    """Everything about a person. What they had refused, and why no mail went to them."""
    wait_for_keepers(organization.pk)
    _seal(organization, person, now=now)
    refused = _refused(organization, person)
    reasons = forget_sent(organization, person, now=now)
    _forget_logged(person)
    TrialAddress.objects.filter(organization=organization, email_norm=person.email_norm).delete()
    person.delete()
    return refused, reasons


def _seal(organization: Organization, person: Participant, *, now: datetime) -> None:
    """Who never chose anything has nothing to prove."""
    events = ChoiceEvent.objects.filter(organization=organization, subject=person.ledger_id)
    if not events.exists():
        return
    record: dict[str, Any] = person_record(organization, person, now=now)
    proof = {name: record[name] for name in ("organization", "made_at", "choices", "choice_history", "subscriptions")}
    # Signed, and verified by a script alone (docs/ledger.md).
    own = {"email": person.email, "dossier": build_dossier(organization, person, now=now)}
    seal_proof(organization, person, proof | own, now=now)


def _refused(organization: Organization, person: Participant) -> dict[str, list[str]]:
    """What the person said no to, by the number of the consent scope; it holds again if they come back."""
    refused: dict[str, list[str]] = {}
    for choice in Choice.objects.filter(organization=organization, participant=person):
        kinds = [kind for kind in ("opens", "clicks") if getattr(choice, kind) == ChoiceValue.NO]
        if choice.anonymous_objected_at is not None:
            kinds.append("anonymous")
        if kinds:
            refused[str(choice.scope_id)] = kinds
    return refused


def _forget_logged(person: Participant) -> None:
    """Django's own log of the console once held addresses."""
    named = Q(object_repr__iexact=person.email_norm) | Q(object_repr__iexact=person.email)
    LogEntry.objects.filter(named).delete()


def _note_request(
    organization: Organization, person: Participant, *, actor: User | None, reason: str, now: datetime
) -> PersonRequest:
    """The erasure in the register, answered; what the person had asked in words goes with them."""
    theirs = PersonRequest.objects.filter(organization=organization, participant=person)
    theirs.update(details="", answer=_("Removed with the person."))
    asked = theirs.filter(kind=RequestKind.ERASURE, state=RequestState.OPEN).order_by("id").first()
    request = asked or open_request(
        organization,
        kind=RequestKind.ERASURE,
        participant=None,
        channel=RequestChannel.OTHER if actor else RequestChannel.PAGE,
        now=now,
        actor=actor,
    )
    answered = answer_request(
        organization, request, answer=_("Everything about this person was removed."), evidence=reason,
        actor=actor, now=now,
    )  # fmt: skip
    # Whatever else they had asked is settled with it.
    theirs.filter(state=RequestState.OPEN).update(state=RequestState.ANSWERED, answered_at=now, answered_by=actor)
    return answered
