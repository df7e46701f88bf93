"""Public addresses: none without an example, each with its headers, and nothing of an organization to its strangers.

The examples are those of the crawl (``tests/support/crawl.py``); what leads to them comes from the resolver.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import path

from config import urls, views
from tests.isolation.answers import directives, faults_of
from tests.support.cast import Cast
from tests.support.crawl import World, asgi_paths, make_world, missing_examples

pytestmark = pytest.mark.django_db

# Of people who have a key and no account: no script, no neighbour, no referrer.
RECIPIENTS = (
    "preferences", "unsubscribe", "own_data", "own_data, used", "stay", "web_version", "reply", "participation",
    "confirm-address",
)  # fmt: skip
# Answered by tracking/asgi.py; tests/tracking/test_asgi.py looks at what they say.
BEFORE_DJANGO = ("pixel", "click")
# An email in a sandbox, and the console, whose policy tests/isolation/answers.py looks at.
NOT_STRICT = ("web_version", "console", "console, sign in")
OF_ACCOUNTS = ("account_", "mfa_", "usersessions_", "socialaccount_", "sign_on")


@pytest.fixture
def world(cast: Cast) -> World:
    return make_world(cast, datetime.now(UTC) - timedelta(seconds=1))


def test_every_public_address_has_an_example_and_a_new_one_fails(world: World, settings: LazySettings) -> None:
    assert missing_examples(world.pages) == set()
    with_more = ModuleType("urls_with_more")
    with_more.urlpatterns = [  # type: ignore[attr-defined]
        *urls.urlpatterns,
        path("invented/<str:key>", views.healthz, name="preferences"),
        path("another/", views.healthz),
        path("third", views.healthz, name="third"),
    ]
    sys.modules[with_more.__name__] = with_more
    try:
        settings.ROOT_URLCONF = with_more.__name__
        assert missing_examples(world.pages) == {"invented/<str:key>", "another/", "third"}
    finally:
        del sys.modules[with_more.__name__]


def test_every_public_page_has_its_headers(world: World) -> None:
    wrong, strict = {}, 0
    for name, page in world.pages.items():
        if name in asgi_paths() or name in BEFORE_DJANGO:
            continue
        answer = Client().get(page.path)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        found: list[object] = [*faults_of(answer, body)]
        if "unsafe" in answer.headers["Content-Security-Policy"] and name not in NOT_STRICT:
            found.append(answer.headers["Content-Security-Policy"])
        if name in RECIPIENTS:
            strict += 1
            policy = directives(answer.headers["Content-Security-Policy"])
            found += [policy] if policy["default-src"] != ["'none'"] or "script-src" in policy else []
            found += [] if answer.headers["Referrer-Policy"] == "no-referrer" else ["tells where somebody comes from"]
            found += [answer.cookies] if answer.cookies else []
        if found:
            wrong[name] = found
    assert wrong == {}
    assert strict == len(RECIPIENTS)


def test_the_pages_of_an_account_show_nothing_of_other_organizations(world: World, cast: Cast) -> None:
    pages = {name: page for name, page in world.pages.items() if name.startswith(OF_ACCOUNTS)}
    shown = {}
    for member, own, other in ((cast.ana, b"Bakery", b"Cinema"), (cast.cleo, b"Cinema", b"Bakery")):
        client = Client()
        client.force_login(member)
        answers = {name: client.get(page.path) for name, page in pages.items()}
        assert [name for name, answer in answers.items() if other in answer.content] == []
        assert [name for name, answer in answers.items() if answer.status_code >= 500] == []
        shown[own] = [name for name, answer in answers.items() if own in answer.content]
    assert all("account_organizations" in names for names in shown.values()), "nothing was shown to anybody"
    assert len(pages) > 25
