"""What a person chooses on their preference page: measuring, totals, topics. One register never moves another (C1)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import translation

from accounts.models import Organization
from common.tenancy import tenant
from consent.ledger import keep_text
from consent.models import Basis, ConsentText, Subscription, Topic
from consent.rules import ChoiceValue, Source, Verdict
from consent.services import pause_subscription, record_choice, resume_subscription, subscribe, unsubscribe
from consent.services.subscriptions import asks_for_topic
from delivery.models import SuppressionReason
from delivery.services import lift_suppression, suppress
from participants.models import Participant
from privacy import words
from privacy.selectors import ScopeView
from privacy.services.receipts import note_change

# Where the texts stand that people read here, and how an answer came.
PLACE = "preference_page"


def tracking_question(participant: Participant, view: ScopeView, language: str) -> str:
    """The question of the page, as the person reads it and as the history keeps it."""
    with translation.override(language):
        return words.tracking_question(_legal_name(participant.organization), view.websites)


def totals_explained(view: ScopeView, language: str) -> str:
    """What the page says of anonymous totals, and the history keeps of an objection."""
    with translation.override(language):
        return words.totals_explained(view.counting or view.websites)


def save_tracking_choice(
    organization: Organization,
    participant: Participant,
    view: ScopeView,
    *,
    opens: ChoiceValue | None,
    clicks: ChoiceValue | None,
    everywhere: bool,
    language: str,
    now: datetime,
) -> None:
    """Record what a person chose about opens and clicks, with the words that they saw.

    ``everywhere`` widens a no to all scopes; a yes stays with the websites that its wording names (rule C8).
    """
    with tenant(organization.pk):
        # The history takes every act, also the same answer again; a receipt is for what is new.
        is_new = everywhere or (opens not in (None, view.opens)) or (clicks not in (None, view.clicks))
        verdicts = record_choice(
            organization,
            participant,
            opens=opens,
            clicks=clicks,
            scope=view.scope,
            everywhere=everywhere,
            source=Source.PERSON,
            method=PLACE,
            happened_at=now,
            now=now,
            consent_text=_text(
                organization, tracking_question(participant, view, language), ["opens", "clicks"], language, now=now
            ),
        )
        if is_new and Verdict.APPLIED in verdicts.values():
            note_change(organization, participant, language=language, now=now)


def save_objection(
    organization: Organization,
    participant: Participant,
    view: ScopeView,
    *,
    objects: bool,
    everywhere: bool,
    language: str,
    now: datetime,
) -> None:
    """Take a person out of the anonymous totals of what is sent from now on, or back in (rule S4)."""
    with tenant(organization.pk):
        record_choice(
            organization,
            participant,
            opens=None,
            clicks=None,
            anonymous=ChoiceValue.NO if objects else ChoiceValue.YES,
            scope=view.scope,
            everywhere=everywhere and objects,
            source=Source.PERSON,
            method=PLACE,
            happened_at=now,
            now=now,
            consent_text=_text(organization, totals_explained(view, language), ["anonymous"], language, now=now),
        )
        if objects != (view.objected_at is not None):
            note_change(organization, participant, language=language, now=now)


def _text(organization: Organization, text: str, asks_for: list[str], language: str, *, now: datetime) -> ConsentText:
    """The words that a person saw, as a version that nobody can change. Nobody wrote them but we."""
    return keep_text(
        organization,
        website=None,
        language=language,
        place=PLACE,
        text=text,
        asks_for=asks_for,
        author=None,
        now=now,
        latest_only=False,
    )


# --- Topics --------------------------------------------------------------------------------------------------------


@transaction.atomic
def subscribe_to_topic(
    organization: Organization, participant: Participant, topic: Topic, *, language: str, source: str, now: datetime
) -> None:
    """The person asks for a topic. Whoever had left everything comes back for this topic alone."""
    lift_suppression(organization, participant.email_norm, reason=SuppressionReason.UNSUBSCRIBED, now=now)
    with translation.override(language):
        wording = words.topic_request(topic.name, topic.website.name)
    text = _text(organization, wording, [asks_for_topic(topic)], language, now=now)
    subscribe(organization, participant, topic, basis=Basis.OPT_IN, source=source, consent_text=text, now=now)


def unsubscribe_from_topic(
    organization: Organization, participant: Participant, topic: Topic, *, source: str, now: datetime
) -> None:
    """End a topic. What may be measured stays as it is."""
    unsubscribe(organization, participant, topic, source=source, now=now)


def pause_topic(
    organization: Organization, participant: Participant, topic: Topic, *, days: int, source: str, now: datetime
) -> datetime:
    """Nothing of the topic for a while; the subscription stands. Returns until when."""
    until = now + timedelta(days=days)
    pause_subscription(organization, participant, topic, until=until, source=source, now=now)
    return until


def resume_topic(
    organization: Organization, participant: Participant, topic: Topic, *, source: str, now: datetime
) -> None:
    resume_subscription(organization, participant, topic, source=source, now=now)


@transaction.atomic
def leave_everything(organization: Organization, participant: Participant, *, source: str, now: datetime) -> None:
    """End all subscriptions, and keep marketing mail from the address whatever is imported later.

    The subscriptions end one by one, so that coming back for one topic does not bring back the others.
    """
    for topic in running_topics(organization, participant):
        unsubscribe(organization, participant, topic, source=source, now=now)
    suppress(organization, participant.email_norm, reason=SuppressionReason.UNSUBSCRIBED, source=source, now=now)


def running_topics(organization: Organization, participant: Participant) -> list[Topic]:
    rows = Subscription.objects.filter(
        organization=organization, participant=participant, unsubscribed_at__isnull=True
    ).select_related("topic__website")
    return [row.topic for row in rows]


def _legal_name(organization: Organization) -> str:
    return organization.legal_name or organization.name
