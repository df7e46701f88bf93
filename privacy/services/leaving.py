"""The way out: ending what a mail was sent for, and the way back right afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Organization
from consent.models import Subscription
from delivery.models import Message, Suppression, SuppressionReason
from participants.models import Participant
from privacy.services.preferences import leave_everything, subscribe_to_topic, unsubscribe_from_topic

SOURCE = "unsubscribe page"
# How long "subscribe again" brings back what one click on "everything" ended.
UNDO = timedelta(hours=1)


@transaction.atomic
def unsubscribe_message(organization: Organization, message: Message, *, everything: bool, now: datetime) -> str:
    """End the topic that a message was sent for, or all marketing mail. Says which: ``topic`` or ``everything``.

    A mail without a topic was not sent for a subscription; unsubscribing from it stops all marketing mail.
    """
    person, topic = _person(message), message.mailing.topic
    if topic is not None and not everything:
        unsubscribe_from_topic(organization, person, topic, source=SOURCE, now=now)
        return "topic"
    leave_everything(organization, person, source=SOURCE, now=now)
    return "everything"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a message's unsubscribe page says and offers."""

    # "on", "paused", "off" (of its topic) or "everything"
    state: str
    paused_until: datetime | None
    may_undo: bool


def standing_of(organization: Organization, message: Message, *, now: datetime) -> Standing:
    """How the subscription behind a message stands."""
    person, topic = _person(message), message.mailing.topic
    left = _left(organization, person)
    if left is not None:
        return Standing("everything", None, may_undo=left.created_at >= now - UNDO)
    row = Subscription.objects.filter(organization=organization, participant=person, topic=topic).first()
    if topic is None:
        return Standing("on", None, may_undo=False)
    if row is None or row.unsubscribed_at is not None:
        return Standing("off", None, may_undo=row is not None)
    if row.paused_until is not None and row.paused_until > now:
        return Standing("paused", row.paused_until, may_undo=False)
    return Standing("on", None, may_undo=False)


def _left(organization: Organization, person: Participant) -> Suppression | None:
    return Suppression.objects.filter(
        organization=organization, email_norm=person.email_norm, reason=SuppressionReason.UNSUBSCRIBED
    ).first()


@transaction.atomic
def undo_unsubscribe(organization: Organization, message: Message, *, language: str, now: datetime) -> list[str]:
    """Subscribe again to what this page ended: the topic of the message, or all that one click ended just now.

    Returns the names of the topics. Nothing that the person never had comes of it.
    """
    person = _person(message)
    ended = Subscription.objects.filter(organization=organization, participant=person, unsubscribed_at__isnull=False)
    left = _left(organization, person)
    if left is not None and left.created_at < now - UNDO:
        return []
    if left is not None:
        ended = ended.filter(unsubscribed_at__gte=left.created_at)
    else:
        ended = ended.filter(topic=message.mailing.topic)
    topics = [row.topic for row in ended.select_related("topic__website")]
    for topic in topics:
        subscribe_to_topic(organization, person, topic, language=language, source=SOURCE, now=now)
    return [topic.name for topic in topics]


def _person(message: Message) -> Participant:
    if message.participant is None:
        raise ValueError("the person of this message was erased")
    return message.participant
