"""Double opt-in: what counts only once a link that was sent to an address has been opened, and confirmed there.

The link changes nothing by itself (rule H2): mail scanners open links too. Its page asks, and a button answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Organization
from common.keys import decode_key, encode_key
from common.tenancy import call_door, tenant
from consent.models import ConsentText, Subscription, Topic
from consent.rules import ChoiceValue, Kind, Source
from consent.services import confirm_subscription, record_choice, unsubscribe
from delivery.models import SuppressionReason
from delivery.services import lift_suppression, queue_service_message
from intake.models import Confirmation, Submission
from intake.services import save_participant
from participants.models import Participant
from websites.models import Website

EXPIRES_AFTER = timedelta(days=7)
REMIND_AFTER = timedelta(days=3)
# Nobody fills a mailbox by typing its address into forms again and again.
MOST_MAILS, MAIL_WINDOW = 3, timedelta(days=1)
KIND = "confirm_address"


@dataclass(frozen=True, slots=True)
class WaitingTopic:
    """A subscription, and the consent text beside its box."""

    topic: int
    text: int


@dataclass(slots=True)
class Waiting:
    """What waits for an address to be confirmed."""

    columns: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    # A yes, and the consent text that it answers: {"opens": 17}.
    choice: dict[str, int] = field(default_factory=dict)
    topics: list[WaitingTopic] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.columns or self.attributes or self.choice or self.topics)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Waiting:
        """What ``to_dict`` wrote."""
        topics = [WaitingTopic(**topic) for topic in stored.get("topics", [])]
        return cls(stored.get("columns", {}), stored.get("attributes", {}), stored.get("choice", {}), topics)


# --- Asking -----------------------------------------------------------------------------------------------------------


def ask_to_confirm(
    organization: Organization,
    website: Website,
    participant: Participant,
    *,
    submission: Submission | None,
    waiting: Waiting,
    language: str,
    now: datetime,
) -> Confirmation | None:
    """Send a person the link that makes what waits count. None when their address got enough such mails for a day."""
    with tenant(organization.pk):
        recent = Confirmation.objects.filter(
            organization=organization, participant=participant, asked_at__gt=now - MAIL_WINDOW
        )
        if recent.count() >= MOST_MAILS:
            return None
        confirmation = Confirmation.objects.create(
            organization=organization,
            website=website,
            participant=participant,
            submission=submission,
            language=language,
            waiting=waiting.to_dict(),
            asked_at=now,
            expires_at=now + EXPIRES_AFTER,
        )
        confirmation.refresh_from_db()
        _send(organization, confirmation, reminder=False, now=now)
    return confirmation


def _send(organization: Organization, confirmation: Confirmation, *, reminder: bool, now: datetime) -> None:
    with translation.override(confirmation.language):
        name = organization.legal_name or organization.name
        context = {
            "organization": name,
            "website": confirmation.website,
            "items": describe(organization, confirmation),
            "url": f"{settings.BASE_URL}/d/{encode_key(confirmation.key)}",
            "expires_at": confirmation.expires_at,
            "reminder": reminder,
        }
        subject = _("Please confirm: %(website)s") % {"website": confirmation.website.name}
        text = render_to_string("intake/confirmation.txt", context)
        html = render_to_string("intake/confirmation.html", context)
    queue_service_message(
        organization,
        confirmation.website,
        to=confirmation.participant.email,
        participant=confirmation.participant,
        kind=KIND,
        language=confirmation.language,
        subject=subject,
        text=text.strip(),
        html=html,
        expires_at=confirmation.expires_at,
        now=now,
    )


def describe(organization: Organization, confirmation: Confirmation) -> list[str]:
    """What a click would make count, in the language that is on: in the words that the person ticked."""
    waiting = Waiting.from_dict(confirmation.waiting)
    wanted = [*waiting.choice.values(), *(topic.text for topic in waiting.topics)]
    texts = dict(ConsentText.objects.filter(organization=organization, pk__in=wanted).values_list("pk", "text"))
    names = dict(
        Topic.objects.filter(organization=organization, pk__in=[topic.topic for topic in waiting.topics]).values_list(
            "pk", "name"
        )
    )
    items = [
        _("You subscribe to “%(topic)s”: %(wording)s")
        % {"topic": names[topic.topic], "wording": texts.get(topic.text, "")}
        for topic in waiting.topics
        if topic.topic in names
    ]
    items += [
        _("Your yes: %(wording)s") % {"wording": texts[text]}
        for text in dict.fromkeys(waiting.choice.values())
        if text in texts
    ]
    if waiting.columns or waiting.attributes:
        items.append(_("The details that were typed replace what is known of you."))
    return items


# --- Answering --------------------------------------------------------------------------------------------------------


def find_confirmation(key: str) -> tuple[int, int] | None:
    """(organization id, confirmation id) behind /d/<key>, None for a key that means nothing."""
    decoded = decode_key(key)
    rows = call_door("door_confirmation", [decoded]) if decoded is not None else []
    return (rows[0][0], rows[0][1]) if rows else None


def confirm(organization: Organization, confirmation: Confirmation, *, now: datetime) -> bool:
    """Make what waited count: the address belongs to whoever pressed the button. False when it is too late."""
    with tenant(organization.pk):
        current = (
            Confirmation.objects.select_for_update(of=("self",))
            .select_related("participant", "website__consent_scope")
            .get(organization=organization, pk=confirmation.pk)
        )
        if current.confirmed_at is not None:
            return True
        if current.expires_at <= now:
            return False
        waiting = Waiting.from_dict(current.waiting)
        _apply_details(organization, current.participant, waiting, now=now)
        _apply_choice(organization, current, waiting, now=now)
        _apply_topics(organization, current.participant, waiting, now=now)
        current.confirmed_at, current.waiting = now, {}
        current.save(update_fields=["confirmed_at", "waiting"])
    return True


def _apply_details(organization: Organization, participant: Participant, waiting: Waiting, *, now: datetime) -> None:
    changes: dict[str, Any] = dict(waiting.columns)
    if waiting.attributes:
        changes["attributes"] = {**participant.attributes, **waiting.attributes}
    if changes:
        save_participant(organization, participant, now=now, **changes)


def _apply_choice(organization: Organization, confirmation: Confirmation, waiting: Waiting, *, now: datetime) -> None:
    by_text: dict[int, list[str]] = {}
    for kind, text in waiting.choice.items():
        by_text.setdefault(text, []).append(kind)
    for text, kinds in by_text.items():
        record_choice(
            organization,
            confirmation.participant,
            opens=ChoiceValue.YES if Kind.OPENS in kinds else None,
            clicks=ChoiceValue.YES if Kind.CLICKS in kinds else None,
            scope=confirmation.website.consent_scope,
            source=Source.PERSON,
            method="form_confirmed",
            happened_at=now,
            now=now,
            consent_text=ConsentText.objects.filter(organization=organization, pk=text).first(),
            evidence={"entry": confirmation.submission_id, "address_confirmed": True},
        )


def _apply_topics(organization: Organization, participant: Participant, waiting: Waiting, *, now: datetime) -> None:
    for topic in waiting.topics:
        subscription = Subscription.objects.filter(
            organization=organization, participant=participant, topic=topic.topic
        ).first()
        if subscription is not None:
            confirm_subscription(organization, subscription, now=now)
    if waiting.topics:
        # Only an address that ended its mail itself gets it again so; a complaint or a dead mailbox stays what it is.
        lift_suppression(organization, participant.email_norm, reason=SuppressionReason.UNSUBSCRIBED, now=now)


# --- Time -------------------------------------------------------------------------------------------------------------


def look_after_confirmations(organization: Organization, *, now: datetime) -> tuple[int, int]:
    """Remind once of what waits, and end what nobody confirmed. Says how many of each."""
    with tenant(organization.pk):
        open_ones = Confirmation.objects.select_related("participant", "website").filter(
            ~Q(waiting={}), organization=organization, confirmed_at__isnull=True
        )
        ended = 0
        for confirmation in open_ones.filter(expires_at__lte=now).select_for_update(of=("self",), skip_locked=True):
            _end(organization, confirmation, now=now)
            ended += 1
        reminded = 0
        due = open_ones.filter(reminded_at__isnull=True, asked_at__lte=now - REMIND_AFTER, expires_at__gt=now)
        for confirmation in due.select_for_update(of=("self",), skip_locked=True):
            # Whoever said no is not asked again for a yes (rule C4): only a subscription is worth a reminder.
            if Waiting.from_dict(confirmation.waiting).topics:
                _send(organization, confirmation, reminder=True, now=now)
                reminded += 1
            confirmation.reminded_at = now
            confirmation.save(update_fields=["reminded_at"])
    return reminded, ended


def _end(organization: Organization, confirmation: Confirmation, *, now: datetime) -> None:
    """Nobody confirmed: a subscription that waits for nothing else ends, and what was typed is forgotten."""
    for waiting in Waiting.from_dict(confirmation.waiting).topics:
        pending = Subscription.objects.select_related("topic").filter(
            organization=organization,
            participant=confirmation.participant,
            topic=waiting.topic,
            pending_since__lte=confirmation.asked_at,
        )
        for subscription in pending:
            unsubscribe(organization, confirmation.participant, subscription.topic, now=now, source="never confirmed")
    confirmation.waiting = {}
    confirmation.save(update_fields=["waiting"])
