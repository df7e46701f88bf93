"""A person moves to another address: confirmed there, told at the old one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.utils import translation
from django.utils.translation import gettext as _

from common.tenancy import tenant
from delivery.models import Suppression, SuppressionReason
from delivery.outside import mark_moved
from delivery.refusals import welcome_back
from delivery.services import queue_service_message, suppress
from participants.models import Participant
from participants.rules import AddressError, parse_email
from privacy import words
from privacy.models import FreshLink, RequestChannel, RequestKind
from privacy.selectors import mask_email, sending_website
from privacy.services.links import close_page
from privacy.services.requests import answer_request, open_request

# What a person said about mail holds for them, wherever they read it. A full mailbox stays behind.
CARRIED = (SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINED)


class Confirmed(StrEnum):
    DONE = "done"
    # The address has an entry of its own already. Its owner is reading this, so it may be said.
    TAKEN = "taken"
    OVER = "over"


def confirm_new_address(link: FreshLink, *, language: str, now: datetime) -> Confirmed:
    """Use the address that a link was sent to from now on. Choices and subscriptions stay with the person.

    Where that address was erased once, it comes back by its person's own act: what was forbidden then holds (rule D2).
    """
    organization, address = link.organization, parse_email(link.new_email)
    with tenant(organization.pk):
        person = Participant.objects.select_for_update(of=("self",)).get(
            organization=organization, pk=link.participant_id
        )
        taken = FreshLink.objects.filter(pk=link.pk, opened_at__isnull=True, expires_at__gt=now).update(opened_at=now)
        if not taken:
            return Confirmed.OVER
        others = Participant.objects.filter(organization=organization, email_norm=address.norm).exclude(pk=person.pk)
        if others.exists():
            return Confirmed.TAKEN
        old_email, old_norm = person.email, person.email_norm
        person.email, person.email_norm, person.updated_at = address.email, address.norm, now
        person.save(update_fields=["email", "email_norm", "updated_at"])
        # Before anything is written under the address: as long as it counts as erased, it would go there.
        welcome_back(organization, person, now=now)
        mark_moved(organization, person, before=old_email, now=now)
        for reason in Suppression.objects.filter(
            organization=organization, email_norm=old_norm, reason__in=CARRIED
        ).values_list("reason", flat=True):
            suppress(organization, address.norm, reason=reason, source="change of address", now=now)
        _note_request(person, now=now)
        _tell_old_address(person, old_email, language=language, now=now)
        close_page(link)
        return Confirmed.DONE


def _note_request(person: Participant, *, now: datetime) -> None:
    organization = person.organization
    request = open_request(
        organization, kind=RequestKind.RECTIFICATION, participant=person, channel=RequestChannel.PAGE, now=now
    )
    answer = _("The person moved to another address, and confirmed it there.")
    answer_request(organization, request, answer=answer, actor=None, now=now)


def is_address_of(participant: Participant, email: str) -> bool:
    """Whether it is the address that we have already. AddressError for what is no address."""
    return parse_email(email).norm == participant.email_norm


def _tell_old_address(person: Participant, old_email: str, *, language: str, now: datetime) -> None:
    organization = person.organization
    website = sending_website(organization, person)
    if website is None:
        return
    with translation.override(language):
        mail = words.address_changed_mail(organization.legal_name or organization.name, mask_email(person.email))
    try:
        queue_service_message(
            organization,
            website,
            to=old_email,
            participant=person,
            kind="address_changed",
            language=language,
            subject=mail.subject,
            text=mail.text,
            now=now,
        )
    except AddressError:
        return  # nobody could write to the old address either
