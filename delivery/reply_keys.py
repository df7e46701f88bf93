"""The keys of the pages on which people answer the questions of an email (rule H3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from common.keys import decode_key, new_key
from common.tenancy import call_door
from delivery.models import Mailing, Message, MessageStatus, ReplyKey
from delivery.personal import REPLY
from delivery.rendering import mentions

# A mail server has, or may have, these.
LEFT = (MessageStatus.SENDING, MessageStatus.SENT, MessageStatus.UNKNOWN)


def asks_questions(compiled: Mapping[str, Any]) -> bool:
    """Whether a compiled email, as it was frozen, has answer buttons."""
    return mentions(compiled, REPLY)


def reply_keys_for(mailing: Mailing, message_ids: Sequence[int]) -> dict[int, UUID]:
    """A key for each copy, the same however often it is written; none where the email asks nothing."""
    if not message_ids or not asks_questions(mailing.snapshot.compiled):
        return {}
    ReplyKey.objects.bulk_create(
        [ReplyKey(organization_id=mailing.organization_id, message_id=one, key=new_key()) for one in message_ids],
        ignore_conflicts=True,
    )
    found = ReplyKey.objects.filter(organization=mailing.organization_id, message__in=message_ids)
    return dict(found.values_list("message_id", "key"))


def reply_key_of(message: Message) -> UUID | None:
    """The key of a copy that has one."""
    found = ReplyKey.objects.filter(organization=message.organization_id, message=message)
    return found.values_list("key", flat=True).first()


def message_of_reply_key(key: str) -> tuple[int, int] | None:
    """(organization, message) behind /a/<key>, None for a key that means nothing."""
    decoded = decode_key(key)
    rows = call_door("door_reply_key", [decoded]) if decoded is not None else []
    return rows[0] if rows else None


def load_answerable(organization_id: int, message_id: int) -> Message | None:
    """A copy that left and whose person is still there."""
    return (
        Message.objects.select_related("organization", "participant", "mailing__website")
        .filter(organization=organization_id, pk=message_id, status__in=LEFT, participant__isnull=False)
        .first()
    )
