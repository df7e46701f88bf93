"""Every address and action of the console for every role, a stranger and nobody; every answer searched for markers.

The addresses come from the resolver and the registry. A new page, action or model fails here until its row is written:
pages and actions in ``expectations.py``, a model's example in ``rooms.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import Membership
from common.tenancy import tenant
from intake.models import Import
from participants.models import Participant
from tests.isolation.expectations import PAGES
from tests.isolation.matrix import (
    BAKERY,
    ROLES,
    Found,
    House,
    differences,
    make_house,
    walk,
    walk_as_nobody,
    walk_as_stranger,
)
from tests.support.cast import Cast
from websites.models import Website

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(cast: Cast, now: datetime) -> House:
    return make_house(cast, now)


def test_every_model_of_the_console_has_a_row(house: House) -> None:
    assert get_resolver().url_patterns, "the addresses find the console's pages"
    missing = [
        f"{model.__name__}: add an example to furnish() in tests/isolation/rooms.py"
        for model in admin.site._registry
        if model not in house.bakery
    ]
    assert missing == [], "\n".join(missing)
    assert len(admin.site._registry) > 20


@pytest.mark.parametrize("who", ROLES)
def test_a_member_gets_where_their_role_may(house: House, who: str) -> None:
    found = walk(house, who)
    _assert_clean(found)
    wrong = differences(who, found)
    assert wrong == [], "\n".join(wrong)
    assert found.cells > 2 * len(PAGES)
    assert found.formulas > (1 if who == "viewer" else 3), "no file holds what looks like a formula: nothing was shown"


def test_every_page_is_answered_to_somebody_or_to_nobody_for_a_reason(house: House) -> None:
    closed = {name for name, columns in PAGES.items() if set(columns) == {"-"}}
    # What the console has no form for: rows that come about otherwise, and rows that stay.
    by_django = {name for name in closed if name.endswith(("_add", "_delete"))} | {"view_on_site"}
    assert closed == by_django


def test_every_address_of_the_console_has_a_name_of_its_own() -> None:
    assert get_resolver().url_patterns, "the addresses find the console's pages"
    named: dict[str, set[str]] = {}
    for pattern, route in _console_patterns(admin.site.urls[0], ""):
        named.setdefault(str(pattern.name or "nameless"), set()).add(route)
    # Django's own: the old address of a row, and whatever else there is not.
    assert {route.rpartition("/<")[2] for route in named.pop("nameless")} <= {"path:object_id>/", "(?P<url>.*)$"}
    assert {name: routes for name, routes in named.items() if len(routes) > 1} == {}


def _console_patterns(patterns: Iterable[URLPattern | URLResolver], before: str) -> Iterator[tuple[URLPattern, str]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _console_patterns(pattern.url_patterns, route)
        else:
            yield pattern, route


def test_a_stranger_gets_nowhere_and_sees_nothing(house: House) -> None:
    found = walk_as_stranger(house)
    _assert_clean(found)
    assert found.cells > 300


def test_nobody_is_sent_to_sign_in(house: House) -> None:
    _assert_clean(walk_as_nobody(house))


def test_a_person_without_organization_sees_no_console(cast: Cast) -> None:
    with tenant(cast.cinema.pk):
        Membership.objects.filter(user=cast.cleo).delete()
    client = Client()
    client.force_login(cast.cleo)
    for model in (Website, Participant, Import):
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(address).status_code != 200


def test_the_search_for_markers_can_fail(house: House) -> None:
    """Whom the rows belong to sees their marker on the list of nearly every model."""
    client = Client()
    client.force_login(house.cast.ana)
    lists = {
        model.__name__: reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    }
    shown = {name for name, address in lists.items() if BAKERY in client.get(address).content.decode()}
    # A list of members names people alone; the register of requests names nobody.
    assert set(lists) - shown <= {"Membership", "PersonRequest"}


def test_a_page_without_a_row_names_the_row(house: House) -> None:
    found = Found(access={"campaigns_campaign_invented": "o-"})
    assert differences("owner", found)[0] == (
        "campaigns_campaign_invented has no row: add it to PAGES in tests/isolation/expectations.py (owner: o-)"
    )


def _assert_clean(found: Found) -> None:
    assert found.markers == [], "\n".join(found.markers)
    assert found.problems == [], "\n".join(found.problems)
