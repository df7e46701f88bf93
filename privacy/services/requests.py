"""The register of what people ask for, with its one-month clock (rule D4)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from consent.selectors import local_day
from participants.models import Participant
from privacy.models import PersonRequest, RequestChannel, RequestKind, RequestState
from privacy.rules import MONTHS_EXTENDED, MONTHS_TO_ANSWER, add_months


class RequestRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """Something that cannot be done with a request; the message is for the member who asked."""


def open_request(
    organization: Organization,
    *,
    kind: RequestKind | str,
    participant: Participant | None,
    channel: RequestChannel | str,
    now: datetime,
    received_at: datetime | None = None,
    details: str = "",
    actor: User | None = None,
) -> PersonRequest:
    """Note what a person asks for. The clock runs from the day on which it came in."""
    received_on = local_day(organization, min(received_at or now, now))
    with transaction.atomic():
        request = PersonRequest.objects.create(
            organization=organization,
            kind=RequestKind(kind),
            channel=RequestChannel(channel),
            participant=participant,
            details=details,
            received_on=received_on,
            due_on=add_months(received_on, MONTHS_TO_ANSWER),
            created_at=now,
            created_by=actor,
        )
        if actor is not None:
            audit.record(organization, actor=actor, action="request:note", target=f"request {request.pk}", now=now)
    return request


def extend_request(
    organization: Organization, request: PersonRequest, *, reason: str, actor: User, now: datetime
) -> PersonRequest:
    """Take two months more, once, with a reason that the person is told within the first month (article 12)."""
    with transaction.atomic():
        current = _lock_open(organization, request)
        if current.extended_at is not None:
            raise RequestRefused(_("This request was extended already."))
        if not reason.strip():
            raise RequestRefused(_("Say why more time is needed: the person has to be told."))
        if local_day(organization, now) > current.due_on:
            raise RequestRefused(_("The month is over, so it can no longer be extended."))
        current.extended_at, current.extended_by, current.extension_reason = now, actor, reason.strip()[:500]
        current.due_on = add_months(current.received_on, MONTHS_TO_ANSWER + MONTHS_EXTENDED)
        current.save(update_fields=["extended_at", "extended_by", "extension_reason", "due_on"])
        audit.record(organization, actor=actor, action="request:extend", target=f"request {current.pk}", now=now)
    return current


def answer_request(
    organization: Organization,
    request: PersonRequest,
    *,
    answer: str,
    evidence: str = "",
    declined: bool = False,
    actor: User | None,
    now: datetime,
) -> PersonRequest:
    """Close a request with what the person was told. ``actor`` is empty where they did it on their page."""
    if not answer.strip():
        raise RequestRefused(_("Say what the person was answered."))
    with transaction.atomic():
        current = _lock_open(organization, request)
        current.state = RequestState.DECLINED if declined else RequestState.ANSWERED
        current.answered_at, current.answered_by = now, actor
        current.answer, current.evidence = answer.strip(), evidence.strip()[:500]
        current.save(update_fields=["state", "answered_at", "answered_by", "answer", "evidence"])
        if actor is not None:
            action = "request:decline" if declined else "request:answer"
            audit.record(organization, actor=actor, action=action, target=f"request {current.pk}", now=now)
    return current


def _lock_open(organization: Organization, request: PersonRequest) -> PersonRequest:
    current = PersonRequest.objects.select_for_update(of=("self",)).get(organization=organization, pk=request.pk)
    if current.state != RequestState.OPEN:
        raise RequestRefused(_("This request is closed."))
    return current
