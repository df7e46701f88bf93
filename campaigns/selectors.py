"""Reads of campaigns: who an email is for, and what became of its launches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.models import Organization
from campaigns.asking import people_to_ask
from campaigns.models import (
    Campaign,
    Email,
    EmailKind,
    Exemption,
    ExemptionState,
    Launch,
    Participation,
    Segment,
    TrialGroup,
)
from campaigns.questions import questions_of, with_questions
from campaigns.rules import content_digest
from campaigns.segments import EVERYBODY, Narrowing, narrow
from consent.models import Subscription
from consent.selectors import active_subscriptions
from delivery.models import MailingState, Message, MessageStatus, Purpose, Suppression
from delivery.rules import blocking_reasons, needs_subscription
from participants.models import Participant

# A launch in one of these still has something to send.
UNFINISHED = (MailingState.SCHEDULED, MailingState.SENDING, MailingState.PAUSED)
# A mail server has, or may have, these.
GONE_OUT = (MessageStatus.SENT, MessageStatus.UNKNOWN)
# A copy in one of these never reached, and never will reach, a mail server.
NOT_GONE_OUT = (
    MessageStatus.FAILED,
    MessageStatus.SUPPRESSED,
    MessageStatus.CANCELLED,
    MessageStatus.CAPPED,
    MessageStatus.SLOWED,
)


# Those that the rule table may mark exempt (rule S6).
EXEMPT_PURPOSES = frozenset({Purpose.AUTHENTICATION, Purpose.LEGAL_NOTICE})


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


def get_segment(organization: Organization, segment_id: int) -> Segment | None:
    """The one lookup door of segments."""
    return Segment.objects.filter(organization=organization, pk=segment_id).first()


def get_test_group(organization: Organization, group_id: int) -> TrialGroup | None:
    """The one lookup door of test groups."""
    return TrialGroup.objects.filter(organization=organization, pk=group_id).first()


def launches_of(organization: Organization, email: Email) -> QuerySet[Launch]:
    """Every time that an email was sent or is to be sent, latest first."""
    return Launch.objects.filter(organization=organization, email=email).select_related("mailing", "launched_by")


def digest_of(email: Email) -> str:
    """What somebody sees of an email now, in one word."""
    questions = questions_of(email)
    return content_digest(
        purpose=email.purpose,
        subject=email.subject,
        preheader=email.preheader,
        body_format=email.body_format,
        body=with_questions(email.body, questions),
        text=with_questions(email.text, questions, html=False),
    )


def exemption_of(organization: Organization, email: Email) -> Exemption | None:
    """What counts, or waits, about the exempt purpose of an email as it is; None when nothing does (rule S6)."""
    return (
        Exemption.objects.filter(organization=organization, email=email, dropped_at=None, digest=digest_of(email))
        .select_related("email", "proposed_by", "decided_by")
        .order_by("-pk")
        .first()
    )


def is_exempt_approved(organization: Organization, email: Email) -> bool:
    """Whether two people said that this email, as it is, serves its exempt purpose and nothing else (rule S6)."""
    if email.purpose not in EXEMPT_PURPOSES or email.pk is None:
        return False
    found = exemption_of(organization, email)
    return found is not None and found.state == ExemptionState.APPROVED


def unfinished_launches(organization: Organization, emails: Iterable[Email]) -> QuerySet[Launch]:
    """Launches that still have something to send."""
    return Launch.objects.filter(organization=organization, email__in=list(emails), mailing__state__in=UNFINISHED)


# --- Who an email is for ----------------------------------------------------------------------------------------------


def audience_of(
    organization: Organization, email: Email, *, now: datetime | None = None, narrowing: Narrowing = EVERYBODY
) -> QuerySet[Participant]:
    """The people that an email goes to if it is sent now, which matters where a request for consent was sent before.

    Marketing goes to subscriptions of its topic only. What is not marketing answers people who took part, and so do
    exit-screen emails and reminders: a marketing reminder needs both. An exit-screen email goes out once to each entry.
    ``narrowing`` leaves out some of these, and adds nobody.
    """
    now = now or timezone.now()
    if email.kind == EmailKind.CONSENT_REQUEST:
        return people_to_ask(organization, email, now=now, narrowing=narrowing)
    people = Participant.objects.filter(organization=organization)
    needs_one = needs_subscription(email.purpose)
    if needs_one:
        people = people.filter(Exists(_subscriptions(organization, email)))
    if not needs_one or email.kind != EmailKind.NEWSLETTER:
        people = people.filter(Exists(_participations(email)))
    if email.kind == EmailKind.EXIT_SCREEN:
        people = people.exclude(Exists(_copies_gone_out(email)))
    return narrow(organization, people, narrowing, now=now).exclude(Exists(_suppressions(organization, email)))


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


def has_audience(organization: Organization, email: Email, *, now: datetime, narrowing: Narrowing = EVERYBODY) -> bool:
    """Whether anybody would get it now."""
    with many_people():
        return audience_of(organization, email, now=now, narrowing=narrowing).exists()


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


# --- Whom to try it with ----------------------------------------------------------------------------------------------


# Among so many of the first people a few of nearly every audience are found, and nobody looks at a million for them.
FIRST_PEOPLE = 2_000


def people_to_preview(organization: Organization, email: Email, *, limit: int = 20) -> list[Participant]:
    """A few people to try an email with: the first of its audience, else of the organization."""
    everybody = Participant.objects.filter(organization=organization).order_by("pk")
    audience = audience_of(organization, email).order_by("pk")
    found = list(audience.filter(pk__in=everybody.values("pk")[:FIRST_PEOPLE])[:limit])
    if len(found) < limit:
        with many_people():
            found = list(audience[:limit])
    return found or list(everybody[:limit])
