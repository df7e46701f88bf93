"""Reads of campaigns: who an email is for, and what it would measure if it were sent now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Count, Exists, F, FilteredRelation, Min, OuterRef, Q, QuerySet

from accounts.models import Organization
from campaigns.models import Campaign, Email, EmailKind, Launch, Participation
from consent.models import Subscription
from consent.reasons import REASONS
from consent.rules import Kind, Level, Reason
from consent.selectors import Decided, active_subscriptions, decisions_for
from delivery.models import MailingState, Message, MessageStatus, Suppression
from delivery.rules import blocking_reasons, needs_subscription
from participants.models import Participant

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# A launch in one of these still has something to send.
UNFINISHED = (MailingState.SCHEDULED, MailingState.SENDING, MailingState.PAUSED)
# A mail server has, or may have, these.
GONE_OUT = (MessageStatus.SENT, MessageStatus.UNKNOWN)
# A copy in one of these never reached, and never will reach, a mail server.
NOT_GONE_OUT = (MessageStatus.FAILED, MessageStatus.SUPPRESSED, MessageStatus.CANCELLED)


def get_campaign(organization: Organization, campaign_id: int) -> Campaign | None:
    """The one lookup door of campaign pages."""
    return (
        Campaign.objects.filter(organization=organization, pk=campaign_id)
        .select_related("organization", "website")
        .first()
    )


def get_email(organization: Organization, email_id: int) -> Email | None:
    """The one lookup door of email pages."""
    return (
        Email.objects.filter(organization=organization, pk=email_id)
        .select_related("organization", "campaign__website", "topic")
        .first()
    )


def get_launch(organization: Organization, launch_id: int) -> Launch | None:
    """The one lookup door of launches."""
    return (
        Launch.objects.filter(organization=organization, pk=launch_id)
        .select_related("organization", "mailing", "email__campaign__website")
        .first()
    )


def launches_of(organization: Organization, email: Email) -> QuerySet[Launch]:
    """Every time that an email was sent or is to be sent, latest first."""
    return Launch.objects.filter(organization=organization, email=email).select_related("mailing", "launched_by")


def unfinished_launches(organization: Organization, emails: Iterable[Email]) -> QuerySet[Launch]:
    """Launches that still have something to send."""
    return Launch.objects.filter(organization=organization, email__in=list(emails), mailing__state__in=UNFINISHED)


# --- Who an email is for ----------------------------------------------------------------------------------------------


def audience_of(organization: Organization, email: Email) -> QuerySet[Participant]:
    """The people that an email goes to if it is sent now.

    Marketing goes to subscriptions of its topic only. What is not marketing answers people who took part, and so do
    exit-screen emails and reminders: a marketing reminder needs both. An exit-screen email goes out once to each entry.
    """
    people = Participant.objects.filter(organization=organization)
    needs_one = needs_subscription(email.purpose)
    if needs_one:
        people = people.filter(Exists(_subscriptions(organization, email)))
    if not needs_one or email.kind != EmailKind.NEWSLETTER:
        people = people.filter(Exists(_participations(email)))
    if email.kind == EmailKind.EXIT_SCREEN:
        people = people.exclude(Exists(_copies_gone_out(email)))
    return people.exclude(Exists(_suppressions(organization, email)))


@contextmanager
def many_people() -> Iterator[None]:
    """For queries about whole audiences: read each table once and hash it, whatever the planner believes.

    Right after an import it believes that the tables are empty, and would read them once for each person. Reading a
    large table for a small audience costs less than a second; the other mistake costs hours.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        yield
        cursor.execute("SET LOCAL enable_nestloop = on")


def has_audience(organization: Organization, email: Email) -> bool:
    """Whether anybody would get it now."""
    with many_people():
        return audience_of(organization, email).exists()


def _subscriptions(organization: Organization, email: Email) -> QuerySet[Subscription]:
    return active_subscriptions(organization).filter(participant=OuterRef("pk"), topic=email.topic_id)


def _participations(email: Email) -> QuerySet[Participation]:
    return Participation.objects.filter(participant=OuterRef("pk"), campaign=email.campaign_id)


def _copies_gone_out(email: Email) -> QuerySet[Message]:
    return Message.objects.filter(participant=OuterRef("pk"), mailing__launch__email=email).exclude(
        status__in=NOT_GONE_OUT
    )


def _suppressions(organization: Organization, email: Email) -> QuerySet[Suppression]:
    return Suppression.objects.filter(
        organization=organization, email_norm=OuterRef("email_norm"), reason__in=blocking_reasons(email.purpose)
    )


# --- What it would measure --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KindForecast:
    """Opens or clicks: how many people can be measured individually, and why the others cannot."""

    total: int
    measured: int
    measured_reasons: list[tuple[_StrPromise, int]]
    not_measured_reasons: list[tuple[_StrPromise, int]]

    @property
    def not_measured(self) -> int:
        return self.total - self.measured


# Opens and clicks of each class of copies, in the order in which they are compared.
COPIES = (
    (Level.INDIVIDUAL, Level.INDIVIDUAL),
    (Level.NONE, Level.NONE),
    (Level.INDIVIDUAL, Level.NONE),
    (Level.NONE, Level.INDIVIDUAL),
)


@dataclass(frozen=True, slots=True)
class CopyClass:
    """People whose copies carry the same: a pixel or none, tracked links or plain ones."""

    opens: Level
    clicks: Level
    people: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an email measures if it is sent now."""

    total: int
    opens: KindForecast
    clicks: KindForecast
    # The most measured copy, the one that is not measured (always there), then what lies between.
    classes: list[CopyClass]


def forecast(organization: Organization, email: Email, *, now: datetime) -> Forecast:
    """Of the audience: how many can be measured, how many not, and why.

    Within a website the decision depends on the country and the two answers only, so one person of each group is asked
    about. That keeps the page quick for a million people; a test compares it with asking about everybody.
    """
    website = email.campaign.website
    with many_people():
        groups = list(
            audience_of(organization, email)
            .annotate(chosen=FilteredRelation("choices", condition=Q(choices__scope=website.consent_scope_id)))
            .values("country", opens=F("chosen__opens"), clicks=F("chosen__clicks"))
            .annotate(people=Count("pk"), example=Min("pk"))
            .order_by()
        )
    decided = decisions_for(
        organization,
        website,
        [group["example"] for group in groups],
        purpose=email.purpose,
        now=now,
    )
    counted = [(decided[group["example"]], group["people"]) for group in groups]
    return Forecast(
        total=sum(people for _decided, people in counted),
        opens=_kind_forecast(counted, Kind.OPENS),
        clicks=_kind_forecast(counted, Kind.CLICKS),
        classes=_classes(counted),
    )


def _kind_forecast(counted: Sequence[tuple[Decided, int]], kind: Kind) -> KindForecast:
    measured: Counter[Reason] = Counter()
    not_measured: Counter[Reason] = Counter()
    for one, people in counted:
        level, reason = level_and_reason(one, kind)
        (measured if level is Level.INDIVIDUAL else not_measured)[reason] += people
    return KindForecast(
        total=measured.total() + not_measured.total(),
        measured=measured.total(),
        measured_reasons=[(REASONS[reason], people) for reason, people in measured.most_common()],
        not_measured_reasons=[(REASONS[reason], people) for reason, people in not_measured.most_common()],
    )


def level_and_reason(decided: Decided, kind: Kind) -> tuple[Level, Reason]:
    """One half of a decision."""
    decision = decided.decision
    if kind is Kind.OPENS:
        return decision.opens, decision.opens_reason
    return decision.clicks, decision.clicks_reason


def _classes(counted: Sequence[tuple[Decided, int]]) -> list[CopyClass]:
    people: Counter[tuple[Level, Level]] = Counter({(Level.NONE, Level.NONE): 0})
    for one, number in counted:
        people[one.decision.opens, one.decision.clicks] += number
    order = {levels: place for place, levels in enumerate(COPIES)}
    return [CopyClass(*levels, people[levels]) for levels in sorted(people, key=order.__getitem__)]


def people_to_preview(organization: Organization, email: Email, *, limit: int = 20) -> list[Participant]:
    """A few people to try an email with: of its audience, else of the organization."""
    with many_people():
        found = list(audience_of(organization, email).order_by("pk")[:limit])
    return found or list(Participant.objects.filter(organization=organization).order_by("pk")[:limit])


# --- How far a launch is ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """Of the copies of a launch, how many have left."""

    sent: int = 0
    total: int = 0


def progress_of(organization: Organization, mailing_ids: Iterable[int]) -> dict[int, Progress]:
    """How far several mailings are, in one query."""
    rows = (
        Message.objects.filter(organization=organization, mailing__in=list(mailing_ids))
        .order_by()
        .values_list("mailing")
        .annotate(sent=Count("pk", filter=Q(status__in=GONE_OUT)), total=Count("pk"))
    )
    return {mailing_id: Progress(sent, total) for mailing_id, sent, total in rows}
