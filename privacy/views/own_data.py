"""/me/<key>: what is kept about a person, for whoever reads mail at their address (rule H3).

The address of the mail shows nothing: programs that fetch links get a page with a button. Its POST uses the link up and
answers with the data; what follows carries the key of that page in the form, never in an address that is kept anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from common.public_pages import language_of, public_page
from common.ratelimit import client_prefix
from common.tenancy import tenant
from participants.rules import AddressError
from privacy import words
from privacy.forms import LONGEST_REQUEST, asked_request
from privacy.models import FreshLink, LinkKind
from privacy.registers import requests_of
from privacy.selectors import (
    forgotten_of,
    fresh_link_of_key,
    history_of,
    last_open_day_of,
    load_fresh_link,
    mirror_of,
)
from privacy.services.addresses import confirm_new_address, is_address_of
from privacy.services.links import Sending, ask_new_address, close_page, holds_page, open_link, send_data_link
from privacy.services.own_data import ask_by_own_act, delete_measurements, erase_by_own_act, export_by_own_act
from privacy.views.pages import masked, show, too_many_changes, unknown_key


@dataclass(frozen=True, slots=True)
class Visit:
    """Which link was followed, and the key of the page that it opened, if it did."""

    request: HttpRequest
    link: FreshLink
    page_key: str
    language: str
    now: datetime


@public_page
def own_data(request: HttpRequest, key: str) -> HttpResponse:
    """A fresh link: to a person's own data, or to confirm their new address."""
    found = fresh_link_of_key(key)
    if found is None:
        return unknown_key(request)
    if request.method == "POST" and (refused := too_many_changes(request, key)):
        return refused
    with tenant(found[0]):
        link = load_fresh_link(*found)
        if link is None:
            return unknown_key(request)
        visit = Visit(
            request=request,
            link=link,
            page_key=request.POST.get("page", ""),
            language=language_of(request, request.POST.get("language", "") or link.participant.locale),
            now=timezone.now(),
        )
        if link.kind == LinkKind.ADDRESS:
            return _address(visit)
        if request.method == "POST":
            return _posted(visit)
        return _closed(visit)


def _posted(visit: Visit) -> HttpResponse:
    wanted = visit.request.POST.get("do", "")
    if visit.page_key and holds_page(visit.link, visit.page_key, now=visit.now):
        return ACTS.get(wanted, _show)(visit)
    if wanted == "open":
        page = open_link(visit.link, now=visit.now)
        if page is not None:
            visit.link.refresh_from_db()
            return _show(_with_page(visit, page))
    if wanted == "link":
        return _closed(visit, done=f"link_{_send_another(visit)}")
    return _closed(visit)


def _send_another(visit: Visit) -> Sending:
    """To the same address as before, so that an old link leads nowhere but to a mailbox."""
    person = visit.link.participant
    return send_data_link(
        visit.link.organization,
        person,
        language=visit.language,
        network=client_prefix(visit.request),
        now=visit.now,
    )


def _with_page(visit: Visit, page: str) -> Visit:
    return Visit(visit.request, visit.link, page, visit.language, visit.now)


def _closed(visit: Visit, done: str = "") -> HttpResponse:
    link = visit.link
    context = {
        "link": link,
        "masked_email": masked(link.participant.email),
        "usable": not done and link.opened_at is None and link.expires_at > visit.now,
        "done": done,
    }
    return show("link_closed.html", link.organization, visit.language, context)


def _context(visit: Visit) -> dict[str, Any]:
    return {"link": visit.link, "page_key": visit.page_key}


def _show(visit: Visit, done: str = "", **more: Any) -> HttpResponse:
    organization, person = visit.link.organization, visit.link.participant
    with translation.override(visit.language):
        context = _context(visit) | {
            "done": done,
            "requests": [
                (one, words.request_kind(one.kind), words.request_state(one.state))
                for one in requests_of(organization, person)
            ],
            "longest_request": LONGEST_REQUEST,
            **more,
            "mirror": mirror_of(organization, person),
            "history": history_of(organization, person),
            "forgotten": forgotten_of(organization, person),
            "last_open_day": last_open_day_of(organization, person),
        }
    return show("data.html", organization, visit.language, context)


def _delete(visit: Visit) -> HttpResponse:
    delete_measurements(visit.link.organization, visit.link.participant, now=visit.now)
    return _show(visit, "deleted")


def _export(visit: Visit) -> HttpResponse:
    content = export_by_own_act(visit.link.organization, visit.link.participant, now=visit.now)
    # A file name without a name: it is kept in the history of downloads of whoever borrows the computer next.
    headers = {"Content-Disposition": 'attachment; filename="my-data.zip"'}
    return HttpResponse(content, content_type="application/zip", headers=headers)


def _new_address(visit: Visit) -> HttpResponse:
    new_email = visit.request.POST.get("new_email", "")
    try:
        if is_address_of(visit.link.participant, new_email):
            return _show(visit, "same_address")
        sending = ask_new_address(
            visit.link.organization,
            visit.link.participant,
            new_email,
            language=visit.language,
            network=client_prefix(visit.request),
            now=visit.now,
        )
    except AddressError:
        return _show(visit, "bad_address")
    return _show(visit, "address_sent" if sending is Sending.SENT else f"link_{sending}")


def _ask(visit: Visit) -> HttpResponse:
    """Have data corrected, or object: in words, for somebody to answer within a month."""
    asked = asked_request(visit.request.POST)
    if asked.fault:
        return _show(visit, asked.fault, asked=asked)
    request = ask_by_own_act(
        visit.link.organization,
        visit.link.participant,
        kind=asked.kind,
        details=asked.details,
        language=visit.language,
        now=visit.now,
    )
    if request is None:
        return _show(visit, "request_many", asked=asked)
    return _show(visit, "requested", due_on=request.due_on)


def _ask_erasure(visit: Visit) -> HttpResponse:
    return show("data_erase.html", visit.link.organization, visit.language, _context(visit))


def _erase(visit: Visit) -> HttpResponse:
    organization = visit.link.organization
    close_page(visit.link)
    erase_by_own_act(organization, visit.link.participant, now=visit.now)
    return show("data_erased.html", organization, visit.language, {})


ACTS: dict[str, Callable[[Visit], HttpResponse]] = {
    "show": _show,
    "delete": _delete,
    "export": _export,
    "address": _new_address,
    "request": _ask,
    "erase": _ask_erasure,
    "erase_now": _erase,
}


def _address(visit: Visit) -> HttpResponse:
    """The link that was sent to a new address: a button, and after it what came of it."""
    link = visit.link
    context = {
        "masked_new": masked(link.new_email),
        "masked_email": masked(link.participant.email),
        "usable": link.opened_at is None and link.expires_at > visit.now,
        "outcome": "",
    }
    if visit.request.method == "POST" and visit.request.POST.get("do") == "confirm":
        context["outcome"] = confirm_new_address(link, language=visit.language, now=visit.now)
    return show("address.html", link.organization, visit.language, context)
