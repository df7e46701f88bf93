"""What a person does with their own data: delete measurements, take everything away, have everything deleted."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from accounts.models import Organization
from common.tenancy import tenant
from participants.models import Participant
from privacy.models import RequestChannel, RequestKind
from privacy.services.erasure import erase_participant
from privacy.services.exports import export_person
from privacy.services.requests import answer_request, open_request
from tracking.forgetting import forget_hits
from tracking.models import HitKind, LastOpenDay


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


def erase_by_own_act(organization: Organization, participant: Participant, *, now: datetime) -> None:
    """Erase a person who asked for it twice, on a page that only whoever reads their mail can open."""
    erase_participant(organization, participant, actor=None, reason=_("Asked on the page of one's own data."), now=now)
