"""Sends service messages: one person, one message, nothing measured. Claim, mark as being sent, hand over, record.

Somebody waits for them, so they pass launches: in the queue, in the limits of a connection, and in the number of
messages that it takes while it warms up.

The steps are those of ``sending``, with the same promise: what stood in *sending* when a worker died is unknown, and is
never sent again by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connections import NoWayError, Way, note_failure, note_success, way_for
from delivery.mime import MessageHeaders, build_message, one_line
from delivery.models import MessageStatus, ServiceMessage, Suppression
from delivery.outbox import CLAIM_LEASE
from delivery.outcomes import ERROR_LENGTH, SENDING_LEASE, settle
from delivery.rules import FIRST_RETRY, blocking_reasons
from delivery.throttle import Limits, quota_left
from delivery.transports import Courier, Outcome, Outgoing, Result, courier_for
from participants.rules import normalise_email
from websites.models import Website

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
    counter = _Counter(organization)
    sent = 0
    try:
        while deadline is None or time.monotonic() < deadline:
            ready = _claim(organization, now=clock())
            if ready is None:
                if not counter.wait_for_room(deadline):
                    break
                continue
            for one in _by_website(ready):
                outcomes = _hand_over(organization, counter, one, now=clock())
                sent += sum(outcome.result is Result.ACCEPTED for outcome in outcomes)
    finally:
        counter.close()
    return sent


class _Counter:
    """The ways that messages of this run took, each opened once."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._ways: dict[int, tuple[Way, Courier]] = {}
        # When the first of those that a limit held back may leave.
        self._room_at: float | None = None

    def way_of(self, website: Website, *, now: datetime) -> tuple[Way, Courier]:
        """Raises NoWayError while the website's mail cannot leave."""
        if website.pk not in self._ways:
            way = way_for(self._organization, website, now=now)
            self._ways[website.pk] = way, courier_for(way.account)
        return self._ways[website.pk]

    def forget(self, website: Website) -> None:
        """Look for another way the next time: this one is broken."""
        _way, courier = self._ways.pop(website.pk)
        courier.close()

    def note_wait(self, seconds: float) -> None:
        room_at = time.monotonic() + seconds
        self._room_at = room_at if self._room_at is None else min(room_at, self._room_at)

    def wait_for_room(self, deadline: float | None) -> bool:
        """Wait until a limit lets the next one pass. False when there is none in this run; beat finds those later."""
        if self._room_at is None or deadline is None or self._room_at >= deadline:
            return False
        time.sleep(max(0.0, self._room_at - time.monotonic()))
        self._room_at = None
        return True

    def close(self) -> None:
        for _way, courier in self._ways.values():
            courier.close()


def _by_website(ready: Sequence[_Ready]) -> list[list[_Ready]]:
    groups: dict[int, list[_Ready]] = {}
    for one in ready:
        groups.setdefault(one.message.website_id, []).append(one)
    return list(groups.values())


def _give_up_lost(organization: Organization, *, now: datetime) -> None:
    lost = ServiceMessage.objects.filter(organization=organization, status=MessageStatus.SENDING, due_at__lte=now)
    lost.update(status=MessageStatus.UNKNOWN, due_at=None)


def _hold_back(
    organization: Organization,
    ready: Sequence[_Ready],
    words: str,
    *,
    now: datetime,
    after: timedelta = FIRST_RETRY,
) -> None:
    """They cannot leave yet: look again later, and say why."""
    with tenant(organization.pk):
        held = ServiceMessage.objects.filter(
            organization=organization, pk__in=[one.message.pk for one in ready], status__in=OPEN_STATES
        )
        held.update(status=MessageStatus.QUEUED, due_at=now + after, error=words[:ERROR_LENGTH])


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
            status=status, due_at=None, text="", html="", mime=None, error=error[:ERROR_LENGTH]
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
    if message.mime is not None:
        reference = message.reference.hex
        return Outgoing(message.pk, f"bounce+{reference}@{domain}", message.to_email, bytes(message.mime), reference)
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
    reference = message.reference.hex
    return Outgoing(message.pk, f"bounce+{reference}@{domain}", message.to_email, data, reference)


# --- Leaving ----------------------------------------------------------------------------------------------------------


def _hand_over(
    organization: Organization, counter: _Counter, ready: Sequence[_Ready], *, now: datetime
) -> list[Outcome]:
    """``ready``: of one website."""
    website = ready[0].message.website
    try:
        way, courier = counter.way_of(website, now=now)
    except NoWayError as error:
        _hold_back(organization, ready, error.words, now=now)
        return []
    ready = _admitted(organization, counter, way, ready, now=now)
    leaving = _mark_leaving(organization, ready, now=now)
    group = [one for one in ready if one.message.pk in leaving]
    if not group:
        return []
    outcomes, trouble = courier.send([way.dress(one.outgoing, now=now) for one in group])
    if trouble is None:
        note_success(way.connection)
    elif note_failure(way.connection, trouble.words, lasting=trouble.lasting, now=now):
        counter.forget(website)
    _record(organization, {one.message.pk: one.message for one in group}, outcomes, now=now)
    return outcomes


def _admitted(
    organization: Organization, counter: _Counter, way: Way, ready: Sequence[_Ready], *, now: datetime
) -> Sequence[_Ready]:
    """Those that the limits of the connection let pass now; the others wait for their moment."""
    limits = Limits(way.connection, urgent=True) if way.connection is not None else None
    if way.connection is None or limits is None or not limits.are_set:
        return ready
    today = now.date()
    admission = limits.admit([one.outgoing.recipient.rpartition("@")[2] for one in ready], today=today)
    waits = dict(admission.put_off)
    held = [position for position in range(len(ready)) if position not in {*admission.leaving, *waits}]
    if held and quota_left(way.connection, today=today, urgent=True) == 0:
        words = _("%(connection)s warms up and has taken what it may take today; the others leave tomorrow.")
        named = words % {"connection": way.connection.name}
        _hold_back(organization, [ready[position] for position in held], named, now=now)
    else:
        waits |= dict.fromkeys(held, admission.wait)
    for position, wait in waits.items():
        counter.note_wait(wait)
        _hold_back(organization, [ready[position]], "", now=now, after=timedelta(seconds=wait))
    return [ready[position] for position in admission.leaving]


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
            # What may have been sent can be sent again, if somebody decides so.
            if not waits and settled.status != MessageStatus.UNKNOWN:
                changes |= {"text": "", "html": "", "mime": None}
            # A slow server's last word replaces *unknown*; what is in doubt is tried again by nobody's haste.
            standing = (MessageStatus.SENDING,) if waits else (MessageStatus.SENDING, MessageStatus.UNKNOWN)
            ServiceMessage.objects.filter(pk=outcome.id, status__in=standing).update(**changes)
