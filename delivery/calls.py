"""Messages that a call asks for: one to one person, ahead of launches, asked for once however often it is repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import Organization
from common.tenancy import tenant
from consent.rules import Untracked
from delivery.models import ContentSnapshot, Mailing, MailingState, Message, MessageCall, Purpose
from delivery.services import ask_to_send, create_mailing
from participants.models import Participant
from participants.services import keep_people


class PersonGoneError(Exception):
    """The person was erased in the meantime."""


class SaidOtherwiseError(Exception):
    """The same call was made before, and asked for something else."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for. ``digest``: of the caller's key, empty for none; ``content``: of all that is to be said."""

    data: Mapping[str, object]
    digest: str
    content: str


def open_urgent_mailing(
    organization: Organization,
    snapshot: ContentSnapshot,
    *,
    purpose: Purpose | str,
    version: str,
    now: datetime,
    untracked: Untracked | None = None,
    exempt_approved: bool = False,
    exit_screen: bool = False,
) -> Mailing:
    """A mailing that nobody is in yet; each call adds a message, and it is sent at once."""
    with tenant(organization.pk):
        mailing = create_mailing(
            organization,
            snapshot,
            topic=None,
            purpose=purpose,
            not_before=now,
            now=now,
            untracked=untracked,
            exempt_approved=exempt_approved,
            exit_screen=exit_screen,
        )
        mailing.urgent, mailing.version = True, version
        mailing.expanded_at, mailing.state, mailing.finished_at = now, MailingState.DONE, now
        mailing.save(update_fields=["urgent", "version", "expanded_at", "state", "finished_at"])
    return mailing


def message_of_call(organization: Organization, call: Call) -> Message | None:
    """What the same call asked for before; SaidOtherwiseError when it was something else."""
    if not call.digest:
        return None
    with tenant(organization.pk):
        known = (
            MessageCall.objects.select_related("message").filter(organization=organization, digest=call.digest).first()
        )
    if known is None:
        return None
    if known.content != call.content:
        raise SaidOtherwiseError
    return known.message


def add_call(
    organization: Organization, mailing: Mailing, participant: Participant, call: Call, *, now: datetime
) -> Message | None:
    """Queue what a call asks for, or find it queued; None when the mailing was cancelled. Raises PersonGoneError.

    A mailing of which everything has left begins to send again; a paused one keeps the message until it goes on.
    """
    with tenant(organization.pk):
        current = Mailing.objects.select_for_update(of=("self",), no_key=True).get(
            organization=organization, pk=mailing.pk
        )
        keep_people(organization)
        is_there = Participant.objects.filter(organization=organization, pk=participant.pk).exists()
        if not is_there:
            raise PersonGoneError
        if current.state == MailingState.CANCELLED:
            return None
        try:
            with transaction.atomic():
                message = _write(organization, current, participant, call, now=now)
        except IntegrityError:
            # Somebody made the same call at the same time.
            if known := message_of_call(organization, call):
                return known
            raise
        if current.state == MailingState.DONE:
            current.state, current.finished_at = MailingState.SENDING, None
            current.save(update_fields=["state", "finished_at"])
        ask_to_send(current)
    return message


def _write(
    organization: Organization, mailing: Mailing, participant: Participant, call: Call, *, now: datetime
) -> Message:
    message = Message.objects.create(
        organization=organization, mailing=mailing, participant=participant, by_call=True, queued_at=now
    )
    MessageCall.objects.create(
        organization=organization,
        message=message,
        digest=call.digest,
        content=call.content,
        data=dict(call.data),
        created_at=now,
    )
    return message
