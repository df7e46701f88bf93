"""The page of a sent copy in a browser: the same content for the same person, and nothing that measures.

Its key is random and belongs to the copy alone: it opens neither the way out nor the preferences, and it is gone with
the person. It is made only where the template links to the page.
"""

from __future__ import annotations

from common.keys import decode_key
from common.tenancy import call_door
from consent.models import PreferenceKey
from delivery.composing import own_urls, variables_of
from delivery.models import Message, MessageStatus
from delivery.outbox import Person
from delivery.rendering import CompiledEmail, fill_email
from delivery.reply_keys import reply_key_of
from delivery.services import Envelope
from participants.models import Participant

# A mail server has, or may have, these.
LEFT = (MessageStatus.SENDING, MessageStatus.SENT, MessageStatus.UNKNOWN)


def message_of_web_version_key(key: str) -> tuple[int, int] | None:
    """(organization, message) behind /w/<key>, None for a key that means nothing."""
    decoded = decode_key(key)
    rows = call_door("door_web_version_key", [decoded]) if decoded is not None else []
    return rows[0] if rows else None


def web_version_of(organization_id: int, message_id: int) -> str | None:
    """The HTML of a copy that has left, with plain destinations; None when there is nobody to show it to."""
    message = (
        Message.objects.select_related("participant", "mailing__snapshot", "mailing__website")
        .filter(organization=organization_id, pk=message_id, status__in=LEFT, participant__isnull=False)
        .first()
    )
    if message is None or message.participant is None or message.unsubscribe_key is None:
        return None
    website, frozen = message.mailing.website, message.mailing.snapshot.compiled
    preferences = PreferenceKey.objects.filter(
        organization=organization_id, participant=message.participant, scope=website.consent_scope_id
    ).first()
    if preferences is None:
        return None
    urls = own_urls(message.unsubscribe_key, preferences.key, message.web_version_key, reply=reply_key_of(message))
    variables = variables_of(Envelope(**frozen["envelope"]), _person(message.participant))
    return fill_email(CompiledEmail.from_dict(frozen), variables, urls).html


def _person(participant: Participant) -> Person:
    return Person(
        id=participant.pk,
        email=participant.email,
        email_norm=participant.email_norm,
        first_name=participant.first_name,
        last_name=participant.last_name,
        country=str(participant.country),
        locale=participant.locale,
        attributes=participant.attributes,
    )
