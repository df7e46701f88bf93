"""Confirmations, fresh links and receipts of which nobody knows whether they were sent: what is made of them.

What such a message says is kept until somebody has decided: without it nothing could be sent again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from accounts.audit import record
from accounts.models import Organization, User
from common import jobs
from common.tenancy import tenant
from delivery.models import MessageStatus, ServiceMessage
from delivery.selectors import sending_rules
from delivery.sending_models import AutomaticResend
from delivery.services import SEND_SERVICE_TASK

# What is forgotten once a message has come to its end.
FORGOTTEN: dict[str, object] = {"text": "", "html": "", "mime": None}


def unknown_service_messages(organization: Organization) -> QuerySet[ServiceMessage]:
    """All that waits for a decision, the oldest first."""
    rows = ServiceMessage.objects.filter(organization=organization, status=MessageStatus.UNKNOWN)
    return rows.order_by("claimed_at", "pk")


def may_still_leave(now: datetime) -> Q:
    """Of use yet, and nothing of it forgotten."""
    is_kept = ~Q(text="") | Q(mime__isnull=False)
    return is_kept & (Q(expires_at=None) | Q(expires_at__gt=now))


def resolve_unknown_service(
    organization: Organization, message_id: int, *, resend: bool, actor: User | None, now: datetime
) -> bool:
    """Count it as sent, or send it again under its Message-ID. False when it is not in doubt, or cannot leave again."""
    with tenant(organization.pk):
        mine = unknown_service_messages(organization).filter(pk=message_id)
        if resend:
            done = _again(mine, now=now)
            if done:
                jobs.after_commit(SEND_SERVICE_TASK, organization_id=organization.pk)
        else:
            done = mine.update(status=MessageStatus.SENT, sent_at=now, error="", **FORGOTTEN)
        if done:
            action = "sending:doubt:again" if resend else "sending:doubt:count"
            record(organization, actor=actor, action=action, target=f"service message {message_id}", now=now)
    return bool(done)


def resend_service_by_setting(organization: Organization, *, now: datetime) -> int:
    """What the organization wants sent again by itself, once each: a second doubt is for a person."""
    rules = sending_rules(organization)
    if rules.resend == AutomaticResend.NEVER:
        return 0
    with tenant(organization.pk):
        due = unknown_service_messages(organization).filter(claimed_at__lte=now - timedelta(hours=rules.resend_hours))
        again = _again(due.filter(resent_at=None), now=now)
        if again:
            jobs.after_commit(SEND_SERVICE_TASK, organization_id=organization.pk)
    return again


def _again(rows: QuerySet[ServiceMessage], *, now: datetime) -> int:
    return rows.filter(may_still_leave(now)).update(
        status=MessageStatus.QUEUED, due_at=now, attempts=0, error="", resent_at=now
    )
