"""/u/<key>: ends what a mail was sent for. POST comes from a mail client (RFC 8058) or from the page's own buttons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from common.public_pages import language_of, public_page
from common.tenancy import tenant
from consent.models import Topic
from delivery.models import Message
from participants.models import Participant
from privacy.forms import pause_days
from privacy.selectors import load_message, message_of_unsubscribe_key
from privacy.services.leaving import SOURCE, standing_of, undo_unsubscribe, unsubscribe_message
from privacy.services.preferences import pause_topic, resume_topic
from privacy.views.pages import masked, pauses, show, too_many_changes, unknown_key


@dataclass(frozen=True, slots=True)
class Visit:
    """Which sent copy it is about, and in which language the page is read."""

    request: HttpRequest
    message: Message
    person: Participant
    topic: Topic | None
    language: str
    now: datetime


@public_page
def unsubscribe(request: HttpRequest, key: str) -> HttpResponse:
    """One POST is enough: no cookie, no sign-in, no redirect, and no second question (rules D1, H2)."""
    found = message_of_unsubscribe_key(key)
    if found is None:
        return unknown_key(request)
    if request.method == "POST" and (refused := too_many_changes(request, key)):
        return refused
    organization_id, message_id = found
    with tenant(organization_id):
        message = load_message(organization_id, message_id)
        if message is None or message.participant is None:
            return unknown_key(request)
        visit = Visit(
            request=request,
            message=message,
            person=message.participant,
            topic=message.mailing.topic,
            language=language_of(request, message.participant.locale),
            now=timezone.now(),
        )
        outcome = _act(visit) if request.method == "POST" else {}
        standing = standing_of(message.organization, message, now=visit.now)
        context = {
            "topic": visit.topic,
            "masked_email": masked(visit.person.email),
            "state": standing.state,
            "paused_until": standing.paused_until,
            "may_undo": standing.may_undo,
            "pauses": pauses(visit.language),
        }
        return show("unsubscribe.html", message.organization, visit.language, context | outcome)


def _act(visit: Visit) -> dict[str, Any]:
    act = visit.request.POST.get("act", "")
    organization = visit.message.organization
    if act == "again":
        names = undo_unsubscribe(organization, visit.message, language=visit.language, now=visit.now)
        return {"done": "again", "again": names} if names else {}
    if visit.topic is not None and act == "resume":
        resume_topic(organization, visit.person, visit.topic, source=SOURCE, now=visit.now)
        return {"done": "resumed"}
    if visit.topic is not None and (days := pause_days(act)):
        pause_topic(organization, visit.person, visit.topic, days=days, source=SOURCE, now=visit.now)
        return {"done": "paused"}
    # Whatever else a mail client or a button posts means the way out: List-Unsubscribe=One-Click, or nothing at all.
    everything = act == "everything" or visit.request.POST.get("everything") == "1"
    return {"done": unsubscribe_message(organization, visit.message, everything=everything, now=visit.now)}
