"""Receipts: a person who changed their choice gets it in writing. Not marketing, never measured."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import translation

from accounts.models import Organization
from common.keys import encode_key
from common.tenancy import call_door, tenant
from consent.services import ensure_preference_keys
from delivery.services import queue_service_message
from participants.models import Participant
from participants.rules import AddressError
from privacy import words
from privacy.models import Receipt
from privacy.selectors import ScopeView, all_scope_views, sending_website

KIND = "choice_receipt"
# Whoever changes their mind five times in a minute gets one mail now and one with the end of it later.
AT_MOST_EVERY = timedelta(hours=1)


def note_change(organization: Organization, participant: Participant, *, language: str, now: datetime) -> None:
    """A choice was changed: send its receipt now, or an hour after the latest one."""
    with tenant(organization.pk):
        Receipt.objects.bulk_create(
            [Receipt(organization=organization, participant=participant, language=language)], ignore_conflicts=True
        )
        receipt = Receipt.objects.select_for_update(of=("self",)).get(
            organization=organization, participant=participant
        )
        receipt.language = language
        receipt.due_at = now if receipt.queued_at is None else max(now, receipt.queued_at + AT_MOST_EVERY)
        receipt.save(update_fields=["language", "due_at"])
        if receipt.due_at <= now:
            _queue(receipt, now=now)


def send_due_receipts(*, now: datetime) -> int:
    """Queue the receipts that had to wait. Returns how many."""
    sent = 0
    for organization_id, participant_id in call_door("door_due_receipts", [now]):
        with tenant(organization_id):
            receipt = (
                Receipt.objects.select_for_update(of=("self",), skip_locked=True)
                .select_related("organization", "participant")
                .filter(organization=organization_id, participant=participant_id, due_at__lte=now)
                .first()
            )
            if receipt is not None:
                _queue(receipt, now=now)
                sent += 1
    return sent


@transaction.atomic
def _queue(receipt: Receipt, *, now: datetime) -> None:
    organization, participant = receipt.organization, receipt.participant
    receipt.due_at, receipt.queued_at = None, now
    receipt.save(update_fields=["due_at", "queued_at"])
    website = sending_website(organization, participant)
    if website is None:
        # Without a website nothing was ever sent to anybody.
        return
    views = all_scope_views(organization, participant)
    with translation.override(receipt.language):
        mail = words.receipt_mail(
            organization.legal_name or organization.name,
            [_standing(view) for view in views],
            _preference_url(organization, participant, views),
        )
    try:
        queue_service_message(
            organization,
            website,
            to=participant.email,
            participant=participant,
            kind=KIND,
            language=receipt.language,
            subject=mail.subject,
            text=mail.text,
            now=now,
        )
    except AddressError:
        # Nobody can write to this address. The choice stands all the same.
        return


def _standing(view: ScopeView) -> words.StandingChoice:
    return words.StandingChoice(
        opens=view.opens,
        clicks=view.clicks,
        websites=view.websites,
        refused="no" in (view.opens, view.clicks),
        objected=view.objected_at is not None,
    )


def _preference_url(organization: Organization, participant: Participant, views: list[ScopeView]) -> str:
    scope = views[0].scope
    key = ensure_preference_keys(organization, [participant.pk], scope_id=scope.pk)[participant.pk]
    return f"{settings.BASE_URL}/p/{encode_key(key)}"
