"""Every address and action of the console, found in the resolver and the registry, and who gets where.

``tests/isolation/test_matrix.py`` and ``make prove-tenants`` ask them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db import transaction
from django.db.models import ForeignKey, Model
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from accounts.models import User
from campaigns.models import Campaign, Launch
from delivery.models import ServiceMessage
from intake.models import EntryForm, FormField
from participants.models import Participant
from tests.isolation.expectations import ACTIONS, PAGES
from tests.isolation.rooms import Rooms, furnish
from tests.support.cast import Cast
from websites.models import Website

BAKERY = "bakery-secret-7f3a"
CINEMA = "cinema-secret-c2d8"
PERSON = f"{BAKERY}@home.example".encode()
ROLES = {"owner": "o", "marketer": "m", "dpo": "d", "viewer": "v"}
# Whoever goes there is signed out and asks in vain everywhere else.
LEFT_OUT = {"logout"}
# Second arguments, by the name of the address where no other fits; else these are tried in turn.
SECONDS = ("measured", "1", "csv", "campaigns")
BELONGS_TO = {"reporting": Launch}
# Addresses that name other rows than those of their model.
NAMED: dict[str, tuple[type[Model], ...]] = {
    "delivery_uncertainmessage_single": (ServiceMessage,),
    "intake_entryform_of_campaign": (Campaign,),
    "intake_entryform_field": (EntryForm, FormField),
    "intake_entryform_press": (EntryForm, FormField),
    "privacy_personrequest_export": (Participant,),
    "privacy_personrequest_erase": (Participant,),
    "privacy_personrequest_inactivity_rule": (Website,),
}


@dataclass(frozen=True)
class Room:
    """One address. ``own`` and ``foreign`` name a row of Bakery and of Cinema; the same where none is named."""

    name: str
    own: str
    foreign: str

    @property
    def names_a_row(self) -> bool:
        return self.own != self.foreign


@dataclass
class Found:
    """What a walk saw. ``access`` says by name what answered: an "o" for the first, a "-" for what is closed."""

    cells: int = 0
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
        own = dict(_addresses(self.bakery))
        foreign = dict(_addresses(self.cinema))
        for name, address in own.items():
            yield Room(name, address, foreign[name])

    def member(self, who: str) -> User | None:
        people = {"owner": "ana", "marketer": "max", "dpo": "dana", "viewer": "ben", "stranger": "cleo"}
        return getattr(self.cast, people[who]) if who in people else None


def make_house(cast: Cast, now: datetime) -> House:
    bakery = furnish(cast.bakery, cast.ana, colleague=cast.ben, now=now, marker=BAKERY)
    cinema = furnish(cast.cinema, cast.cleo, colleague=cast.cleo, now=now, marker=CINEMA)
    return House(cast, bakery, cinema)


# --- Where there is something to ask ----------------------------------------------------------------------------------


def _patterns(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns)
        elif pattern.name:
            yield pattern


def _addresses(rooms: Rooms) -> Iterator[tuple[str, str]]:
    """Every address of the console by its name, with the rows of one organization."""
    assert get_resolver().url_patterns, "the addresses find the console's pages"
    rows = {f"{model._meta.app_label}_{model._meta.model_name}_": row for model, row in rooms.items()}
    for pattern in _patterns(admin.site.urls[0]):
        name = str(pattern.name)
        if name in LEFT_OUT:
            continue
        if name in NAMED:
            yield name, reverse(f"admin:{name}", args=[rooms[model].pk for model in NAMED[name]])
            continue
        arguments = re.findall(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>", str(pattern.pattern))
        row = next((row for prefix, row in rows.items() if name.startswith(prefix)), None)
        row = row or rooms.get(BELONGS_TO.get(name.partition("_")[0], Model))
        yield name, _reverse(name, len(arguments), row)


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


def _ask(client: Client, method: str, address: str, data: dict[str, Any] | None = None) -> HttpResponseBase:
    """What is answered; what it changed is taken back."""
    with transaction.atomic():
        response = getattr(client, method)(address, data or {})
        transaction.set_rollback(True)
    return response  # type: ignore[no-any-return]


def _body(response: HttpResponseBase) -> bytes:
    if response.streaming:
        return b"".join(response.streaming_content)  # type: ignore[attr-defined]
    return bytes(response.content)  # type: ignore[attr-defined]


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
            response = _ask(client, method, room.own)
            found.cells += 1
            letters += ROLES[who] if _is_open(response) else "-"
            _note(found, f"{method.upper()} {room.own} as {who}", response, CINEMA)
            if who == "viewer" and PERSON in _body(response):
                found.problems.append(f"{method.upper()} {room.own} shows a viewer a person's address")
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


def _note(found: Found, what: str, response: HttpResponseBase, marker: str) -> None:
    if response.status_code >= 500:
        found.problems.append(f"{what} answers {response.status_code}")
    if marker.encode() in _body(response):
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
            response = _ask(client, method, room.own)
            found.cells += 1
            _note(found, f"{method.upper()} {room.own} as a stranger", response, BAKERY)
            if room.names_a_row and response.status_code not in (403, 404, 405):
                found.problems.append(f"{method.upper()} {room.own} answers a stranger {response.status_code}")
            if room.names_a_row:
                found.cells += 1
                _note(found, f"{method.upper()} {room.foreign}", _ask(client, method, room.foreign), BAKERY)
    for what, address in _questions(house):
        found.cells += 1
        _note(found, what, _ask(client, "get", address), BAKERY)
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
    target: Any = model
    for part in path.split("__"):
        target = target._meta.get_field(part).related_model
    return target  # type: ignore[no-any-return]


def _act_on_others(house: House, client: Client, found: Found) -> None:
    """An action that is told to take Bakery's rows changes none of them."""
    for model, model_admin in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        row = house.bakery[model]
        for name in model_admin.actions or ():
            response = _ask(client, "post", address, {"action": name, "_selected_action": [str(row.pk)]})
            found.cells += 1
            _note(found, f"{name} on {address}", response, BAKERY)


def walk_as_nobody(house: House) -> Found:
    """Whoever is not signed in is sent to sign in, and sees nothing of anybody."""
    found = Found()
    client = _client(None)
    for room in house.rooms():
        for method in ("get", "post"):
            response = _ask(client, method, room.own)
            found.cells += 1
            for marker in (BAKERY, CINEMA):
                _note(found, f"{method.upper()} {room.own} as nobody", response, marker)
            if response.status_code not in (302, 403, 404) and room.name not in PAGES_OF_NOBODY:
                found.problems.append(f"{method.upper()} {room.own} answers nobody {response.status_code}")
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
