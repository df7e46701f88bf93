"""Takes a person out of what was sent: counts and decisions stay, and name nobody (rule D2)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db.models import Case, CharField, Exists, OuterRef, Value, When
from django.db.models.functions import Lower

from accounts.models import Organization
from common.jobs import after_commit
from delivery.models import (
    CaughtMessage,
    Mailing,
    Message,
    MessageCall,
    MessageStatus,
    ReplyKey,
    ServiceMessage,
    Suppression,
)
from delivery.outside import mark_erased
from participants.models import Participant
from tracking.forgetting import forget_hits
from tracking.models import HitKind, TrackedMessage


def forget_sent(organization: Organization, participant: Participant, *, now: datetime) -> list[str]:
    """Cut a person's messages off, and remove whatever else holds their address. Inside a transaction.

    What waits to be sent is cancelled. Says why no mail, or no marketing mail, was sent to the address.
    """
    _forget_copies(organization, participant, now=now)
    mark_erased(organization, participant, now=now)
    messages = Message.objects.filter(organization=organization, participant=participant)
    MessageCall.objects.filter(organization=organization, message__in=messages).delete()
    ReplyKey.objects.filter(organization=organization, message__in=messages).delete()
    waiting = When(status__in=[MessageStatus.QUEUED, MessageStatus.CLAIMED], then=Value(MessageStatus.CANCELLED.value))
    messages.update(
        participant=None,
        tracked_message=None,
        # They stood in the mail that the person has, and in the logs of mail servers.
        reference=None,
        unsubscribe_key=None,
        web_version_key=None,
        status=Case(waiting, default="status", output_field=CharField()),
        error="",
    )
    norm = participant.email_norm
    ServiceMessage.objects.filter(organization=organization, participant=participant).delete()
    services = ServiceMessage.objects.filter(organization=organization).alias(norm=Lower("to_email"))
    services.filter(norm=norm).delete()
    caught = CaughtMessage.objects.filter(organization=organization).alias(norm=Lower("rcpt_to"))
    caught.filter(norm=norm).delete()
    suppressed = Suppression.objects.filter(organization=organization, email_norm=norm)
    reasons = list(suppressed.values_list("reason", flat=True))
    suppressed.delete()
    return reasons


def _forget_copies(organization: Organization, participant: Participant, *, now: datetime) -> None:
    """The keys of a person's sent copies and all that was recorded under them, also by who is recording just now."""
    forget_hits(organization.pk, participant.pk, *HitKind, now=now, delete=True)
    copies = TrackedMessage.objects.filter(organization=organization, participant=participant)
    by_content: defaultdict[str, list[int]] = defaultdict(list)
    for content_id, copy_id in copies.values_list("content_id", "id"):
        by_content[str(content_id)].append(copy_id)
    if by_content:
        Message.objects.filter(organization=organization, tracked_message__in=copies).update(tracked_message=None)
        copies.delete()
        after_commit("tracking.delete_hits_of_copies", organization_id=organization.pk, copies=dict(by_content))


def take_back_unreachable(organization: Organization, mailing: Mailing) -> int:
    """Delete messages that were written for people who were taken away at the same time; says how many.

    In the transaction that wrote them.
    """
    written = Message.objects.filter(organization=organization, mailing=mailing, participant__isnull=False)
    gone = written.exclude(Exists(Participant.objects.filter(pk=OuterRef("participant_id"))))
    ids = list(gone.values_list("pk", flat=True))
    Message.objects.filter(pk__in=ids).delete()
    return len(ids)
