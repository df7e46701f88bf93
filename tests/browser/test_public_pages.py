"""A recipient on a phone, in French, by keyboard: the tracking choice and the way out."""

from __future__ import annotations

from datetime import datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from common.keys import encode_key
from common.tenancy import tenant
from consent.models import Choice
from consent.services import ensure_preference_keys
from participants.models import Participant
from tests.browser.conftest import picture
from tests.support.cast import Cast
from tests.support.world import make_participant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]


@pytest.fixture
def zoe(cast: Cast, now: datetime) -> Participant:
    return make_participant(cast.bakery, "zoe@home.example", now=now, locale="fr")


def test_c9_two_clicks_on_a_phone_in_french(browser: Browser, server: str, cast: Cast, zoe: Participant) -> None:
    with tenant(cast.bakery.pk):
        key = ensure_preference_keys(cast.bakery, [zoe.pk])[zoe.pk]
    context = browser.new_context(base_url=server, viewport={"width": 390, "height": 844}, java_script_enabled=False)
    page: Page = context.new_page()
    page.goto(f"/p/{encode_key(key)}")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    picture(page, "preferences-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Nothing is ticked for the person; the first two stops of the keyboard are a yes and a no of the same size.
    assert page.locator("input:checked").count() == 0
    yes, no = page.locator("form.both button").all()
    assert yes.bounding_box() is not None
    assert {box["width"] for box in (yes.bounding_box(), no.bounding_box()) if box} == {page_width(yes)}
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(no).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_be_visible()
    picture(page, "preferences-saved-phone")
    with tenant(cast.bakery.pk):
        choice = Choice.objects.get(participant=zoe)
    assert (choice.opens, choice.clicks) == ("no", "no")
    context.close()


def page_width(button: object) -> float:
    box = button.bounding_box()  # type: ignore[attr-defined]
    return float(box["width"])
