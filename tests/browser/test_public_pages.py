"""A recipient on a phone, in French, by keyboard: the choices, the link to one's own data, and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from common.keys import encode_key
from common.tenancy import tenant
from tests.browser.conftest import picture
from tests.privacy.pages import Home, ask_to_stay, make_home
from tests.support.cast import Cast
from websites.models import ConsentScope, Website

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]

PHONE = {"width": 390, "height": 844}
WCAG_2_2_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def home(cast: Cast, now: datetime) -> Home:
    """All that a page can show: totals that are counted, a second scope, and a topic to subscribe to."""
    home = make_home(cast, now, locale="fr-BE")
    with tenant(cast.bakery.pk):
        Website.objects.update(opens_fallback="anonymous")
        ConsentScope.objects.create(organization=cast.bakery, name="Cakes")
    return home


@pytest.fixture
def phone(browser: Browser, server: str) -> Iterator[Page]:
    """Without JavaScript, as the pages are made."""
    context = browser.new_context(base_url=server, viewport=PHONE, java_script_enabled=False)
    yield context.new_page()
    context.close()


def press(page: Page, target: Locator) -> None:
    """Go to something by the Tab key alone, and press it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            break
    expect(target).to_be_focused()
    page.keyboard.press("Enter")


def test_c9_two_clicks_on_a_phone_in_french(phone: Page, home: Home) -> None:
    phone.goto(home.preferences)
    expect(phone.locator("html")).to_have_attribute("lang", "fr")
    picture(phone, "preferences-phone")
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    # Nothing is ticked for the person, and a yes is no bigger than a no.
    assert phone.locator("input:checked").count() == 0
    yes, no = phone.locator("button[value=yes]").first, phone.locator("button[value=no]").first
    sizes = [(box["width"], box["height"]) for box in (yes.bounding_box(), no.bounding_box()) if box]
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]
    press(phone, no)
    expect(phone.get_by_role("status")).to_be_visible()
    picture(phone, "preferences-saved-phone")
    choice = home.choice()
    assert choice is not None
    assert (choice.opens, choice.clicks) == ("no", "no")


def test_h3_a_fresh_link_by_keyboard_opens_and_erases(phone: Page, home: Home) -> None:
    phone.goto(home.preferences)
    press(phone, phone.locator("form:has(input[value=link]) button"))
    expect(phone.get_by_role("status")).to_be_visible()
    phone.goto(home.link())
    picture(phone, "own-data-closed-phone")
    press(phone, phone.locator("button[value=open]"))
    expect(phone.get_by_text("Fresh bread for Zoe")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(phone, "own-data-phone")
    press(phone, phone.locator("button[value=erase]"))
    expect(phone.locator("button[value=erase_now]")).to_be_visible()
    picture(phone, "own-data-erase-phone")


def test_d1_unsubscribing_by_keyboard_and_back(phone: Page, home: Home) -> None:
    phone.goto(home.unsubscribe)
    picture(phone, "unsubscribe-phone")
    press(phone, phone.locator("button[value=topic]"))
    expect(phone.get_by_role("status")).to_be_visible()
    assert home.subscribed() == set()
    press(phone, phone.locator("button[value=again]"))
    expect(phone.get_by_role("status")).to_be_visible()
    assert home.subscribed() == {"Weekly news"}


def problems(page: Page) -> list[tuple[Any, ...]]:
    """What axe-core finds, each with the place."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_2_2_AA}}).response
    assert found["passes"]
    return [(one["id"], node["target"], node["failureSummary"]) for one in found["violations"] for node in one["nodes"]]


def walk(page: Page, home: Home) -> Iterator[str]:
    """Every page of a person, each once, and what it says after a choice."""
    page.goto(home.preferences)
    yield "preferences"
    page.locator("button[value=yes]").first.click()
    yield "preferences, saved"
    page.locator("form:has(input[value=link]) button").click()
    page.goto(home.link())
    yield "own data, closed"
    page.locator("button[value=open]").click()
    yield "own data"
    page.locator("input[name=new_email]").fill("zoe@new.example")
    page.locator("button[value=address]").click()
    yield "own data, address asked"
    page.locator("button[value=erase]").click()
    yield "own data, erase"
    page.goto(home.link("fresh_link_address"))
    yield "new address"
    page.goto(f"/s/{encode_key(ask_to_stay(home).key)}")
    yield "stay"
    page.goto(home.unsubscribe)
    yield "unsubscribe"
    page.locator("button[value=everything]").click()
    yield "unsubscribe, done"
    page.goto("/p/unknown")
    yield "unknown key"


@pytest.mark.parametrize(
    "colours", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}], ids=str
)
def test_axe_core_finds_nothing_on_a_phone_in_french(
    browser: Browser, server: str, home: Home, colours: dict[str, Any]
) -> None:
    context: BrowserContext = browser.new_context(
        base_url=server, viewport=PHONE, locale="fr", reduced_motion="reduce", **colours
    )
    # axe-core is run by the browser's own door for debugging, which the policy of the pages does not shut.
    page = context.new_page()
    for name in walk(page, home):
        assert problems(page) == [], name
        assert page.evaluate("document.documentElement.lang") == "fr"
    context.close()
