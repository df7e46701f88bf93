"""The way out: ending what a mail was sent for."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Organization
from consent.services import unsubscribe
from delivery.models import Message, SuppressionReason
from delivery.services import suppress


@transaction.atomic
def unsubscribe_message(organization: Organization, message: Message, *, everything: bool, now: datetime) -> str:
    """End the topic that a message was sent for, or all marketing mail. Says which: ``topic`` or ``everything``.

    A mail without a topic was not sent for a subscription; unsubscribing from it stops all marketing mail.
    """
    topic = message.mailing.topic
    if topic is not None:
        unsubscribe(organization, message.participant, topic, now=now)
    if topic is not None and not everything:
        return "topic"
    suppress(
        organization,
        message.participant.email_norm,
        reason=SuppressionReason.UNSUBSCRIBED,
        source="unsubscribe page",
        now=now,
    )
    return "everything"
