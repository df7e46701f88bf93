"""Sends service messages: one person, one message, nothing measured. Claim, mark as being sent, hand over, record.

The steps are those of ``sending``, with the same promise: what stood in *sending* when a worker died is unknown, and is
never sent again by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.models import Organization
from common.tenancy import tenant
from delivery.mime import MessageHeaders, build_message, one_line
from delivery.models import MessageStatus, ServiceMessage, Suppression
from delivery.outbox import CLAIM_LEASE, ERROR_LENGTH, SENDING_LEASE, settle
from delivery.rules import FIRST_RETRY, blocking_reasons
from delivery.transports import (
    Outcome,
    Outgoing,
    Result,
    SmtpConnection,
    TransportNotConfiguredError,
    account_of,
)
from participants.rules import normalise_email

GROUP = 10
OPEN_STATES = (MessageStatus.QUEUED, MessageStatus.CLAIMED)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A claimed message as bytes."""

    message: ServiceMessage
    outgoing: Outgoing


def send_service_messages(
    organization_id: int, *, stop_after: float | None = None, clock: Callable[[], datetime] = timezone.now
) -> int:
    """Send what is due of an organization; returns how many messages a server took."""
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        _give_up_lost(organization, now=clock())
    deadline = time.monotonic() + stop_after if stop_after is not None else None
    try:
        connection = SmtpConnection(account_of(organization))
    except TransportNotConfiguredError as error:
        _hold_back(organization, str(error), now=clock())
        return 0
    sent = 0
    try:
        while deadline is None or time.monotonic() < deadline:
            ready = _claim(organization, now=clock())
            if ready is None:
                break
            outcomes = _hand_over(organization, connection, ready, now=clock())
            sent += sum(outcome.result is Result.ACCEPTED for outcome in outcomes)
    finally:
        connection.close()
    return sent


def _give_up_lost(organization: Organization, *, now: datetime) -> None:
    lost = ServiceMessage.objects.filter(organization=organization, status=MessageStatus.SENDING, due_at__lte=now)
    lost.update(status=MessageStatus.UNKNOWN, due_at=None, text="", html="")


def _hold_back(organization: Organization, words: str, *, now: datetime) -> None:
    """There is no way out for mail yet: look again later, and say why."""
    with tenant(organization.pk):
        due = ServiceMessage.objects.filter(organization=organization, status__in=OPEN_STATES, due_at__lte=now)
        due.update(status=MessageStatus.QUEUED, due_at=now + FIRST_RETRY, error=words[:ERROR_LENGTH])


# --- Claiming ---------------------------------------------------------------------------------------------------------


def _claim(organization: Organization, *, now: datetime) -> list[_Ready] | None:
    """The next few messages, written out; None when nothing is due."""
    with tenant(organization.pk):
        due = list(
            ServiceMessage.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("website", "organization")
            .filter(organization=organization, status__in=OPEN_STATES, due_at__lte=now)
            .order_by("due_at", "id")[:GROUP]
        )
        if not due:
            return None
        outdated = [one.pk for one in due if one.expires_at is not None and one.expires_at <= now]
        _end(outdated, MessageStatus.CANCELLED)
        unreachable = _unreachable(organization, due)
        _end(unreachable, MessageStatus.SUPPRESSED)
        return [
            ready
            for one in due
            if one.pk not in {*outdated, *unreachable} and (ready := _write(one, now=now)) is not None
        ]


def _end(ids: Sequence[int], status: MessageStatus, error: str = "") -> None:
    if ids:
        ServiceMessage.objects.filter(pk__in=ids).update(
            status=status, due_at=None, text="", html="", error=error[:ERROR_LENGTH]
        )


def _unreachable(organization: Organization, due: Sequence[ServiceMessage]) -> list[int]:
    """Unsubscribing ends marketing; only an address that accepts no mail gets none of these."""
    addresses = {one.pk: normalise_email(one.to_email) for one in due}
    refused = set(
        Suppression.objects.filter(
            organization=organization,
            email_norm__in=set(addresses.values()),
            reason__in=blocking_reasons("transactional"),
        ).values_list("email_norm", flat=True)
    )
    return [pk for pk, address in addresses.items() if address in refused]


def _write(message: ServiceMessage, *, now: datetime) -> _Ready | None:
    try:
        outgoing = compose_service_message(message, now=now)
    except ValueError as error:
        _end([message.pk], MessageStatus.FAILED, str(error))
        return None
    ServiceMessage.objects.filter(pk=message.pk).update(
        status=MessageStatus.CLAIMED, due_at=now + CLAIM_LEASE, claimed_at=now
    )
    message.claimed_at = now
    return _Ready(message, outgoing)


def compose_service_message(message: ServiceMessage, *, now: datetime) -> Outgoing:
    """The bytes: what was queued, and below it who sends it. ValueError for what cannot stand in a header."""
    website, organization = message.website, message.organization
    domain = website.sender_email.rpartition("@")[2].encode("idna").decode()
    context = {
        "text": message.text,
        "html": message.html,
        "subject": message.subject,
        "language": message.language,
        "legal_name": organization.legal_name or organization.name,
        "legal_address": organization.legal_address,
    }
    with translation.override(message.language):
        text = render_to_string("delivery/service_message.txt", context)
        html = render_to_string("delivery/service_message.html", context)
    headers = MessageHeaders(
        from_email=website.sender_email,
        from_name=one_line(website.sender_name),
        to_email=message.to_email,
        subject=message.subject,
        message_id=f"{message.reference.hex}@{domain}",
        date=now,
        unsubscribe_url=message.unsubscribe_url,
    )
    data = build_message(headers, text=text, html=html)
    return Outgoing(message.pk, f"bounce+{message.reference.hex}@{domain}", message.to_email, data)


# --- Leaving ----------------------------------------------------------------------------------------------------------


def _hand_over(
    organization: Organization, connection: SmtpConnection, ready: Sequence[_Ready], *, now: datetime
) -> list[Outcome]:
    leaving = _mark_leaving(organization, ready, now=now)
    group = [one for one in ready if one.message.pk in leaving]
    if not group:
        return []
    outcomes, _trouble = connection.send([one.outgoing for one in group])
    _record(organization, {one.message.pk: one.message for one in group}, outcomes, now=now)
    return outcomes


def _mark_leaving(organization: Organization, ready: Sequence[_Ready], *, now: datetime) -> set[int]:
    """Committed before the bytes leave, so that a crash cannot send anything twice."""
    leaving = set()
    with tenant(organization.pk):
        for one in ready:
            mine = ServiceMessage.objects.filter(
                pk=one.message.pk,
                status=MessageStatus.CLAIMED,
                claimed_at=one.message.claimed_at,
                due_at__gt=now,
            )
            if mine.update(status=MessageStatus.SENDING, due_at=now + SENDING_LEASE):
                leaving.add(one.message.pk)
    return leaving


@dataclass(frozen=True, slots=True)
class _Attempt:
    id: int
    attempts: int


def _record(
    organization: Organization, messages: dict[int, ServiceMessage], outcomes: Sequence[Outcome], *, now: datetime
) -> None:
    with tenant(organization.pk):
        for outcome in outcomes:
            attempt = _Attempt(outcome.id, messages[outcome.id].attempts)
            settled = settle(attempt, outcome, cancelled=False, now=now)
            waits = settled.status == MessageStatus.QUEUED
            changes: dict[str, object] = {
                "status": settled.status,
                "error": settled.error,
                # What no byte of has left is tried again soon, and does not count as an attempt.
                "due_at": (settled.due_at or now + FIRST_RETRY) if waits else None,
                "attempts": settled.attempts,
                "sent_at": now if settled.status == MessageStatus.SENT else None,
            }
            if not waits:
                changes |= {"text": "", "html": ""}
            # A slow server's last word replaces *unknown*; what has been forgotten cannot be tried again.
            standing = (MessageStatus.SENDING,) if waits else (MessageStatus.SENDING, MessageStatus.UNKNOWN)
            ServiceMessage.objects.filter(pk=outcome.id, status__in=standing).update(**changes)
