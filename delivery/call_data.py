"""What calls gave along for their messages, for as long as it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from delivery.models import Mailing, MessageCall, MessageStatus

# What may have been sent can be sent again, if somebody decides so.
ON_THEIR_WAY = (MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.SENDING, MessageStatus.UNKNOWN)


def data_of_calls(message_ids: Sequence[int]) -> dict[int, Mapping[str, object] | None]:
    """By message; None where it has been forgotten, so that nothing is sent with its words missing."""
    return dict(MessageCall.objects.filter(message__in=list(message_ids)).values_list("message_id", "data"))


def words_are_gone() -> str:
    """Why a message is not written without them."""
    return _("What the call gave along has been forgotten since; it must be asked for again.")


def forget_data(mailing: Mailing) -> None:
    """Once a message has come to its end: what it said may be somebody's link."""
    ended = MessageCall.objects.filter(message__mailing=mailing, data__isnull=False)
    ended.exclude(message__status__in=ON_THEIR_WAY).update(data=None)
