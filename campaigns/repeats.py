"""Emails that are sent again: to whom, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.models import Email, EmailKind, Launch, Participation, Repeat, StopWhen
from campaigns.schedules import due_at_home
from campaigns.selectors import UNFINISHED
from campaigns.zones import read_local, round_at
from delivery.models import Message, MessageStatus
from delivery.rules import needs_subscription
from delivery.services import cancel_mailing
from participants.models import Participant

MOST_EVERY_DAYS, MOST_TIMES, LONGEST = 365, 50, timedelta(days=2 * 366)
# Nothing was tried in these: the person is not bothered by what was never written to them.
_NOT_TRIED = (MessageStatus.SUPPRESSED, MessageStatus.CANCELLED, MessageStatus.CAPPED, MessageStatus.SLOWED)
# A copy in one of these reached, or may yet reach, the person.
_GOT = (
    MessageStatus.QUEUED,
    MessageStatus.CLAIMED,
    MessageStatus.SENDING,
    MessageStatus.SENT,
    MessageStatus.UNKNOWN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatPlan:
    """How often an email is sent again, to whom, and until when."""

    every_days: int
    until: date
    to_those: StopWhen
    most_times: int


def problems_of_repeat(email: Email, plan: RepeatPlan | None, *, starts_on: date) -> list[str]:
    """Why an email cannot be repeated so."""
    if plan is None:
        return []
    problems = []
    if email.kind in (EmailKind.EXIT_SCREEN, EmailKind.CONSENT_REQUEST):
        problems.append(_("Only newsletters and reminders can be repeated."))
    if not 1 <= plan.every_days <= MOST_EVERY_DAYS or not 1 <= plan.most_times <= MOST_TIMES:
        problems.append(_("Choose how often it is repeated."))
    if plan.until <= starts_on or plan.until - starts_on > LONGEST:
        problems.append(_("The last day of the repetition lies after the first one and within two years."))
    if plan.to_those == StopWhen.TOOK_PART and not _is_for_others(email):
        problems.append(
            _(
                "This email goes to people who took part, so it cannot be repeated to those who have not."
                " Choose those who have not got it."
            )
        )
    return problems


def _is_for_others(email: Email) -> bool:
    """Whether an email goes to people who may not have taken part."""
    return needs_subscription(email.purpose) and email.kind == EmailKind.NEWSLETTER


def people_still_meant(
    organization: Organization, people: QuerySet[Participant], repeat: Repeat, email: Email
) -> QuerySet[Participant]:
    """Of an audience, those whom the next round still concerns."""
    copies = Message.objects.filter(
        organization=organization, mailing__launch__repeat=repeat, participant=OuterRef("pk")
    )
    if repeat.to_those == StopWhen.TOOK_PART:
        people = people.exclude(
            Exists(Participation.objects.filter(participant=OuterRef("pk"), campaign=email.campaign_id))
        )
    else:
        people = people.exclude(Exists(copies.filter(status__in=_GOT)))
    enough = (
        Message.objects.filter(organization=organization, mailing__launch__repeat=repeat, participant__isnull=False)
        .exclude(status__in=_NOT_TRIED)
        .order_by()
        .values("participant")
        .annotate(times=Count("pk"))
        .filter(times__gte=repeat.most_times, participant=OuterRef("pk"))
    )
    return people.exclude(Exists(enough))


def next_round(
    organization: Organization, repeat: Repeat, email: Email, *, after: int, now: datetime
) -> tuple[int, datetime] | None:
    """The number and the local time of the round that comes next, leaving out those whose time has passed."""
    first, number = read_local(repeat.first_at), after + 1
    closes_at = email.campaign.closes_at
    while True:
        local = round_at(first, repeat.every_days, number)
        at = due_at_home(organization, local)
        if local.date() > repeat.until or (closes_at is not None and at >= closes_at):
            return None
        if at > now:
            return number, local
        number += 1


def end_repeat(organization: Organization, repeat: Repeat, *, now: datetime) -> int:
    """Send no further round. What has begun goes on; returns how many planned rounds are spared."""
    if repeat.ended_at is None:
        Repeat.objects.filter(organization=organization, pk=repeat.pk).update(ended_at=now)
    planned = Launch.objects.filter(
        organization=organization, repeat=repeat, mailing__expanded_at__isnull=True, mailing__state__in=UNFINISHED
    ).select_related("mailing")
    for launch in planned:
        cancel_mailing(organization, launch.mailing, now=now)
    return len(planned)
