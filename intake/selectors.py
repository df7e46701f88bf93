"""Reads of intake: imports and what is listed about their rows, people and what happened to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Count, F, Func, Q, QuerySet, Value
from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.selectors import GONE_OUT
from common.safe_csv import safe_cell
from consent.models import Choice, ChoiceEvent, ConsentText, Subscription, SubscriptionEvent
from consent.reasons import REASONS
from consent.rules import Kind, Level, Reason
from delivery.models import Message, Suppression
from intake.models import ConsentMove, Import, ImportIssue, ImportState, UnprovenYes
from intake.reasons import ISSUES, count_sentences
from intake.rules import Issue
from participants.models import Participant
from participants.rules import normalise_email, valid_email
from tracking.models import TrackedMessage
from tracking.selectors import level_now
from websites.models import ConsentScope, MeasurementPermission

# --- Imports --------------------------------------------------------------------------------------------------------

UNFINISHED = (ImportState.QUEUED, ImportState.RUNNING)


def import_progress(source: Import) -> dict[str, Any]:
    """How far an import is, for its page and the script on it."""
    total = max(source.rows_total, 1)
    return {
        "state": source.state,
        "state_label": str(source.get_state_display()),
        "finished": source.state not in UNFINISHED,
        "rows_done": source.rows_done,
        "rows_total": source.rows_total,
        "percent": min(100 * source.rows_done // total, 100),
        "sentences": count_sentences(source.counts),
    }


def issue_lines(organization: Organization, source: Import) -> Iterator[list[str]]:
    """The error file: a header, then a line for each thing listed, in the order of the rows."""
    yield [_("row"), _("column"), _("value"), _("what is wrong")]
    issues = ImportIssue.objects.filter(organization=organization, source=source).order_by("row", "id")
    for row, column, value, issue in issues.values_list("row", "column", "value", "issue").iterator(chunk_size=2000):
        yield [str(row), safe_cell(column), safe_cell(value), str(ISSUES[Issue(issue)])]
    unlisted = source.counts.get("listed", 0) - ImportIssue.LIMIT
    if unlisted > 0:
        yield ["", "", "", _("%(more)d more are counted, but not listed.") % {"more": unlisted}]


# --- People ---------------------------------------------------------------------------------------------------------


OWN_IDS_SHOWN = 50


def find_people(people: QuerySet[Participant], text: str) -> QuerySet[Participant]:
    """People whose address is a text or begins with it, or whose external contact id it is.

    Only what keeps its index behind row-level security: ``LIKE`` in the middle of an address would read every row.
    """
    wanted = text.strip()
    if not wanted:
        return people
    # Looked up apart: to sort what either condition finds, the database would first gather everybody under a letter.
    named = list(people.filter(external_id=wanted).order_by().values_list("pk", flat=True)[:OWN_IDS_SHOWN])
    found = _by_address(people, wanted)
    return people.filter(found | Q(pk__in=named)) if named else people.filter(found)


def _by_address(people: QuerySet[Participant], wanted: str) -> Q:
    norm = normalise_email(wanted)
    exact = Q(email_norm=norm)
    if valid_email(wanted) and people.filter(exact).exists():
        return exact
    return Q(Func(F("email_norm"), Value(norm), function="starts_with", output_field=BooleanField()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided about opens or clicks of one copy, by which rule, and whether that still holds (H1, S12)."""

    sentence: str
    # The words that the person had answered to by then.
    wording: ConsentText | None = None
    # Decided as measured, and nothing is recorded any more.
    silenced: bool = False
    # Decided as measured, and nothing but the day of the last open is kept any more.
    last_open_day_only: bool = False


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A sent copy of a person, or one that was to be sent."""

    email_name: str
    website_name: str
    status: str
    # What was heard of it since, and the words of the server or service.
    news: str
    words: str
    at: datetime
    decided_at: datetime | None
    # The version of the website's setting that it was decided under.
    setting_version: int | None
    opens: Outcome
    clicks: Outcome


MESSAGES_SHOWN = 50


def messages_of(
    organization: Organization, participant: Participant, wordings: Wordings, *, now: datetime
) -> list[ReceivedMessage]:
    """The latest messages of a person, newest first."""
    messages = list(
        Message.objects.filter(organization=organization, participant=participant)
        .select_related("mailing__launch__email", "mailing__website", "tracked_message__content", "tracking_version")
        .order_by("-id")[:MESSAGES_SHOWN]
    )
    permissions = _permissions_now(organization, messages)
    choices = choices_of(organization, participant)
    return [
        ReceivedMessage(
            email_name=_email_name(message),
            website_name=message.mailing.website.name,
            status=str(message.get_status_display()),
            news=str(message.get_news_display()),
            words=message.error or message.news_words,
            at=message.sent_at or message.queued_at,
            decided_at=message.decided_at,
            setting_version=message.tracking_version.number if message.tracking_version else None,
            opens=_outcome(message, Kind.OPENS, permissions, choices, wordings, now),
            clicks=_outcome(message, Kind.CLICKS, permissions, choices, wordings, now),
        )
        for message in messages
    ]


def _email_name(message: Message) -> str:
    launch = getattr(message.mailing, "launch", None)
    return launch.email.name if launch else str(message.mailing.get_purpose_display())


type Permissions = Mapping[tuple[int, str], MeasurementPermission]
# By consent scope.
type Choices = Mapping[int, Choice]


def _permissions_now(organization: Organization, messages: list[Message]) -> Permissions:
    copies = [message.tracked_message for message in messages if message.tracked_message]
    rows = MeasurementPermission.objects.filter(
        organization=organization,
        website__in={copy.website_id for copy in copies},
        country__in={copy.country for copy in copies},
    )
    return {(row.website_id, row.country): row for row in rows}


def _outcome(
    message: Message, kind: Kind, permissions: Permissions, choices: Choices, wordings: Wordings, now: datetime
) -> Outcome:
    reason, frozen = getattr(message, f"{kind}_reason"), getattr(message, kind)
    outcome = Outcome(
        sentence=str(REASONS[Reason(reason)]) if reason else "", wording=wordings.when_decided(message, kind)
    )
    # Totals belong to nobody, so they are not asked about on somebody's page.
    if frozen not in (Level.INDIVIDUAL, Level.LAST_OPEN_DAY) or message.status not in GONE_OUT:
        return outcome
    level = _level_now(message.tracked_message, kind, permissions, choices, now)
    lowered = frozen == Level.INDIVIDUAL and level is Level.LAST_OPEN_DAY
    return replace(outcome, silenced=level is Level.NONE, last_open_day_only=lowered)


def _level_now(
    copy: TrackedMessage | None, kind: Kind, permissions: Permissions, choices: Choices, now: datetime
) -> Level:
    """What a hit would leave now. Without its row, a copy belongs to nobody any more."""
    if copy is None:
        return Level.NONE
    permission = permissions.get((copy.website_id, copy.country))
    choice = choices.get(permission.scope_id) if permission else None
    return level_now(copy, kind, permission, choice, now=now)


class Wordings:
    """Which words a person had answered to when a copy was decided (rule S12).

    It is not written down with each copy: the consent history is never rewritten, so what it says of a moment stays.
    """

    def __init__(self, events: Sequence[ChoiceEvent], scopes: Iterable[ConsentScope]) -> None:
        """``events``: all that the person chose, newest first (``history_of``)."""
        self._events = events
        self._scopes = {scope.name: scope.pk for scope in scopes}

    def when_decided(self, message: Message, kind: Kind) -> ConsentText | None:
        """The text of the latest answer by then; None where there was no answer, or nobody knows its words."""
        if message.decided_at is None:
            return None
        # The website may be in another consent scope by now.
        version = message.tracking_version
        own = message.mailing.website.consent_scope_id
        scope = self._scopes.get(version.consent_scope_name, own) if version else own
        for event in self._events:
            if (event.scope_id, event.kind) == (scope, kind) and event.recorded_at <= message.decided_at:
                return event.consent_text
        return None


def choices_of(organization: Organization, participant: Participant) -> dict[int, Choice]:
    """What a person chose, by consent scope; a scope in which they never answered is missing."""
    choices = Choice.objects.filter(organization=organization, participant=participant)
    return {choice.scope_id: choice for choice in choices}


def scopes_of(organization: Organization) -> list[ConsentScope]:
    """The consent scopes of an organization, its default one first."""
    return list(ConsentScope.objects.filter(organization=organization).order_by("-is_default", "name"))


def history_of(organization: Organization, participant: Participant) -> list[ChoiceEvent]:
    """All that a person chose about tracking, newest first."""
    events = ChoiceEvent.objects.filter(organization=organization, subject=participant.ledger_id)
    return list(events.select_related("actor", "scope", "consent_text"))


def subscriptions_of(organization: Organization, participant: Participant) -> list[Subscription]:
    """What a person gets, and what they ended."""
    subscriptions = Subscription.objects.filter(organization=organization, participant=participant)
    return list(subscriptions.select_related("topic__website").order_by("topic__website__name", "topic__name"))


def subscription_history_of(organization: Organization, participant: Participant) -> list[SubscriptionEvent]:
    """Each act about a person's permissions to send, newest first."""
    events = SubscriptionEvent.objects.filter(organization=organization, subject=participant.ledger_id)
    return list(events.select_related("topic__website", "consent_text", "actor"))


def suppressions_of(organization: Organization, participant: Participant) -> list[Suppression]:
    """Why a person's address gets no mail, or no marketing."""
    return list(Suppression.objects.filter(organization=organization, email_norm=participant.email_norm))


def imports_named(organization: Organization, events: list[ChoiceEvent]) -> dict[int, Import]:
    """The imports that brought some of these answers; each holds the provenance of all of its answers (rules C7)."""
    numbers = {int(event.method.removeprefix("import:")) for event in events if event.method.startswith("import:")}
    return Import.objects.filter(organization=organization).in_bulk(numbers)


@dataclass(frozen=True, slots=True)
class UnprovenSource:
    """A file or a move that brought yeses without provenance."""

    origin: str
    source: Import | ConsentMove
    people: int


def unproven_sources(organization: Organization) -> list[UnprovenSource]:
    """Where yeses came from that wait for their evidence, latest first (rule C7)."""
    waiting = UnprovenYes.objects.filter(organization=organization)
    found: list[UnprovenSource] = []
    for origin, model in (("import", Import), ("move", ConsentMove)):
        people = dict(
            waiting.filter(**{f"source_{origin}__isnull": False})
            .values_list(f"source_{origin}")
            .annotate(Count("participant", distinct=True))
            .order_by()
        )
        rows = model.objects.filter(organization=organization, pk__in=list(people)).order_by("-created_at")
        found += [UnprovenSource(origin, row, people[row.pk]) for row in rows]
    return found
