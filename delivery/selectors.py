"""Reads of the outbox and of the mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from accounts.models import Organization
from common.seldom import STALE_SECONDS, SeldomCounts, keep, recall
from common.tenancy import tenant
from delivery.models import CaughtMessage, Mailing, MailingState, Message, MessageStatus
from delivery.sending_models import SendingRules


def waiting_messages(organization_id: int, mailing_id: int) -> QuerySet[Message]:
    """Messages of a mailing of which something is still to come."""
    unfinished = (MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.SENDING)
    return Message.objects.filter(organization_id=organization_id, mailing_id=mailing_id, status__in=unfinished)


def is_due(mailing: Mailing, *, now: datetime) -> bool:
    """Whether there is a message to be sent now."""
    due = Q(due_at__isnull=True) | Q(due_at__lte=now)
    return waiting_messages(mailing.organization_id, mailing.pk).filter(due).exists()


def needs_sender(mailing: Mailing, *, now: datetime) -> bool:
    """Whether something is to be done for a mailing and nobody seems to be at it.

    Somebody who is at it holds messages whose lease has not run out.
    """
    waiting = waiting_messages(mailing.organization_id, mailing.pk)
    if waiting.filter(status=MessageStatus.CLAIMED, due_at__gt=now).exists():
        return False
    return is_due(mailing, now=now) or not waiting.exists()


def neighbours(organization: Organization, caught: CaughtMessage) -> tuple[int | None, int | None]:
    """The next newer and the next older message in the mailbox."""
    mine = CaughtMessage.objects.filter(organization=organization).values_list("id", flat=True)
    newer = mine.filter(id__gt=caught.pk).order_by("id").first()
    older = mine.filter(id__lt=caught.pk).order_by("-id").first()
    return newer, older


def sending_rules(organization: Organization) -> SendingRules:
    """What the organization wants when sending goes wrong; the defaults where nobody said."""
    with tenant(organization.pk):
        found = SendingRules.objects.filter(organization=organization).first()
    return found or SendingRules(organization=organization)


# --- How far a mailing is ---------------------------------------------------------------------------------------------

# A mailing of so many copies is counted less often, so that looking at it never costs more than a part of this.
LARGE = 20_000
SHARE_OF_TIME = 0.05
# The pace is what it was lately.
PACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    """The copies of a mailing by what became of them, and how fast they leave."""

    sent: int = 0
    left: int = 0
    failed: int = 0
    unknown: int = 0
    # Not sent on purpose: unsubscribed, unreachable, cancelled, too many in a week.
    spared: int = 0
    rate_per_s: float | None = None
    seconds_left: float | None = None

    @property
    def gone_out(self) -> int:
        """What a mail server has, or may have."""
        return self.sent + self.unknown

    @property
    def total(self) -> int:
        return self.sent + self.left + self.failed + self.unknown + self.spared


_LEFT = (MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.SENDING)


def progress_of(organization: Organization, mailing: Mailing, *, now: datetime) -> Progress:
    """How far a mailing is: counted from an index, a large one at most for a small share of the time."""
    progress = progress_counts.one(organization.pk, mailing.pk)
    rate = _pace(mailing, progress.sent, now=now) if mailing.state == MailingState.SENDING else None
    left_for = progress.left / rate if rate else None
    return replace(progress, rate_per_s=rate, seconds_left=left_for)


def _count(organization_id: int, mailing_ids: Sequence[int]) -> dict[int, Progress]:
    # Neither the order nor the rows matter, so an index alone answers.
    rows = Message.objects.filter(organization=organization_id, mailing_id__in=mailing_ids).order_by()
    by_mailing: dict[int, dict[str, int]] = {mailing_id: {} for mailing_id in mailing_ids}
    for mailing_id, status, messages in rows.values_list("mailing_id", "status").annotate(n=Count("*")):
        by_mailing[mailing_id][status] = messages
    return {mailing_id: _progress(by_status) for mailing_id, by_status in by_mailing.items()}


def _progress(by_status: dict[str, int]) -> Progress:
    left = sum(by_status.pop(status, 0) for status in _LEFT)
    return Progress(
        sent=by_status.pop(MessageStatus.SENT, 0),
        left=left,
        failed=by_status.pop(MessageStatus.FAILED, 0),
        unknown=by_status.pop(MessageStatus.UNKNOWN, 0),
        spared=sum(by_status.values()),
    )


# While messages leave, nobody is shown how many had left minutes ago.
STALE_WHILE_SENDING_SECONDS = 15.0

progress_counts = SeldomCounts(
    "delivery.selectors.progress_counts",
    _count,
    kind=Progress,
    is_large=lambda organization_id, progress: progress.total >= LARGE,
    share_of_time=SHARE_OF_TIME,
    stale_for=lambda progress: STALE_WHILE_SENDING_SECONDS if progress.left else STALE_SECONDS,
)


def _pace(mailing: Mailing, sent: int, *, now: datetime) -> float | None:
    """Messages a second over the latest minute in which somebody looked; None before the second look."""
    key = f"pace:{mailing.pk}"
    moment = now.timestamp()
    kept = recall(key)
    seen = [one for one in kept if 0 <= moment - one[0] <= PACE_SECONDS] if isinstance(kept, list) else []
    if not seen or moment - seen[-1][0] >= 1.0:
        keep(key, [*seen, (moment, sent)], seconds=PACE_SECONDS)
    if not seen or moment - seen[0][0] < 1.0:
        return None
    return max(0.0, (sent - seen[0][1]) / (moment - seen[0][0]))
