"""What people do about themselves: choose, unsubscribe."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Organization
from consent.rules import ChoiceValue, Source
from consent.services import record_choice, unsubscribe
from delivery.models import Message, SuppressionReason
from delivery.services import suppress
from participants.models import Participant


def preferences_wording(participant: Participant, language: str) -> str:
    """The question of the preference page, as the person reads it and as the history keeps it."""
    with translation.override(language):
        return _(
            "May %(organization)s measure whether you open its emails and which of their links you click? "
            "It uses this to improve what it sends. You get the same emails whatever you answer."
        ) % {"organization": participant.organization.legal_name}


@transaction.atomic
def save_preferences(
    organization: Organization,
    participant: Participant,
    *,
    opens: ChoiceValue | None,
    clicks: ChoiceValue | None,
    wording: str,
    now: datetime,
) -> None:
    """Record what a person chose on the preference page, with the words that they saw."""
    record_choice(
        organization,
        participant,
        opens=opens,
        clicks=clicks,
        source=Source.PERSON,
        method="preference_page",
        happened_at=now,
        now=now,
        wording=wording,
    )


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
