"""The officer's pages on a desk and on a phone: nothing runs over, the buttons are reached by keyboard."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from common.tenancy import tenant
from consent.rules import ChoiceValue
from participants.models import Participant
from privacy.services.erasure import erase_participant
from privacy.services.requests import open_request
from privacy.services.retention import apply_retention
from tests.browser.conftest import picture
from tests.support.cast import PASSWORD, Cast
from tests.support.world import choose, make_participant, make_website
from websites.models import Website

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]


def address(name: str, *args: object) -> str:
    return reverse(f"admin:privacy_personrequest_{name}", args=args)


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now)


@pytest.fixture
def person(cast: Cast, website: Website, now: datetime) -> Participant:
    jane, gone = (make_participant(cast.bakery, f"{name}@home.example", now=now) for name in ("jane", "gone"))
    choose(cast.bakery, gone, opens=ChoiceValue.YES, now=now)
    with tenant(cast.bakery.pk):
        open_request(cast.bakery, kind="access", participant=jane, channel="letter", now=now, details="All of it.")
    erase_participant(cast.bakery, gone, actor=cast.dana, reason="letter 9", now=now)
    apply_retention(cast.bakery, now=now, only_count=True)
    return jane


def test_the_officers_pages_fit_a_desk_and_a_phone(
    cast: Cast, person: Participant, website: Website, page: Page
) -> None:
    page.goto("/console/")
    page.get_by_label("Email address").fill(cast.dana.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    pages = {
        "requests": address("changelist"),
        "note": address("add"),
        "retention": address("retention"),
        "inactivity": address("inactivity"),
        "rule": address("inactivity_rule", website.pk),
        "proofs": address("proofs"),
        "leave": address("leave"),
        "erase": address("erase", person.pk),
    }
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for name, path in pages.items():
            page.goto(path)
            picture(page, f"duties-{name}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
    page.goto(pages["requests"])
    page.locator("#result_list a[href*='/change/']").first.click()
    expect(page.locator(".pli-h1")).to_contain_text("received on")
    picture(page, "duties-request-390")


def test_a_request_is_answered_by_keyboard(cast: Cast, person: Participant, page: Page) -> None:
    page.goto("/console/")
    page.get_by_label("Email address").fill(cast.dana.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto(f"{address('changelist')}?state=open")
    page.locator("#result_list a[href*='/change/']").first.focus()
    page.keyboard.press("Enter")
    page.get_by_label("What the person was answered").focus()
    page.keyboard.type("Sent by post.")
    page.get_by_role("button", name="Close the request").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The request is closed.")).to_be_visible()
    expect(page.get_by_text("Sent by post.")).to_be_visible()
