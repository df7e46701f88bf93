"""Segments and the audience of a launch, on a desk and on a phone, by keyboard."""

from __future__ import annotations

from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from campaigns.models import Email, Segment
from common.tenancy import tenant
from tests.browser.conftest import picture
from tests.browser.test_console import sign_in
from tests.campaigns.world import make_campaign, make_email
from tests.support.cast import Cast
from tests.support.world import make_participant, make_topic, make_website, subscribe_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]


@pytest.fixture
def email(cast: Cast, now: datetime) -> Email:
    website = make_website(cast.bakery, cast.ana, now=now)
    topic = make_topic(cast.bakery, website)
    for name, country in (("bea", "BE"), ("bob", "BE"), ("fred", "FR")):
        person = make_participant(cast.bakery, f"{name}@home.example", country=country, now=now)
        subscribe_to(cast.bakery, person, topic, now=now)
    return make_email(cast.bakery, make_campaign(cast.bakery, website, now=now), topic, now=now)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_segment_counts_while_it_is_typed_and_narrows_a_launch(page: Page, cast: Cast, email: Email) -> None:
    sign_in(page, "max@bakery.example")
    page.goto("/console/campaigns/segment/add/")
    page.get_by_label("Name", exact=True).fill("Belgians")
    page.get_by_label("About", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("Countries").select_option(["BE"])
    expect(page.locator("#segment-people")).to_have_text("2")
    page.locator("[name=row-0-op]").select_option("not_in")
    expect(page.locator("#segment-people")).to_have_text("1")
    page.locator("[name=row-0-op]").select_option("in")
    page.get_by_label("About", exact=True).select_option("engagement")
    page.get_by_role("button", name="Add a condition").click()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        picture(page, f"segment-{width}")
        assert fits(page), width
    page.get_by_role("button", name="Remove condition 2").click()
    page.get_by_role("button", name="Save").click()
    with tenant(cast.bakery.pk):
        segment = Segment.objects.get()
    page.goto(f"/console/campaigns/email/{email.pk}/send/")
    page.get_by_label("Only the people of a segment").select_option(str(segment.pk))
    page.get_by_role("button", name="Use this audience").click()
    expect(page.locator("#audience-count")).to_have_text("2")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        picture(page, f"send-audience-{width}")
        assert fits(page), width
    page.goto("/console/campaigns/trialgroup/add/")
    picture(page, "test-group-390")
    assert fits(page)
