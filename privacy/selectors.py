"""From the key in an address to the one thing that it opens (rule H3), and what a person's pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform

from accounts.models import Organization
from common.crypto import keyed_hash
from common.keys import decode_key
from common.tenancy import call_door
from consent.models import Choice, ChoiceEvent, Subscription, Topic
from delivery.models import Message, MessageStatus, Suppression, SuppressionReason
from delivery.templating import TemplateError, parse, render
from participants.models import Participant
from privacy import words
from privacy.models import FreshLink, InactivityCheck
from tracking.forgetting import hit_keeping
from tracking.models import (
    Actor,
    Hit,
    HitKind,
    HitsForgotten,
    LastOpenDay,
    PastHits,
    TrackedMessage,
)
from websites.models import ClicksFallback, ConsentScope, OpensFallback, Website

# --- Keys ----------------------------------------------------------------------------------------------------------


def _through(door: str, key: str) -> tuple[int, ...] | None:
    decoded = decode_key(key)
    if decoded is None:
        return None
    rows = call_door(door, [decoded])
    return rows[0] if rows else None


def person_of_preference_key(key: str) -> tuple[int, int, int] | None:
    """(organization, participant, consent scope) behind /p/<key>, None for a key that means nothing."""
    found = _through("door_preference_key", key)
    return (found[0], found[1], found[2]) if found else None


def message_of_unsubscribe_key(key: str) -> tuple[int, int] | None:
    """(organization, message) behind /u/<key>, None for a key that means nothing."""
    found = _through("door_unsubscribe_key", key)
    return (found[0], found[1]) if found else None


def inactivity_check_of_key(key: str) -> tuple[int, int] | None:
    """(organization, check) behind /s/<key>, None for a key that means nothing."""
    found = _through("door_inactivity_check", key)
    return (found[0], found[1]) if found else None


def load_inactivity_check(organization_id: int, check_id: int) -> InactivityCheck | None:
    rows = InactivityCheck.objects.select_related("organization", "participant", "rule__website")
    return rows.filter(organization=organization_id, pk=check_id).first()


def hash_of_key(key: str) -> str:
    """How the key of a fresh link is kept. It has 128 random bits, so nothing slow is needed."""
    return keyed_hash("fresh link", key)


def fresh_link_of_key(key: str) -> tuple[int, int] | None:
    """(organization, link) behind /me/<key>, None for a key that means nothing."""
    if decode_key(key) is None:
        return None
    rows = call_door("door_fresh_link", [hash_of_key(key)])
    return (rows[0][0], rows[0][1]) if rows else None


def load_fresh_link(organization_id: int, link_id: int) -> FreshLink | None:
    """None once the person was erased: keys are looked up before, and anything may happen in between."""
    rows = FreshLink.objects.select_related("organization", "participant__organization")
    return rows.filter(organization=organization_id, pk=link_id).first()


def load_message(organization_id: int, message_id: int) -> Message | None:
    rows = Message.objects.select_related("organization", "participant", "mailing__topic__website")
    return rows.filter(organization=organization_id, pk=message_id).first()


def load_person(organization_id: int, participant_id: int, scope_id: int) -> tuple[Participant, ConsentScope] | None:
    people = Participant.objects.select_related("organization")
    person = people.filter(organization=organization_id, pk=participant_id).first()
    scope = ConsentScope.objects.filter(organization=organization_id, pk=scope_id).first()
    return (person, scope) if person is not None and scope is not None else None


def mask_email(email: str) -> str:
    """``a…@e….org``: enough for its owner to know it again, too little for anybody else."""
    local, _at, domain = email.rpartition("@")
    name, _dot, ending = domain.rpartition(".")
    return f"{local[:1]}…@{name[:1]}….{ending}"


# --- The preference page -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScopeView:
    """What a person's answer in one consent scope covers, and how it stands."""

    scope: ConsentScope
    websites: Sequence[str]
    # Those that count everybody together (rule S9).
    counting: Sequence[str]
    # Whether the organization has others, which "everywhere" covers too (rule C8).
    others: bool
    choice: Choice | None

    @property
    def opens(self) -> str:
        return str(self.choice.opens) if self.choice else "unknown"

    @property
    def clicks(self) -> str:
        return str(self.choice.clicks) if self.choice else "unknown"

    @property
    def objected_at(self) -> datetime | None:
        return self.choice.anonymous_objected_at if self.choice else None


def scope_view(organization: Organization, participant: Participant, scope: ConsentScope) -> ScopeView:
    """One scope as the person's page shows it."""
    websites = list(Website.objects.filter(organization=organization, consent_scope=scope).order_by("name"))
    counting = [
        website.name
        for website in websites
        if website.opens_fallback == OpensFallback.ANONYMOUS or website.clicks_fallback == ClicksFallback.ANONYMOUS
    ]
    return ScopeView(
        scope=scope,
        websites=[website.name for website in websites],
        counting=counting,
        others=ConsentScope.objects.filter(organization=organization).exclude(pk=scope.pk).exists(),
        choice=Choice.objects.filter(organization=organization, participant=participant, scope=scope).first(),
    )


def all_scope_views(organization: Organization, participant: Participant) -> list[ScopeView]:
    """Every scope in which the person answered, and the default one."""
    answered = Choice.objects.filter(organization=organization, participant=participant).values("scope")
    scopes = ConsentScope.objects.filter(Q(is_default=True) | Q(pk__in=answered), organization=organization)
    return [scope_view(organization, participant, scope) for scope in scopes]


@dataclass(frozen=True, slots=True)
class TopicView:
    """A topic, and whether the person gets its mail."""

    topic: Topic
    # "on", "paused", "off"
    state: str
    subscribed_at: datetime | None
    paused_until: datetime | None
    basis: str
    source: str


def topics_of(
    organization: Organization, participant: Participant, scope: ConsentScope, *, now: datetime
) -> list[TopicView]:
    """What the person gets, and what else the websites of the scope offer."""
    subscriptions = {
        row.topic_id: row for row in Subscription.objects.filter(organization=organization, participant=participant)
    }
    topics = (
        Topic.objects.filter(organization=organization)
        .filter(Q(website__consent_scope=scope) | Q(pk__in=list(subscriptions)))
        .select_related("website")
        .order_by("website__name", "name")
    )
    suppressed = is_unsubscribed_from_everything(organization, participant)
    return [_topic_view(topic, subscriptions.get(topic.pk), suppressed=suppressed, now=now) for topic in topics]


def _topic_view(topic: Topic, row: Subscription | None, *, suppressed: bool, now: datetime) -> TopicView:
    # What waits for its confirmation is not sent either; asking for it here is one.
    if row is None or suppressed or row.unsubscribed_at is not None or row.pending_since is not None:
        return TopicView(topic, "off", None, None, "", "")
    paused_until = row.paused_until if row.paused_until is not None and row.paused_until > now else None
    state = "paused" if paused_until else "on"
    return TopicView(topic, state, row.subscribed_at, paused_until, row.basis, row.source)


def is_unsubscribed_from_everything(organization: Organization, participant: Participant) -> bool:
    return Suppression.objects.filter(
        organization=organization, email_norm=participant.email_norm, reason=SuppressionReason.UNSUBSCRIBED
    ).exists()


def sending_website(organization: Organization, participant: Participant) -> Website | None:
    """Whose sender a mail about a person's own data comes from: the one that they know from their latest mail."""
    latest = (
        Message.objects.filter(organization=organization, participant=participant, status=MessageStatus.SENT)
        .order_by("-id")
        .values_list("mailing__website", flat=True)
        .first()
    )
    websites = Website.objects.filter(organization=organization).exclude(sender_email="")
    known = websites.filter(pk=latest).first() if latest is not None else None
    return known or websites.order_by("-consent_scope__is_default", "pk").first()


def reasons_for_mail(organization: Organization, topics: Sequence[TopicView]) -> list[tuple[TopicView, str]]:
    """Why the person gets mail: each topic with the ground that it is sent on."""
    name = organization.legal_name or organization.name
    return [(row, words.basis(row.basis, name)) for row in topics if row.state != "off"]


# --- The mirror: what was sent to a person, and what is recorded of it ---------------------------------------------

SHOWN = 200


@dataclass(frozen=True, slots=True)
class RecordedHit:
    """One recorded open or click, as its person may see it."""

    at: datetime
    # Where a click went; empty for an open.
    destination: str
    # "human", "machine" or "unsure"
    actor: str


@dataclass(frozen=True, slots=True)
class SentCopy:
    """One email to the person, what was decided for it, why, and what was recorded."""

    subject: str
    website: str
    sent_at: datetime
    opens: str
    opens_reason: str
    clicks: str
    clicks_reason: str
    recorded: Sequence[RecordedHit]


def mirror_of(organization: Organization, participant: Participant) -> list[SentCopy]:
    """The latest emails that a person got, newest first, in the language that is active."""
    messages = (
        Message.objects.filter(organization=organization, participant=participant, sent_at__isnull=False)
        .annotate(frozen_subject=KeyTextTransform("subject", "mailing__snapshot__compiled"))
        .select_related("mailing__website")
        .order_by("-sent_at", "-id")[:SHOWN]
    )
    hits = _hits_of(organization, participant)
    return [
        SentCopy(
            subject=_filled(message.frozen_subject, participant),
            website=message.mailing.website.name,
            sent_at=message.sent_at or message.queued_at,
            opens=words.level(message.opens),
            opens_reason=words.decision_reason(message.opens_reason),
            clicks=words.level(message.clicks),
            clicks_reason=words.decision_reason(message.clicks_reason),
            recorded=hits.get(message.tracked_message_id or 0, []),
        )
        for message in messages
    ]


def _hits_of(organization: Organization, participant: Participant) -> dict[int, list[RecordedHit]]:
    """What is recorded of each sent copy, oldest first."""
    tracked = {
        row.pk: row
        for row in TrackedMessage.objects.filter(organization=organization, participant=participant).select_related(
            "content"
        )
    }
    found: dict[int, list[RecordedHit]] = {}
    # By way of the content, which the index of the hits begins with.
    rows = Hit.objects.filter(
        organization_id=organization.pk,
        content__in={row.content_id for row in tracked.values()},
        tracked_message__in=list(tracked),
    ).order_by("received_at", "id")
    for hit in rows:
        copy = tracked.get(hit.tracked_message_id or 0)
        if copy is None:
            continue
        links = {link["number"]: str(link["url"]) for link in copy.content.links}
        destination = links.get(hit.link_number or 0, "") if hit.kind == HitKind.CLICK else ""
        found.setdefault(copy.pk, []).append(
            RecordedHit(hit.received_at, destination, words.actor(Actor(hit.actor).name.lower()))
        )
    return found


def _filled(subject: str | None, participant: Participant) -> str:
    """The subject as this person read it; as its author wrote it where that cannot be told any more."""
    person = {"first_name": participant.first_name, "last_name": participant.last_name, "email": participant.email}
    person |= {"country": str(participant.country), "locale": participant.locale}
    try:
        return render(parse(subject or ""), {**person, "attributes": participant.attributes})
    except TemplateError:
        return subject or ""


def last_open_day_of(organization: Organization, participant: Participant) -> date | None:
    """The one date that may be kept to keep lists clean (rule S8)."""
    row = LastOpenDay.objects.filter(organization_id=organization.pk, participant=participant).first()
    return row.day if row else None


@dataclass(frozen=True, slots=True)
class PastChoice:
    """One entry of the consent history, as its person may see it."""

    at: datetime
    about: str
    answer: str
    wording: str


def history_of(organization: Organization, participant: Participant) -> list[PastChoice]:
    """Every act of choosing that is kept of the person, newest first."""
    events = ChoiceEvent.objects.filter(organization=organization, subject=participant.ledger_id)
    return [
        PastChoice(
            event.happened_at,
            words.kind(event.kind),
            words.answer(event.value),
            event.consent_text.text if event.consent_text else "",
        )
        for event in events.select_related("consent_text").order_by("-id")[:SHOWN]
    ]


# --- What was done with measurements (rule C11) --------------------------------------------------------------------


def anonymises_past_hits(organization: Organization) -> bool:
    """Whether a withdrawal makes past hits anonymous, instead of deleting them."""
    return hit_keeping(organization).on_withdrawal == PastHits.ANONYMISE


@dataclass(frozen=True, slots=True)
class Forgotten:
    about: str
    # "delete" or "anonymise"
    done: str
    hits: int
    done_at: datetime


def forgotten_of(organization: Organization, participant: Participant) -> list[Forgotten]:
    """What was done with the person's hits, newest first."""
    rows = HitsForgotten.objects.filter(organization=organization, participant=participant).order_by("-done_at")
    return [
        Forgotten(words.kind("opens" if row.kind == HitKind.OPEN else "clicks"), row.done, row.hits, row.done_at)
        for row in rows[:SHOWN]
    ]
