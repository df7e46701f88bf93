"""What came of messages that a mail server has seen: the last step of a row of the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import connection
from django.db.models import F

from common.tenancy import tenant
from delivery.models import Mailing, Message, MessageStatus, SuppressionReason
from delivery.rules import MOST_ATTEMPTS, names_dead_address, retry_after
from delivery.services import forget_keys, suppress
from delivery.transports import Outcome, Result

# Renewed while its worker lives; longer than a mail server may think about one message.
SENDING_LEASE = timedelta(seconds=150)
ERROR_LENGTH = 500
PROVIDER_ID_LENGTH = 200

# News may be quicker than the worker that waits for the answer: who reports about a message has had it.
_SETTLE = """
UPDATE delivery_message AS m
   SET status = CASE WHEN r.status = 'unknown' AND m.news NOT IN ('', 'rejected') THEN 'sent' ELSE r.status END,
       error = r.error, due_at = r.due_at, attempts = r.attempts,
       sent_at = CASE WHEN r.status = 'sent' THEN %(now)s WHEN r.status = 'unknown' THEN m.news_at ELSE m.sent_at END,
       uncertain_at = CASE WHEN r.status = 'unknown' THEN %(now)s ELSE m.uncertain_at END,
       provider_id = r.provider_id
  FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(errors)s::text[], %(due)s::timestamptz[],
              %(attempts)s::int[], %(provider_ids)s::text[])
       AS r (id, status, error, due_at, attempts, provider_id)
 WHERE m.id = r.id AND m.status IN ('sending', 'unknown')
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What is written about a message that a mail server has seen, or that could not be handed to it."""

    id: int
    status: str
    error: str
    due_at: datetime | None
    attempts: int
    provider_id: str = ""


class Tried(Protocol):
    """What was handed to a mail server."""

    @property
    def id(self) -> int: ...

    @property
    def attempts(self) -> int: ...


def settle(claimed: Tried, outcome: Outcome, *, cancelled: bool, now: datetime) -> Settled:
    """The next state of one message, from what the connection says of it."""
    attempts, due_at = claimed.attempts, None
    if outcome.result is Result.ACCEPTED:
        return Settled(claimed.id, MessageStatus.SENT, "", None, attempts, outcome.provider_id[:PROVIDER_ID_LENGTH])
    if outcome.result is Result.UNCERTAIN:
        status = MessageStatus.UNKNOWN
    elif outcome.result is Result.REFUSED:
        status = MessageStatus.FAILED
    elif cancelled:
        status = MessageStatus.CANCELLED
    elif outcome.result is Result.UNTOUCHED:
        status = MessageStatus.QUEUED
    else:
        attempts += 1
        status = MessageStatus.QUEUED if attempts < MOST_ATTEMPTS else MessageStatus.FAILED
        due_at = now + retry_after(attempts) if status == MessageStatus.QUEUED else None
    return Settled(claimed.id, status, outcome.words[:ERROR_LENGTH], due_at, attempts)


def record(settled: Sequence[Settled], *, now: datetime) -> None:
    """Write outcomes, in the caller's transaction. A slow worker's word replaces *unknown*: it knows."""
    if not settled:
        return
    values: dict[str, Any] = {
        "now": now,
        "ids": [one.id for one in settled],
        "statuses": [str(one.status) for one in settled],
        "errors": [one.error for one in settled],
        "due": [one.due_at for one in settled],
        "attempts": [one.attempts for one in settled],
        "provider_ids": [one.provider_id for one in settled],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, values)
    unreceived = (MessageStatus.FAILED, MessageStatus.CANCELLED)
    gone = [one.id for one in settled if one.status in unreceived]
    if gone:
        forget_keys(Message.objects.filter(id__in=gone))
    _suppress_dead([one.id for one in settled if names_dead_address(one.error)], now=now)


def _suppress_dead(ids: Sequence[int], *, now: datetime) -> None:
    """An address that a server refuses at once is as dead as one from which mail comes back."""
    if not ids:
        return
    failed = Message.objects.filter(id__in=ids, status=MessageStatus.FAILED, participant__isnull=False)
    addressed = failed.annotate(address=F("participant__email_norm")).select_related("organization", "connection")
    for message in addressed.order_by("participant_id"):
        source = message.connection.name if message.connection is not None else "bounce"
        suppress(message.organization, message.address, reason=SuppressionReason.BOUNCED, source=source, now=now)


def keep_sending(ids: Sequence[int], mailing: Mailing, *, now: datetime) -> None:
    """Renew the lease of what is on its way: this worker lives, the mail server is slow."""
    with tenant(mailing.organization_id):
        Message.objects.filter(id__in=ids, status=MessageStatus.SENDING).update(due_at=now + SENDING_LEASE)
