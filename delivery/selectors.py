"""Reads of the outbox and of the mailbox."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import Organization
from delivery.models import CaughtMessage, Mailing, Message, MessageStatus


def waiting_messages(organization_id: int, mailing_id: int) -> QuerySet[Message]:
    """Messages of a mailing of which something is still to come."""
    unfinished = (MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.SENDING)
    return Message.objects.filter(organization_id=organization_id, mailing_id=mailing_id, status__in=unfinished)


def is_due(mailing: Mailing, *, now: datetime) -> bool:
    """Whether there is a message to be sent now."""
    due = Q(due_at__isnull=True) | Q(due_at__lte=now)
    return waiting_messages(mailing.organization_id, mailing.pk).filter(due).exists()


def needs_sender(mailing: Mailing, *, now: datetime) -> bool:
    """Whether something is to be done for a mailing and nobody seems to be at it.

    Somebody who is at it holds messages whose lease has not run out.
    """
    waiting = waiting_messages(mailing.organization_id, mailing.pk)
    if waiting.filter(status=MessageStatus.CLAIMED, due_at__gt=now).exists():
        return False
    return is_due(mailing, now=now) or not waiting.exists()


def neighbours(organization: Organization, caught: CaughtMessage) -> tuple[int | None, int | None]:
    """The next newer and the next older message in the mailbox."""
    mine = CaughtMessage.objects.filter(organization=organization).values_list("id", flat=True)
    newer = mine.filter(id__gt=caught.pk).order_by("id").first()
    older = mine.filter(id__lt=caught.pk).order_by("-id").first()
    return newer, older
