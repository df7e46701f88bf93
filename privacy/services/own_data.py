"""What a person does with their own data: delete measurements, take all away, ask in words, have all deleted."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Organization
from common.tenancy import tenant
from delivery.services import queue_service_message
from participants.models import Participant
from participants.rules import AddressError
from privacy import words
from privacy.models import PersonRequest, RequestChannel, RequestKind, RequestState
from privacy.selectors import sending_website
from privacy.services.erasure import erase_participant
from privacy.services.exports import export_person
from privacy.services.requests import answer_request, open_request
from tracking.forgetting import forget_hits
from tracking.models import HitKind, LastOpenDay

# The confirmation of a request, among service messages.
CONFIRMATION = "request_receipt"
# More than a person has to ask; a register that somebody floods hides the others' clocks.
OPEN_AT_ONCE = 5


def delete_measurements(organization: Organization, participant: Participant, *, now: datetime) -> None:
    """Delete what was recorded of a person until now, whatever the organization set. Their choice stays as it is."""
    with tenant(organization.pk):
        forget_hits(organization.pk, participant.pk, HitKind.OPEN, HitKind.CLICK, now=now, until=now, delete=True)
        LastOpenDay.objects.filter(organization_id=organization.pk, participant=participant).delete()


def export_by_own_act(organization: Organization, participant: Participant, *, now: datetime) -> bytes:
    """Everything that is kept about a person, as a zip; the register of requests keeps that they took it."""
    with tenant(organization.pk):
        request = open_request(
            organization,
            kind=RequestKind.PORTABILITY,
            participant=participant,
            channel=RequestChannel.PAGE,
            now=now,
        )
        answer = _("Downloaded on the page of one's own data.")
        answer_request(organization, request, answer=answer, actor=None, now=now)
        return export_person(organization, participant, now=now)


def ask_by_own_act(
    organization: Organization, participant: Participant, *, kind: str, details: str, language: str, now: datetime
) -> PersonRequest | None:
    """Note what a person asks for in words, and confirm it to them. None where too much is open already.

    The same words sent twice are one request, with one confirmation.
    """
    with tenant(organization.pk), transaction.atomic():
        # One after the other: what is open is counted.
        person = Participant.objects.select_for_update(of=("self",)).get(organization=organization, pk=participant.pk)
        waiting = PersonRequest.objects.filter(
            organization=organization, participant=person, channel=RequestChannel.PAGE, state=RequestState.OPEN
        )
        known = waiting.filter(kind=kind, details=details).first()
        if known is not None:
            return known
        if waiting.count() >= OPEN_AT_ONCE:
            return None
        request = open_request(
            organization, kind=kind, participant=person, channel=RequestChannel.PAGE, now=now, details=details
        )
        _confirm_request(organization, person, request, language=language, now=now)
    return request


def _confirm_request(
    organization: Organization, person: Participant, request: PersonRequest, *, language: str, now: datetime
) -> None:
    website = sending_website(organization, person)
    if website is None:
        # Without a website nothing was ever sent to anybody.
        return
    with translation.override(language):
        name = organization.legal_name or organization.name
        mail = words.request_mail(name, request.kind, request.details, date_format(request.due_on))
    try:
        queue_service_message(
            organization,
            website,
            to=person.email,
            participant=person,
            kind=CONFIRMATION,
            language=language,
            subject=mail.subject,
            text=mail.text,
            now=now,
        )
    except AddressError:
        # Nobody can write to this address. The request stands all the same.
        return


def erase_by_own_act(organization: Organization, participant: Participant, *, now: datetime) -> None:
    """Erase a person who asked for it twice, on a page that only whoever reads their mail can open."""
    erase_participant(organization, participant, actor=None, reason=_("Asked on the page of one's own data."), now=now)
