"""Who did something by themselves lately, without a look at opens: a missing open says nothing (rules U4, U6)."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Organization
from campaigns.models import DeclaredReply, Participation
from consent.models import Choice, Subscription
from consent.rules import Source
from intake.models import Submission
from participants.models import Participant
from privacy.models import InactivityCheck, PersonRequest
from tracking.models import Actor, Hit, HitKind, TrackedMessage


def declared_since(organization: Organization, since: datetime) -> Q:
    """Declared activity: a click, a participation, an answer to an email or about tracking, a subscription, a reply to
    our question, a request. Never an open."""
    return reduce(or_, _signs_of_life(organization, since))


def _signs_of_life(organization: Organization, since: datetime) -> list[Q]:
    person = OuterRef("pk")
    own = Q(opens_source=Source.PERSON, opens_at__gte=since) | Q(clicks_source=Source.PERSON, clicks_at__gte=since)
    return [
        # What they did may have been removed since, as its own time was over.
        Q(active_on__gte=since.astimezone(ZoneInfo(organization.timezone)).date()),
        Q(Exists(Subscription.objects.filter(participant=person, subscribed_at__gte=since))),
        Q(Exists(Participation.objects.filter(participant=person, participated_at__gte=since))),
        # Taking part once more is an entry, and leaves the day of the first time as it is.
        Q(Exists(Submission.objects.filter(participant=person, submitted_at__gte=since))),
        Q(Exists(DeclaredReply.objects.filter(participant=person, answered_at__gte=since))),
        Q(Exists(InactivityCheck.objects.filter(participant=person, stayed_at__gte=since))),
        Q(Exists(PersonRequest.objects.filter(participant=person, created_at__gte=since))),
        Q(Exists(Choice.objects.filter(own, participant=person))),
        Q(Exists(_clicks(organization, since))),
    ]


def _clicks(organization: Organization, since: datetime) -> QuerySet[TrackedMessage]:
    """Copies of a person in which a human followed a link. What an exempt purpose recorded is not read (rule S6)."""
    clicks = Hit.objects.filter(
        organization_id=organization.pk,
        content_id=OuterRef("content_id"),
        tracked_message_id=OuterRef("pk"),
        kind=HitKind.CLICK,
        actor=Actor.HUMAN,
        received_at__gte=since,
    )
    return TrackedMessage.objects.filter(Exists(clicks), participant=OuterRef("pk"), exempt_purpose="")


def without_activity(organization: Organization, *, since: datetime) -> QuerySet[Participant]:
    """People who came before ``since`` and did nothing by themselves after it."""
    # One condition for each sign: each of their tables is read once, however many the people are.
    signs = _signs_of_life(organization, since)
    return Participant.objects.filter(*(~sign for sign in signs), organization=organization, created_at__lt=since)
