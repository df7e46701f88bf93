"""Frozen content, mailings and what their owners may do with them, suppressed addresses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization
from common import jobs
from common.journal import Act, write_acts
from common.tenancy import tenant
from consent.models import Topic
from consent.rules import Untracked
from delivery.call_data import forget_data
from delivery.lost import give_up_lost
from delivery.mime import one_line
from delivery.models import (
    ContentSnapshot,
    Mailing,
    MailingState,
    Message,
    MessageStatus,
    Purpose,
    ServiceMessage,
    Suppression,
    SuppressionReason,
)
from delivery.outside import mark_address
from delivery.refusals import add_reason
from delivery.refusals import is_suppressed_hash as is_suppressed_hash
from delivery.refusals import suppress_hash as suppress_hash
from delivery.rendering import CompiledEmail
from delivery.selectors import waiting_messages
from participants.models import Participant
from participants.rules import parse_email
from participants.services import keep_people
from tracking.models import TrackedMessage
from tracking.services import register_content
from websites.models import Website

SEND_TASK = "delivery.send_mailing"
SEND_SERVICE_TASK = "delivery.send_service_messages"

# What has not left yet and nobody is handing to a server just now.
UNSENT = (MessageStatus.QUEUED, MessageStatus.CLAIMED)
ENDED = (MailingState.CANCELLED, MailingState.DONE)


class MailingRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A mailing cannot be paused, resumed or cancelled; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is frozen beside an email's content: who it is from, and the names that its templates may use."""

    from_email: str
    from_name: str
    reply_to: str
    legal_name: str
    legal_address: str
    website: str
    campaign: str
    # Marketing mail offers unsubscribing in its headers too (rule D1).
    list_unsubscribe: bool


def envelope_of(
    organization: Organization,
    website: Website,
    *,
    purpose: Purpose | str,
    sender_name: str = "",
    reply_to: str = "",
    campaign_name: str = "",
) -> Envelope:
    """Who an email is from, as it would be frozen now."""
    return Envelope(
        from_email=website.sender_email,
        from_name=sender_name or website.sender_name,
        reply_to=reply_to,
        legal_name=organization.legal_name or organization.name,
        legal_address=organization.legal_address,
        website=website.name,
        campaign=campaign_name,
        list_unsubscribe=Purpose(purpose) == Purpose.MARKETING,
    )


def freeze_content(
    organization: Organization,
    website: Website,
    *,
    compiled: CompiledEmail,
    purpose: Purpose | str,
    now: datetime,
    sender_name: str = "",
    reply_to: str = "",
    campaign_name: str = "",
) -> ContentSnapshot:
    """Keep an email as it is launched: whatever is edited afterwards, all its copies are the same."""
    envelope = envelope_of(
        organization,
        website,
        purpose=purpose,
        sender_name=sender_name,
        reply_to=reply_to,
        campaign_name=campaign_name,
    )
    links = [{"number": link.number, "url": link.destination, "label": link.label} for link in compiled.links]
    with tenant(organization.pk):
        return ContentSnapshot.objects.create(
            organization=organization,
            website=website,
            tracked_content=register_content(organization, website, links),
            compiled={**compiled.to_dict(), "envelope": asdict(envelope)},
            created_at=now,
        )


def create_mailing(
    organization: Organization,
    snapshot: ContentSnapshot,
    *,
    topic: Topic | None,
    purpose: Purpose | str,
    not_before: datetime,
    now: datetime,
    untracked: Untracked | None = None,
    exempt_approved: bool = False,
    exit_screen: bool = False,
    without_totals: bool = False,
) -> Mailing:
    """A mailing of frozen content. It is sent once its messages are written and its time has come.

    ``untracked``: why nothing of it is measured, whatever the settings say. ``exempt_approved``: two people said that
    it serves its exempt purpose and nothing else (rule S6). ``exit_screen``: it answers people who take part, and may
    be handed to an outside sender. ``without_totals``: it is one of several versions (S9).
    """
    with tenant(organization.pk):
        return Mailing.objects.create(
            organization=organization,
            website=snapshot.website,
            snapshot=snapshot,
            topic=topic,
            purpose=Purpose(purpose),
            untracked=untracked or "",
            exempt_approved=exempt_approved,
            exit_screen=exit_screen,
            without_totals=without_totals,
            not_before=not_before,
            created_at=now,
        )


def pause_mailing(organization: Organization, mailing: Mailing, *, now: datetime, reason: str = "") -> None:
    """Stop handing messages to the mail server. What a server has begun to take is finished."""
    with tenant(organization.pk):
        current = _locked(organization, mailing)
        if current.state == MailingState.PAUSED:
            return
        current.state, current.pause_reason = MailingState.PAUSED, reason[:300]
        current.save(update_fields=["state", "pause_reason"])
        # Whoever prepared them finds them taken away, and their decision is made anew when sending goes on.
        _unsent(current).filter(status=MessageStatus.CLAIMED).update(status=MessageStatus.QUEUED, due_at=None)
        audit.record(organization, actor=None, action="sending:pause", target=f"mailing {current.pk}", now=now)


def resume_mailing(organization: Organization, mailing: Mailing, *, now: datetime) -> None:
    """Go on with a paused mailing."""
    with tenant(organization.pk):
        current = _locked(organization, mailing)
        if current.state != MailingState.PAUSED:
            return
        current.state = MailingState.SENDING if current.not_before <= now else MailingState.SCHEDULED
        current.pause_reason = ""
        current.save(update_fields=["state", "pause_reason"])
        audit.record(organization, actor=None, action="sending:resume", target=f"mailing {current.pk}", now=now)
        if current.state == MailingState.SENDING:
            ask_to_send(current)


def cancel_mailing(organization: Organization, mailing: Mailing, *, now: datetime) -> int:
    """Never send what has not left yet. Returns how many messages that spares."""
    with tenant(organization.pk):
        current = _locked(organization, mailing)
        if current.state == MailingState.CANCELLED:
            return 0
        current.state, current.finished_at = MailingState.CANCELLED, now
        current.save(update_fields=["state", "finished_at"])
        forget_keys(_unsent(current))
        spared = _unsent(current).update(status=MessageStatus.CANCELLED, due_at=None)
        forget_data(current)
        named, details = f"mailing {current.pk}", {"spared": spared}
        audit.record(organization, actor=None, action="sending:cancel", target=named, details=details, now=now)
        return spared


def begin_mailing(organization_id: int, mailing_id: int, *, now: datetime) -> Mailing | None:
    """The mailing if it may be sent now, marked as being sent."""
    with tenant(organization_id):
        mailing = (
            Mailing.objects.select_for_update(of=("self",), no_key=True)
            .select_related("organization", "website", "snapshot__tracked_content")
            .filter(organization=organization_id, pk=mailing_id, expanded_at__isnull=False, not_before__lte=now)
            .filter(state__in=(MailingState.SCHEDULED, MailingState.SENDING))
            .first()
        )
        if mailing is None:
            return None
        if mailing.state != MailingState.SENDING:
            mailing.state = MailingState.SENDING
            mailing.save(update_fields=["state"])
    return mailing


def finish_mailing(mailing: Mailing, *, now: datetime) -> bool:
    """Close a mailing of which every message has come to its end.

    What a worker that ended left in *sending* has come to it: it may have been sent, and is not sent again.
    """
    with tenant(mailing.organization_id):
        current = Mailing.objects.select_for_update(of=("self",), no_key=True).get(pk=mailing.pk)
        waiting = waiting_messages(mailing.organization_id, mailing.pk)
        give_up_lost(current, now=now)
        note_consent_requests(current, now=now)
        if current.urgent:
            forget_data(current)
        if current.state != MailingState.SENDING or waiting.exists():
            return False
        current.state, current.finished_at, current.pause_reason = MailingState.DONE, now, ""
        current.save(update_fields=["state", "finished_at", "pause_reason"])
    return True


def note_trouble(mailing: Mailing, words: str) -> None:
    """Show why nothing leaves, while it is tried again; empty once it leaves."""
    with tenant(mailing.organization_id):
        waiting = Mailing.objects.filter(pk=mailing.pk, state=MailingState.SENDING).exclude(pause_reason=words[:300])
        waiting.update(pause_reason=words[:300])


def ask_to_send(mailing: Mailing) -> None:
    """Let a worker begin as soon as this transaction stands."""
    queue = jobs.URGENT_QUEUE if mailing.urgent else None
    jobs.after_commit(SEND_TASK, in_queue=queue, organization_id=mailing.organization_id, mailing_id=mailing.pk)


def add_message(organization: Organization, mailing: Mailing, participant: Participant, *, now: datetime) -> bool:
    """One more copy of frozen content, for somebody who came later. False when they have one, or are gone, or it was
    cancelled.

    A mailing of which everything has left begins to send again; a paused one keeps the copy until it goes on.
    """
    with tenant(organization.pk):
        current = Mailing.objects.select_for_update(of=("self",), no_key=True).get(
            organization=organization, pk=mailing.pk
        )
        keep_people(organization)
        is_there = Participant.objects.filter(organization=organization, pk=participant.pk).exists()
        if current.state == MailingState.CANCELLED or not is_there:
            return False
        _message, created = Message.objects.get_or_create(
            organization=organization, mailing=current, participant=participant, defaults={"queued_at": now}
        )
        if not created:
            return False
        if current.state == MailingState.DONE:
            current.state, current.finished_at = MailingState.SENDING, None
            current.save(update_fields=["state", "finished_at"])
        ask_to_send(current)
    return True


def forget_keys(messages: Any) -> None:
    """Delete the keys of messages that do not go out: what nobody received cannot be measured."""
    keys = list(messages.filter(tracked_message__isnull=False).values_list("tracked_message_id", flat=True))
    if keys:
        messages.update(tracked_message=None)
        TrackedMessage.objects.filter(id__in=keys).delete()


def _locked(organization: Organization, mailing: Mailing) -> Mailing:
    """The mailing as it stands, kept from workers until this transaction ends; refuses one that has ended."""
    current = Mailing.objects.select_for_update(of=("self",), no_key=True).get(organization=organization, pk=mailing.pk)
    if current.state == MailingState.DONE:
        raise MailingRefused(_("Everything has been sent already."))
    if current.state == MailingState.CANCELLED:
        raise MailingRefused(_("This mailing has been cancelled."))
    return current


def _unsent(mailing: Mailing) -> Any:
    return Message.objects.filter(organization=mailing.organization_id, mailing=mailing, status__in=UNSENT)


def suppress(
    organization: Organization, email_norm: str, *, reason: SuppressionReason | str, source: str, now: datetime
) -> bool:
    """Send nothing more of the kind that the reason names to an address. False when that was so already.

    News of an address that was erased meanwhile does not write it down again (rule D2).
    """
    with tenant(organization.pk):
        if add_reason(organization, email_norm, reason):
            return False
        _row, created = Suppression.objects.get_or_create(
            organization=organization,
            email_norm=email_norm,
            reason=SuppressionReason(reason),
            defaults={"source": source[:120], "created_at": now},
        )
        if created:
            mark_address(organization, email_norm, now=now)
        if created and reason != SuppressionReason.BOUNCED:
            # A restored backup must not forget what a person wants (rule D3).
            theirs = Participant.objects.filter(organization=organization, email_norm=email_norm)
            subjects = list(theirs.values_list("ledger_id", flat=True))
            write_acts(Act.UNSUBSCRIBED, organization.pk, subjects, at=now, reason=SuppressionReason(reason).value)
        return created


def queue_service_message(
    organization: Organization,
    website: Website,
    *,
    to: str,
    participant: Participant | None,
    kind: str,
    language: str,
    subject: str,
    text: str,
    html: str = "",
    unsubscribe_url: str = "",
    expires_at: datetime | None = None,
    now: datetime,
) -> ServiceMessage:
    """Send one message that is never measured to one person, once this transaction stands.

    ``html`` is what stands between the greeting and the sender's name; it is made of ``text`` when empty. Raises
    ``participants.rules.AddressError`` for an address that nobody can write to.
    """
    address = parse_email(to)
    with tenant(organization.pk):
        message = ServiceMessage.objects.create(
            organization=organization,
            website=website,
            participant=participant,
            to_email=address.email,
            kind=kind,
            language=language,
            subject=one_line(subject)[:300],
            text=text,
            html=html,
            unsubscribe_url=unsubscribe_url,
            expires_at=expires_at,
            due_at=now,
            queued_at=now,
        )
        jobs.after_commit(SEND_SERVICE_TASK, organization_id=organization.pk)
    return message


def lift_suppression(
    organization: Organization, email_norm: str, *, reason: SuppressionReason | str, now: datetime
) -> bool:
    """Send to an address again, since its owner asked for it. False when nothing kept mail from it."""
    with tenant(organization.pk):
        rows = Suppression.objects.filter(
            organization=organization, email_norm=email_norm, reason=SuppressionReason(reason)
        )
        mark_address(organization, email_norm, now=now)
        return rows.delete()[0] > 0


_NOTE_REQUESTS = """
INSERT INTO delivery_consentrequest (organization_id, participant_id, scope_id, message_id, asked_at)
SELECT m.organization_id, m.participant_id, w.consent_scope_id, m.id, coalesce(m.sent_at, %s)
  FROM delivery_message m
  JOIN websites_website w ON w.id = %s
 WHERE m.mailing_id = %s AND m.status IN ('sent', 'unknown') AND m.participant_id IS NOT NULL
   AND (%s::bigint[] IS NULL OR m.id = ANY(%s))
    ON CONFLICT (message_id) DO NOTHING
"""


def note_consent_requests(mailing: Mailing, *, now: datetime, ids: list[int] | None = None) -> None:
    """Keep who was asked for consent by messages that have, or may have, left; in the caller's transaction (C4)."""
    if mailing.untracked != Untracked.CONSENT_REQUEST:
        return
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_REQUESTS, [now, mailing.website_id, mailing.pk, ids, ids])
