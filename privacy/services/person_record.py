"""What is kept about one person, part by part, with names that say what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import F, Model, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from campaigns.models import DeclaredReply, Participation, TrialAddress
from consent.models import Choice, ChoiceEvent, PreferenceKey, Subscription, SubscriptionEvent
from consent.reasons import REASONS
from consent.rules import Kind, Reason
from delivery.connection_models import ProviderNews
from delivery.models import ConsentRequest, Message, MessageCall, ReplyKey, ServiceMessage, Suppression
from delivery.outside_models import OutsidePerson
from delivery.sending_models import UnknownDecision
from intake.models import Confirmation, Submission, UnprovenYes
from intake.selectors import Wordings, history_of, scopes_of
from participants.models import Participant
from privacy.models import FreshLink, InactivityCheck, PersonRequest, Receipt
from tracking.models import Actor, Hit, HitKind, HitsForgotten, LastOpenDay, PastHits, TrackedMessage

# The order of the files, and what stands about each in README.txt.
PARTS = {
    "person": _("your address, name, country, language and other attributes"),
    "choices": _("what you chose about the measuring of opens and clicks, as it stands"),
    "choice_history": _("each time that you chose: when, how, and the words that you saw"),
    "subscriptions": _("what you are or were subscribed to, on what ground"),
    "subscription_history": _("each time that a subscription was asked for, confirmed, paused or ended"),
    "participations": _("campaigns that you took part in"),
    "entries": _("what you sent with forms"),
    "answers": _("what you answered to questions in emails"),
    "confirmations": _("what waits, or waited, for a confirmation that your address is yours"),
    "answers_without_evidence": _("each yes that somebody brought without evidence; it does not count"),
    "requests_for_consent": _("each time that you were asked by email whether you may be measured"),
    "messages": _("emails sent to you, and for each whether it was measured and why"),
    "delivery_reports": _("what mail servers said about emails to you"),
    "opens_and_clicks": _("opens and clicks that were recorded of you"),
    "forgotten_opens_and_clicks": _("what was done with opens and clicks after you refused"),
    "last_open_day": _("the last day on which you opened an email, where that is kept"),
    "service_messages": _("single messages to you, such as confirmations and receipts"),
    "outside_senders": _("other services that were given your data to send you an email, and what they were told"),
    "test_groups": _("groups of addresses that emails are tried with, where yours is among them"),
    "links_to_your_data": _("links to your data that were sent to you"),
    "requests": _("what you asked for, and how it was answered"),
    "questions_whether_to_stay": _("whether you were asked to confirm that you want to go on"),
    "suppressions": _("why no mail, or no marketing mail, is sent to your address"),
}

# Which part holds what is in a table about a person. A test asks it of every table that a person can stand in.
HELD_IN: Mapping[type[Model], str] = {
    Participant: "person",
    Choice: "choices",
    ChoiceEvent: "choice_history",
    Subscription: "subscriptions",
    SubscriptionEvent: "subscription_history",
    Participation: "participations",
    Submission: "entries",
    DeclaredReply: "answers",
    Confirmation: "confirmations",
    UnprovenYes: "answers_without_evidence",
    ConsentRequest: "requests_for_consent",
    Message: "messages",
    MessageCall: "messages",
    ProviderNews: "delivery_reports",
    Hit: "opens_and_clicks",
    HitsForgotten: "forgotten_opens_and_clicks",
    LastOpenDay: "last_open_day",
    ServiceMessage: "service_messages",
    OutsidePerson: "outside_senders",
    TrialAddress: "test_groups",
    FreshLink: "links_to_your_data",
    PersonRequest: "requests",
    InactivityCheck: "questions_whether_to_stay",
    Suppression: "suppressions",
}
LEFT_OUT: Mapping[type[Model], str] = {
    TrackedMessage: "ties a sent copy to what is recorded of it; both are there, under messages and opens and clicks",
    ReplyKey: "the key of the person's page of answers, which stands in the email to them",
    PreferenceKey: "the key of the person's own page, which stands in every email to them",
    Receipt: "when the next receipt is due; the receipts are among the service messages",
    UnknownDecision: "what a member said about the sending of a message; what became of it is under messages",
}

type Row = dict[str, Any]


def person_record(organization: Organization, participant: Participant, *, now: datetime) -> dict[str, Any]:
    """Everything about a person. ``now`` is the moment that it says."""
    parts: dict[str, Callable[[Organization, Participant], Any]] = {
        "person": _person,
        "choices": _choices,
        "choice_history": _choice_history,
        "subscriptions": _subscriptions,
        "subscription_history": _subscription_history,
        "participations": _participations,
        "entries": _entries,
        "answers": _answers,
        "confirmations": _confirmations,
        "answers_without_evidence": _unproven,
        "requests_for_consent": _consent_requests,
        "messages": _messages,
        "delivery_reports": _delivery_reports,
        "opens_and_clicks": _hits,
        "forgotten_opens_and_clicks": _forgotten,
        "last_open_day": _last_open_day,
        "service_messages": _service_messages,
        "outside_senders": _outside_senders,
        "test_groups": _test_groups,
        "links_to_your_data": _links,
        "requests": _requests,
        "questions_whether_to_stay": _inactivity_checks,
        "suppressions": _suppressions,
    }
    record: dict[str, Any] = {"organization": organization.legal_name or organization.name, "made_at": now}
    return record | {name: make(organization, participant) for name, make in parts.items()}


def _rows(found: QuerySet[Any], *fields: str, **named: str) -> list[Row]:
    return list(found.values(*fields, **{name: F(source) for name, source in named.items()}))


def _person(organization: Organization, participant: Participant) -> Row:
    columns = ("email", "first_name", "last_name", "locale", "external_id", "attributes")
    moments = ("created_at", "updated_at", "active_on")
    known = {name: getattr(participant, name) for name in (*columns, *moments)}
    return known | {"country": str(participant.country)}


def _choices(organization: Organization, participant: Participant) -> list[Row]:
    found = Choice.objects.filter(organization=organization, participant=participant)
    columns = ("opens", "opens_at", "opens_source", "clicks", "clicks_at", "clicks_source", "anonymous_objected_at")
    informed = ("informed_ground", "collected_at", "informed_at")
    return _rows(found, *columns, *informed, consent_scope="scope__name")


def _choice_history(organization: Organization, participant: Participant) -> list[Row]:
    found = ChoiceEvent.objects.filter(organization=organization, subject=participant.ledger_id).order_by("id")
    columns = ("kind", "value", "source", "method", "happened_at", "recorded_at", "evidence")
    return _rows(found, *columns, wording="consent_text__text", consent_scope="scope__name")


def _subscriptions(organization: Organization, participant: Participant) -> list[Row]:
    found = Subscription.objects.filter(organization=organization, participant=participant).order_by("id")
    columns = ("basis", "source", "wording", "subscribed_at", "pending_since", "confirmed_at")
    ends = ("paused_at", "paused_until", "unsubscribed_at")
    return _rows(found, *columns, *ends, website="topic__website__name", topic_name="topic__name")


def _subscription_history(organization: Organization, participant: Participant) -> list[Row]:
    found = SubscriptionEvent.objects.filter(organization=organization, subject=participant.ledger_id).order_by("id")
    columns = ("act", "basis", "source", "happened_at", "recorded_at", "evidence")
    return _rows(
        found, *columns, website="topic__website__name", topic_name="topic__name", wording="consent_text__text"
    )


def _participations(organization: Organization, participant: Participant) -> list[Row]:
    found = Participation.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "participated_at", "source", campaign_name="campaign__name")


def _entries(organization: Organization, participant: Participant) -> list[Row]:
    found = Submission.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "submitted_at", "language", "source", "answers", campaign_name="form__campaign__name")


def _answers(organization: Organization, participant: Participant) -> list[Row]:
    found = DeclaredReply.objects.filter(organization=organization, participant=participant).order_by("id")
    columns = ("answer", "first_answered_at", "answered_at")
    rows = _rows(
        found, *columns, question_asked="question__text", options="question__options", email="question__email__name"
    )
    for row in rows:
        row["answer"] = row.pop("options")[row["answer"] - 1]
    return rows


def _confirmations(organization: Organization, participant: Participant) -> list[Row]:
    found = Confirmation.objects.filter(organization=organization, participant=participant).order_by("id")
    columns = ("asked_at", "expires_at", "reminded_at", "confirmed_at", "waiting")
    return _rows(found, *columns, website_name="website__name")


def _unproven(organization: Organization, participant: Participant) -> list[Row]:
    found = UnprovenYes.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "listed_at", "opens", "clicks", consent_scope="scope__name")


def _consent_requests(organization: Organization, participant: Participant) -> list[Row]:
    found = ConsentRequest.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "asked_at", consent_scope="scope__name", email="message__mailing__launch__email__name")


def _messages(organization: Organization, participant: Participant) -> list[Row]:
    found = Message.objects.filter(organization=organization, participant=participant).order_by("id")
    columns = ("status", "queued_at", "sent_at", "decided_at", "opens", "opens_reason", "clicks", "clicks_reason")
    rows = _rows(
        found, *columns, website="mailing__website__name", email="mailing__launch__email__name",
        subject="mailing__launch__email__subject", data_of_call="call__data",
        version_of_the_setting="tracking_version__number", number="id",
    )  # fmt: skip
    wordings = Wordings(history_of(organization, participant), scopes_of(organization))
    messages = found.select_related("mailing__website", "tracking_version").in_bulk([row["number"] for row in rows])
    for row in rows:
        message = messages[row.pop("number")]
        for kind in Kind:
            row[f"{kind}_reason"] = _sentence(row[f"{kind}_reason"])
            text = wordings.when_decided(message, kind)
            row[f"{kind}_wording"] = text.text if text else ""
    return rows


def _sentence(reason: str) -> str:
    return str(REASONS[Reason(reason)]) if reason else ""


def _hits(organization: Organization, participant: Participant) -> list[Row]:
    copies = TrackedMessage.objects.filter(organization=organization, participant=participant)
    contents = list(copies.values_list("content_id", flat=True))
    found = Hit.objects.filter(
        organization_id=organization.pk, content_id__in=contents, tracked_message__in=copies
    ).order_by("received_at")
    rows = _rows(found, "received_at", "kind", "actor", "link_number", "content_id", website="content__website__name")
    links = dict(copies.values_list("content_id", "content__links"))
    for row in rows:
        targets = {link["number"]: link["url"] for link in links.get(row.pop("content_id"), [])}
        row["link"] = targets.get(row.pop("link_number"), "")
        row["kind"] = str(HitKind(row["kind"]).label)
        row["actor"] = str(Actor(row["actor"]).label)
    return rows


def _delivery_reports(organization: Organization, participant: Participant) -> list[Row]:
    found = ProviderNews.objects.filter(organization=organization, message__participant=participant).order_by("id")
    return _rows(found, "kind", "words", "happened_at", email="message__mailing__launch__email__name")


def _last_open_day(organization: Organization, participant: Participant) -> list[Row]:
    return _rows(LastOpenDay.objects.filter(organization_id=organization.pk, participant=participant), "day")


def _forgotten(organization: Organization, participant: Participant) -> list[Row]:
    found = HitsForgotten.objects.filter(organization=organization, participant=participant).order_by("id")
    rows = _rows(found, "kind", "done", "hits", "done_at")
    for row in rows:
        row["kind"], row["done"] = str(HitKind(row["kind"]).label), str(PastHits(row["done"]).label)
    return rows


def _service_messages(organization: Organization, participant: Participant) -> list[Row]:
    found = ServiceMessage.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "kind", "subject", "status", "queued_at", "sent_at", "to_email")


def _outside_senders(organization: Organization, participant: Participant) -> list[Row]:
    found = OutsidePerson.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "told", connection_name="connection__name", website_name="website__name")


def _test_groups(organization: Organization, participant: Participant) -> list[Row]:
    found = TrialAddress.objects.filter(organization=organization, email_norm=participant.email_norm).order_by("id")
    return _rows(found, "email", group_name="group__name")


def _links(organization: Organization, participant: Participant) -> list[Row]:
    """Not their keys, which nobody keeps."""
    found = FreshLink.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "kind", "new_email", "created_at", "expires_at", "opened_at")


def _requests(organization: Organization, participant: Participant) -> list[Row]:
    found = PersonRequest.objects.filter(organization=organization, participant=participant).order_by("id")
    columns = ("kind", "channel", "state", "details", "received_on", "due_on", "extension_reason", "answered_at")
    return _rows(found, *columns, "answer")


def _inactivity_checks(organization: Organization, participant: Participant) -> list[Row]:
    found = InactivityCheck.objects.filter(organization=organization, participant=participant).order_by("id")
    return _rows(found, "asked_at", "answer_by", "stayed_at", "ended_at", website="rule__website__name")


def _suppressions(organization: Organization, participant: Participant) -> list[Row]:
    found = Suppression.objects.filter(organization=organization, email_norm=participant.email_norm).order_by("id")
    return _rows(found, "reason", "source", "created_at")


def shown_parts(record: dict[str, Any]) -> Iterable[tuple[str, list[Row]]]:
    """The parts of a record that have rows."""
    return ((name, rows) for name, rows in record.items() if isinstance(rows, list) and rows)
