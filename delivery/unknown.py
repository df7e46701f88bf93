"""Messages of which nobody knows whether they were sent: what a person, or the organization's setting, makes of them.

Sent again, a message keeps its reference, and so its Message-ID: many mail systems show somebody who got both copies
one. The key of the first copy stays valid, and what is measured of it goes with the person's withdrawal like the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from common.tenancy import tenant
from delivery.call_data import forget_data
from delivery.connection_models import ConnectionKind
from delivery.connections import provider_of
from delivery.models import Mailing, MailingState, Message, MessageCall, MessageStatus, Purpose
from delivery.selectors import sending_rules
from delivery.sending_models import AutomaticResend, UnknownDecision
from delivery.services import ask_to_send

AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Resolved:
    """How many were counted as sent, how many are sent again, and how many cannot be sent again."""

    counted: int = 0
    resent: int = 0
    left: int = 0


def unknown_messages(organization: Organization) -> QuerySet[Message]:
    """All that waits for a decision."""
    return Message.objects.filter(organization=organization, status=MessageStatus.UNKNOWN)


def resolve_unknown(
    organization: Organization, message_ids: Iterable[int], *, resend: bool, actor: User | None, now: datetime
) -> Resolved:
    """Count messages as sent, or send them again; without an ``actor`` the organization's setting decided.

    What is no longer unknown is left alone: news, or somebody else, came first. Nothing is sent again of a mailing that
    was cancelled, to a person who was erased, or without the data that a call had given along.
    """
    with tenant(organization.pk):
        rows = _held(organization, list(message_ids))
        again = [row for row in rows if row.may_be_sent_again] if resend else []
        chosen = again if resend else rows
        ids = [row.pk for row in chosen]
        messages = Message.objects.filter(pk__in=ids)
        if resend:
            messages.update(
                status=MessageStatus.QUEUED, due_at=None, attempts=0, error="", tracked_message=None, held_for=""
            )
            _wake({row.mailing_id for row in again})
        else:
            messages.update(status=MessageStatus.SENT, error="")
            messages.filter(sent_at=None).update(sent_at=_moment_of_doubt(now))
            for mailing in Mailing.objects.filter(pk__in={row.mailing_id for row in rows}):
                forget_data(mailing)
        _note(organization, ids, resend=resend, actor=actor, now=now)
        if ids and actor is not None:
            action = "sending:doubt:again" if resend else "sending:doubt:count"
            named = f"message {ids[0]}" if len(ids) == 1 else ""
            details = {"messages": len(ids)}
            audit.record(organization, actor=actor, action=action, target=named, details=details, now=now)
    return Resolved(0, len(ids), len(rows) - len(ids)) if resend else Resolved(len(ids))


def resend_by_setting(organization: Organization, *, now: datetime) -> Resolved:
    """What the organization wants sent again by itself, once each: a second doubt is for a person."""
    rules = sending_rules(organization)
    if rules.resend == AutomaticResend.NEVER:
        return Resolved()
    with tenant(organization.pk):
        earlier = UnknownDecision.objects.filter(message=OuterRef("pk"), by_setting=True)
        due = unknown_messages(organization).filter(uncertain_at__lte=now - timedelta(hours=rules.resend_hours))
        due = due.exclude(mailing__state=MailingState.CANCELLED).filter(participant__isnull=False)
        due = due.exclude(Exists(earlier)).exclude(Exists(_without_data()))
        if rules.resend == AutomaticResend.NOT_MARKETING:
            due = due.exclude(mailing__purpose=Purpose.MARKETING)
        ids = list(due.order_by("uncertain_at").values_list("pk", flat=True)[:AT_ONCE])
    return resolve_unknown(organization, ids, resend=True, actor=None, now=now) if ids else Resolved()


def _without_data() -> QuerySet[MessageCall]:
    """What a call gave along is forgotten in its time; nothing is sent with its words missing."""
    return MessageCall.objects.filter(message=OuterRef("pk"), data__isnull=True)


def may_be_sent_again(organization: Organization, message: Message) -> bool:
    """Whether somebody is there to send it to, and something to send."""
    with tenant(organization.pk):
        return any(row.may_be_sent_again for row in _held(organization, [message.pk]))


def decisions_about(organization: Organization, message: Message) -> list[UnknownDecision]:
    """What was decided about it before, latest first."""
    with tenant(organization.pk):
        mine = UnknownDecision.objects.filter(organization=organization, message_id=message.pk)
        return list(mine.select_related("decided_by").order_by("-decided_at"))


def what_would_settle(message: Message) -> str:
    """What could still come, or be looked up, that says whether it was sent."""
    provider = provider_of(message.connection) if message.connection is not None else None
    is_service = message.connection is not None and message.connection.kind == ConnectionKind.ESP
    names = {"service": provider.name if provider else ""}
    if is_service and provider is not None and provider.reports:
        return (
            _("A report of %(service)s settles it: that it was delivered, delayed, bounced or complained about.")
            % names
        )
    if is_service:
        return _("%(service)s sends no reports that Pli can take. Its own console shows what it took.") % names
    return _(
        "A bounce or a notice of delay settles it. A message that arrives makes no news: the log of the mail server "
        "shows whether it took it."
    )


@dataclass(frozen=True, slots=True)
class _Held:
    pk: int
    mailing_id: int
    may_be_sent_again: bool


def _held(organization: Organization, ids: list[int]) -> list[_Held]:
    """The messages that are still unknown, kept from everybody else; mailings first, as workers take them."""
    mine = unknown_messages(organization).filter(pk__in=ids)
    mailings = Mailing.objects.filter(pk__in=mine.values("mailing_id")).order_by("pk")
    states = dict(mailings.select_for_update(of=("self",), no_key=True).values_list("pk", "state"))
    rows = mine.select_for_update(of=("self",), no_key=True).annotate(lacks_data=Exists(_without_data()))
    return [
        _Held(
            row.pk,
            row.mailing_id,
            row.participant_id is not None
            and not row.lacks_data
            and states.get(row.mailing_id, MailingState.CANCELLED) != MailingState.CANCELLED,
        )
        for row in rows.order_by("pk")
    ]


def _wake(mailing_ids: set[int]) -> None:
    """A mailing of which everything has left begins to send again; a paused one keeps them until it goes on."""
    for mailing in Mailing.objects.filter(pk__in=mailing_ids).order_by("pk"):
        if mailing.state == MailingState.DONE:
            mailing.state, mailing.finished_at = MailingState.SENDING, None
            mailing.save(update_fields=["state", "finished_at"])
        if mailing.state == MailingState.SENDING:
            ask_to_send(mailing)


def _moment_of_doubt(now: datetime) -> Coalesce:
    return Coalesce(F("uncertain_at"), Value(now))


def _note(organization: Organization, ids: list[int], *, resend: bool, actor: User | None, now: datetime) -> None:
    UnknownDecision.objects.bulk_create(
        [
            UnknownDecision(
                organization=organization,
                message_id=pk,
                resend=resend,
                decided_by=actor,
                by_setting=actor is None,
                decided_at=now,
            )
            for pk in ids
        ],
        batch_size=1000,
    )
