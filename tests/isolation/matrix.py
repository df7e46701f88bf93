"""Every address and action of the console, found in the resolver and the registry, and who gets where.

``tests/isolation/test_matrix.py`` and ``make prove-tenants`` ask them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db import transaction
from django.db.models import ForeignKey, Model
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from accounts.models import Impersonation, Invitation, User
from campaigns.models import Campaign, Email, Exemption, Launch, Question, SplitTest, TrialGroup
from consent.models import LegalJustification, PolicyProposal
from delivery.models import ServiceMessage
from intake.models import EntryForm, FormField, Import
from participants.models import Participant
from privacy.models import OrganizationExport, ProofOpening, SealedProof
from tests.isolation.answers import faults_of, words_in
from tests.isolation.expectations import ACTIONS, PAGES
from tests.isolation.rooms import HERSELF, Rooms, furnish
from tests.support.cast import Cast
from websites.models import ConsentScope, Website

BAKERY = "bakery-secret-7f3a"
CINEMA = "cinema-secret-c2d8"
# What viewers never see: a person's address, and a person's name.
PERSON = (f"{BAKERY}@home.example".encode(), f"{BAKERY} {HERSELF}".encode())
ROLES = {"owner": "o", "marketer": "m", "dpo": "d", "viewer": "v"}
# Whoever goes there is signed out and asks in vain everywhere else.
LEFT_OUT = {"logout"}
# Second arguments, by the name of the address where no other fits; else these are tried in turn.
SECONDS = ("measured", "1", "csv", "campaigns")
BELONGS_TO = {"reporting": Launch}
# Addresses that name other rows than those of their model: a row, what a row refers to, or a word.
type Named = type[Model] | tuple[type[Model], str] | str
NAMED: dict[str, tuple[Named, ...]] = {
    "accounts_membership_end_impersonation": (Impersonation,),
    "accounts_membership_resend": (Invitation,),
    "accounts_membership_withdraw": (Invitation,),
    "campaigns_email_exempt_approve": ((Exemption, "email_id"),),
    "campaigns_email_exempt_ask": ((Exemption, "email_id"),),
    "campaigns_email_exempt_decline": ((Exemption, "email_id"),),
    "campaigns_email_exempt_withdraw": ((Exemption, "email_id"),),
    "campaigns_email_message": (Email, "none"),
    "campaigns_email_preview_copy": (Email, "none"),
    "campaigns_email_question_remove": (Email, Question),
    "campaigns_email_split_test": ((SplitTest, "email_id"), SplitTest),
    "delivery_uncertainmessage_single": (ServiceMessage,),
    "intake_consentmove_evidence": ("import", Import),
    "intake_entryform_of_campaign": (Campaign,),
    "intake_entryform_field": (EntryForm, FormField),
    "intake_entryform_press": (EntryForm, FormField),
    "privacy_personrequest_export": (Participant,),
    "privacy_personrequest_erase": (Participant,),
    "privacy_personrequest_inactivity_rule": (Website,),
    "privacy_personrequest_leave_act": ("export",),
    "privacy_personrequest_leave_file": (OrganizationExport,),
    "privacy_personrequest_proof_ask": (SealedProof,),
    "privacy_personrequest_proof_decide": (ProofOpening, "agree"),
    "reporting_processing_file": ("csv",),
    "websites_website_confirm": (Website, LegalJustification),
    "websites_website_opinion": (Website, LegalJustification),
    "websites_website_withdraw": (Website, LegalJustification),
    "websites_website_proposal_confirm": (Website, PolicyProposal),
    "websites_website_proposal_decline": (Website, PolicyProposal),
    "websites_website_proposal_opinion": (Website, PolicyProposal),
    "websites_website_proposal_withdraw": (Website, PolicyProposal),
}
# What is asked, and what is sent, where without it there would be nothing to answer.
ASKED: dict[str, dict[str, type[Model]]] = {"reporting_compare_file": {"launch": Launch}}
SENT: dict[str, dict[str, type[Model]]] = {
    "campaigns_email_test": {"group": TrialGroup},
    "intake_peopleexport_start": {"scope": ConsentScope},
}


@dataclass(frozen=True)
class Place:
    address: str
    sent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Room:
    """One address, and what is sent there. ``own`` names a row of Bakery, ``foreign`` of Cinema; the same where none
    is named."""

    name: str
    own: Place
    foreign: Place

    @property
    def names_a_row(self) -> bool:
        return self.own != self.foreign


@dataclass
class Found:
    """What a walk saw. ``access`` says by name what answered: an "o" for the first, a "-" for what is closed."""

    cells: int = 0
    # Files with a word that looks like a formula, and is none.
    formulas: int = 0
    access: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)


@dataclass
class House:
    """Two furnished organizations."""

    cast: Cast
    bakery: Rooms
    cinema: Rooms

    def rooms(self) -> Iterator[Room]:
        own = dict(_places(self.bakery))
        foreign = dict(_places(self.cinema))
        for name, place in own.items():
            yield Room(name, place, foreign[name])

    def member(self, who: str) -> User | None:
        people = {"owner": "ana", "marketer": "max", "dpo": "dana", "viewer": "ben", "stranger": "cleo"}
        return getattr(self.cast, people[who]) if who in people else None


def make_house(cast: Cast, now: datetime) -> House:
    # Words look like formulas, too: no file may hold one.
    bakery = furnish(cast.bakery, cast.ana, colleague=cast.ben, now=now, marker=f"={BAKERY}", name=BAKERY)
    cinema = furnish(cast.cinema, cast.cleo, colleague=cast.cleo, now=now, marker=f"={CINEMA}", name=CINEMA)
    return House(cast, bakery, cinema)


# --- Where there is something to ask ----------------------------------------------------------------------------------


def _patterns(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns)
        elif pattern.name:
            yield pattern


def _places(rooms: Rooms) -> Iterator[tuple[str, Place]]:
    for name, address in _addresses(rooms):
        asked = {what: rooms[model].pk for what, model in ASKED.get(name, {}).items()}
        sent = {what: rooms[model].pk for what, model in SENT.get(name, {}).items()}
        yield name, Place(f"{address}?{urlencode(asked)}" if asked else address, sent)


def _addresses(rooms: Rooms) -> Iterator[tuple[str, str]]:
    """Every address of the console by its name, with the rows of one organization."""
    assert get_resolver().url_patterns, "the addresses find the console's pages"
    rows = {f"{model._meta.app_label}_{model._meta.model_name}_": row for model, row in rooms.items()}
    for pattern in _patterns(admin.site.urls[0]):
        name = str(pattern.name)
        if name in LEFT_OUT:
            continue
        if name in NAMED:
            yield name, reverse(f"admin:{name}", args=[_argument(rooms, one) for one in NAMED[name]])
            continue
        arguments = re.findall(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>", str(pattern.pattern))
        row = next((row for prefix, row in rows.items() if name.startswith(prefix)), None)
        row = row or rooms.get(BELONGS_TO.get(name.partition("_")[0], Model))
        yield name, _reverse(name, len(arguments), row)


def _argument(rooms: Rooms, named: Named) -> object:
    if isinstance(named, str):
        return named
    return getattr(rooms[named[0]], named[1]) if isinstance(named, tuple) else rooms[named].pk


def _reverse(name: str, arguments: int, row: Model | None) -> str:
    if not arguments:
        return reverse(f"admin:{name}")
    first = [] if row is None else [str(row.pk)]
    for second in SECONDS:
        values = [*first, *([second] * (arguments - len(first)))]
        try:
            return reverse(f"admin:{name}", args=values[:arguments])
        except NoReverseMatch:
            continue
    raise AssertionError(f"{name}: add an argument that fits to SECONDS in tests/isolation/matrix.py")


# --- Asking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    response: HttpResponseBase
    body: bytes

    def shows(self, word: bytes) -> bool:
        return word in words_in(self.body)


def _ask(client: Client, method: str, place: Place) -> Answer:
    """What is answered; what it changed is taken back."""
    with transaction.atomic():
        response = client.post(place.address, place.sent) if method == "post" else client.get(place.address)
        transaction.set_rollback(True)
    streaming = response.streaming
    body = b"".join(response.streaming_content) if streaming else response.content  # type: ignore[attr-defined]
    return Answer(response, body)


def _is_open(response: HttpResponseBase) -> bool:
    """405 is behind the door: only the method is refused."""
    to_sign_in = response.status_code == 302 and "/login/" in response["Location"]
    return response.status_code not in (403, 404) and not to_sign_in


def walk(house: House, who: str) -> Found:
    """Bakery's rooms as one of its roles: GET and POST. Nothing of Cinema's may be seen."""
    found = Found()
    client = _client(house.member(who))
    for room in house.rooms():
        letters = ""
        for method in ("get", "post"):
            answer, what = _ask(client, method, room.own), f"{method.upper()} {room.own.address} as {who}"
            found.cells += 1
            letters += ROLES[who] if _is_open(answer.response) else "-"
            _note(found, what, answer, CINEMA)
            found.problems += [f"{what}: {fault}" for fault in faults_of(answer.response, answer.body)]
            found.formulas += b"'=" in answer.body and answer.response.headers["Content-Type"].startswith("text/csv")
            if who == "viewer" and any(answer.shows(word) for word in PERSON):
                found.problems.append(f"{what} shows a person")
        found.access[room.name] = letters
    for name, allowed in _actions(house, client):
        found.cells += 1
        found.access[name] = ROLES[who] if allowed else "-"
    return found


def _client(member: User | None) -> Client:
    client = Client(raise_request_exception=False)
    if member is not None:
        client.force_login(member)
    return client


def _note(found: Found, what: str, answer: Answer, marker: str) -> None:
    if answer.response.status_code >= 500:
        found.problems.append(f"{what} answers {answer.response.status_code}")
    if answer.shows(marker.encode()):
        found.markers.append(f"{what} shows {marker}")


def _actions(house: House, client: Client) -> Iterator[tuple[str, bool]]:
    """Every action that some list offers to anybody, and whether it is offered here."""
    request: HttpRequest = client.get(reverse("admin:index")).wsgi_request
    for model, model_admin in admin.site._registry.items():
        offered = model_admin.get_actions(request)
        for name in model_admin.actions or ():
            yield f"{model._meta.label_lower}:{name}", name in offered


def walk_as_stranger(house: House) -> Found:
    """Cinema's owner: none of Bakery's rows, and nothing of Bakery on any page, filter, search, error or export."""
    found = Found()
    client = _client(house.cast.cleo)
    for room in house.rooms():
        for method in ("get", "post"):
            answer, what = _ask(client, method, room.own), f"{method.upper()} {room.own.address} as a stranger"
            found.cells += 1
            _note(found, what, answer, BAKERY)
            if room.names_a_row and answer.response.status_code not in (403, 404, 405):
                found.problems.append(f"{what} answers {answer.response.status_code}")
            if room.names_a_row:
                found.cells += 1
                _note(found, f"{method.upper()} {room.foreign.address}", _ask(client, method, room.foreign), BAKERY)
    for what, address in _questions(house):
        found.cells += 1
        _note(found, what, _ask(client, "get", Place(address)), BAKERY)
    _act_on_others(house, client, found)
    return found


def _questions(house: House) -> Iterator[tuple[str, str]]:
    """Lists narrowed to Bakery's rows, searched for its words, and suggestions of fields that name rows."""
    part_of_marker = BAKERY[:8]
    yield "search everywhere", f"{reverse('admin:search')}?s={part_of_marker}"
    for model, model_admin in admin.site._registry.items():
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        address = reverse(f"{base}_changelist")
        yield f"search in {address}", f"{address}?q={part_of_marker}"
        for name, value in _filters(model_admin, house.bakery):
            yield f"{address} by {name}", f"{address}?{name}={value}"
        for related in model._meta.get_fields():
            if isinstance(related, ForeignKey):
                label = f"app_label={model._meta.app_label}&model_name={model._meta.model_name}"
                question = f"{label}&field_name={related.name}&term={part_of_marker}"
                yield f"suggestions for {related}", f"{reverse('admin:autocomplete')}?{question}"


def _filters(model_admin: ModelAdmin[Any], rooms: Rooms) -> Iterator[tuple[str, object]]:
    for one in model_admin.list_filter:
        if isinstance(one, type) and issubclass(one, SimpleListFilter):
            yield one.parameter_name, next(iter(rooms.values())).pk
        elif isinstance(one, tuple | str):
            path = one if isinstance(one, str) else one[0]
            row = rooms.get(_target(model_admin.model, path) or Model)
            yield (f"{path}__id__exact", row.pk) if row else (f"{path}__exact", BAKERY[:8])


def _target(model: type[Model], path: str) -> type[Model] | None:
    """The model to which a path of fields leads, if it leads to one."""
    target: type[Model] | None = model
    for part in path.split("__"):
        related = target._meta.get_field(part).related_model if target is not None else None
        target = related if isinstance(related, type) else None
    return target


def _act_on_others(house: House, client: Client, found: Found) -> None:
    """An action that is told to take Bakery's rows changes none of them."""
    for model, model_admin in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        row = house.bakery[model]
        for name in model_admin.actions or ():
            answer = _ask(client, "post", Place(address, {"action": name, "_selected_action": [str(row.pk)]}))
            found.cells += 1
            _note(found, f"{name} on {address}", answer, BAKERY)


def walk_as_nobody(house: House) -> Found:
    """Whoever is not signed in is sent to sign in, and sees nothing of anybody."""
    found = Found()
    client = _client(None)
    for room in house.rooms():
        for method in ("get", "post"):
            answer, what = _ask(client, method, room.own), f"{method.upper()} {room.own.address} as nobody"
            found.cells += 1
            for marker in (BAKERY, CINEMA):
                _note(found, what, answer, marker)
            if answer.response.status_code not in (302, 403, 404) and room.name not in PAGES_OF_NOBODY:
                found.problems.append(f"{what} answers {answer.response.status_code}")
    return found


# Signing in, and what any page loads: words for scripts.
PAGES_OF_NOBODY = {"login", "jsi18n"}


# --- What is expected -------------------------------------------------------------------------------------------------


def differences(who: str, found: Found) -> list[str]:
    """Where access is not what is written down, each with what to do."""
    letter = ROLES[who]
    wrong = []
    for name, letters in found.access.items():
        table, rows = ("ACTIONS", ACTIONS) if ":" in name else ("PAGES", PAGES)
        wanted = rows.get(name)
        if wanted is None:
            wrong.append(f"{name} has no row: add it to {table} in tests/isolation/expectations.py ({who}: {letters})")
            continue
        expected = "".join(letter if letter in column else "-" for column in wanted)
        if letters != expected:
            wrong.append(f"{name} as {who}: GET and POST are {letters!r}, {table} says {expected!r}")
    known = PAGES.keys() | ACTIONS.keys()
    return wrong + [f"{name} is gone: take its row away" for name in sorted(known - found.access.keys())]
