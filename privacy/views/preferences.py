"""/p/<key>: what may be measured, which emails come, and the way to one's own data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from accounts.models import Organization
from common.public_pages import language_of, public_page
from common.ratelimit import client_prefix
from common.tenancy import tenant
from participants.models import Participant
from privacy import words
from privacy.forms import pause_days, tracking_answer
from privacy.selectors import (
    ScopeView,
    TopicView,
    anonymises_past_hits,
    is_unsubscribed_from_everything,
    load_person,
    person_of_preference_key,
    reasons_for_mail,
    scope_view,
    topics_of,
)
from privacy.services import preferences as choices
from privacy.services.links import send_data_link
from privacy.views.pages import masked, pauses, show, too_many_changes, unknown_key


@dataclass(frozen=True, slots=True)
class Visit:
    """Whose page it is, and in which language it is read."""

    request: HttpRequest
    organization: Organization
    person: Participant
    view: ScopeView
    language: str
    now: datetime

    def topics(self) -> list[TopicView]:
        return topics_of(self.organization, self.person, self.view.scope, now=self.now)


# What the page says afterwards: ``done``, and whatever its sentence names.
type Outcome = dict[str, Any]


@public_page
def preferences(request: HttpRequest, key: str) -> HttpResponse:
    """The preference centre. One key opens one person's choices in one consent scope, and nothing else (rule H3)."""
    found = person_of_preference_key(key)
    if found is None:
        return unknown_key(request)
    organization_id, participant_id, scope_id = found
    if request.method == "POST" and (refused := too_many_changes(request, key)):
        return refused
    with tenant(organization_id):
        loaded = load_person(organization_id, participant_id, scope_id)
        if loaded is None:
            return unknown_key(request)
        person, scope = loaded
        visit = Visit(
            request=request,
            organization=person.organization,
            person=person,
            view=scope_view(person.organization, person, scope),
            language=language_of(request, person.locale),
            now=timezone.now(),
        )
        outcome = _act(visit) if request.method == "POST" else {}
        view = scope_view(person.organization, person, scope)
        return show("preferences.html", person.organization, visit.language, _context(visit, view) | outcome)


def _act(visit: Visit) -> Outcome:
    act = ACTS.get(visit.request.POST.get("do", "choices"))
    return act(visit) if act is not None else {"done": "nothing"}


def _choose(visit: Visit) -> Outcome:
    answer = tracking_answer(visit.request.POST)
    if answer is None:
        return {"done": "nothing"}
    choices.save_tracking_choice(
        visit.organization,
        visit.person,
        visit.view,
        opens=answer.opens,
        clicks=answer.clicks,
        everywhere=answer.everywhere,
        language=visit.language,
        now=visit.now,
    )
    return {"done": "refused" if answer.refuses else "saved"}


def _totals(visit: Visit) -> Outcome:
    wanted = visit.request.POST.get("totals", "")
    if wanted not in {"object", "count"}:
        return {"done": "nothing"}
    objects = wanted == "object"
    choices.save_objection(
        visit.organization,
        visit.person,
        visit.view,
        objects=objects,
        everywhere=visit.request.POST.get("everywhere") == "1",
        language=visit.language,
        now=visit.now,
    )
    return {"done": "objected" if objects else "counted"}


def _topic(visit: Visit) -> Outcome:
    wanted, act = visit.request.POST.get("topic", ""), visit.request.POST.get("act", "")
    # Only what this page shows: the number of a topic opens nothing by itself.
    row = next((row for row in visit.topics() if str(row.topic.pk) == wanted), None)
    if row is None:
        return {"done": "nothing"}
    whose = (visit.organization, visit.person, row.topic)
    outcome: Outcome = {"done_topic": row.topic.name}
    if act == "subscribe":
        choices.subscribe_to_topic(*whose, language=visit.language, source=choices.PLACE, now=visit.now)
        return outcome | {"done": "subscribed"}
    if act == "unsubscribe":
        choices.unsubscribe_from_topic(*whose, source=choices.PLACE, now=visit.now)
        return outcome | {"done": "unsubscribed"}
    if row.state == "paused" and act == "resume":
        choices.resume_topic(*whose, source=choices.PLACE, now=visit.now)
        return outcome | {"done": "resumed"}
    days = pause_days(act)
    if row.state == "on" and days is not None:
        until = choices.pause_topic(*whose, days=days, source=choices.PLACE, now=visit.now)
        return outcome | {"done": "paused", "done_until": until}
    return {"done": "nothing"}


def _leave(visit: Visit) -> Outcome:
    choices.leave_everything(visit.organization, visit.person, source=choices.PLACE, now=visit.now)
    return {"done": "left"}


def _link(visit: Visit) -> Outcome:
    sending = send_data_link(
        visit.organization,
        visit.person,
        language=visit.language,
        network=client_prefix(visit.request),
        now=visit.now,
    )
    return {"done": f"link_{sending}"}


ACTS: dict[str, Callable[[Visit], Outcome]] = {
    "choices": _choose,
    "totals": _totals,
    "topic": _topic,
    "leave": _leave,
    "link": _link,
}


def _context(visit: Visit, view: ScopeView) -> dict[str, Any]:
    topics = visit.topics()
    with translation.override(visit.language):
        answers = {"opens_answer": words.answer(view.opens), "clicks_answer": words.answer(view.clicks)}
        reasons = reasons_for_mail(visit.organization, topics)
    return answers | {
        "masked_email": masked(visit.person.email),
        "view": view,
        "question": choices.tracking_question(visit.person, view, visit.language),
        "totals": choices.totals_explained(view, visit.language),
        "topics": topics,
        "unsubscribed_from_all": is_unsubscribed_from_everything(visit.organization, visit.person),
        "pauses": pauses(visit.language),
        "reasons": reasons,
        "anonymises": anonymises_past_hits(visit.organization),
    }
