"""The page before a launch, on a desk and on a phone: forecast, privacy check, messages side by side; by keyboard."""

from __future__ import annotations

from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from campaigns.models import Email, EmailKind
from consent.rules import ChoiceValue
from tests.browser.conftest import picture
from tests.browser.test_console import sign_in
from tests.campaigns.world import make_campaign, make_email, take_part
from tests.support.cast import Cast
from tests.support.world import choose, make_participant, make_topic, make_website, subscribe_to
from websites.rules import EmailTracking

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]

BODY = (
    "<mjml><mj-body><mj-section><mj-column>\n"
    "<mj-text>Hello {{ first_name }},"
    ' <a href="https://shop.example/voucher?code={{ attributes.code }}">yours</a></mj-text>\n'
    '<mj-image src="https://shop.example/spacer.gif" width="1px" height="1px" alt="" />\n'
    "</mj-column></mj-section></mj-body></mjml>"
)


@pytest.fixture
def email(cast: Cast, now: datetime) -> Email:
    website = make_website(cast.bakery, cast.ana, tracking=EmailTracking.BY_CONSENT, now=now)
    topic = make_topic(cast.bakery, website)
    campaign = make_campaign(cast.bakery, website, now=now)
    for name, country, answer in (("yes", "BE", ChoiceValue.YES), ("no", "FR", ChoiceValue.NO), ("silent", "", None)):
        person = make_participant(
            cast.bakery, f"{name}@home.example", first_name=name.title(), country=country, attributes={"code": name},
            now=now,
        )  # fmt: skip
        subscribe_to(cast.bakery, person, topic, now=now)
        take_part(cast.bakery, campaign, person, now=now)
        if answer:
            choose(cast.bakery, person, opens=answer, clicks=answer, now=now)
    return make_email(cast.bakery, campaign, topic, body=BODY, now=now)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_launch_is_reviewed_and_a_link_declared_by_keyboard(page: Page, cast: Cast, email: Email) -> None:
    sign_in(page, "max@bakery.example")
    page.goto(f"/console/campaigns/email/{email.pk}/send/")
    for heading in ("Who will be measured", "Privacy check", "What differs between the messages"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.locator('[data-forecast="opens-measured"]')).to_have_text("1")
    expect(page.locator("[data-differs] ins").first).to_be_visible()
    page.get_by_text("By country of people").focus()
    page.keyboard.press("Enter")
    expect(page.locator('[data-country="FR"]')).to_be_visible()
    picture(page, "launch-review")
    page.get_by_text("Declare it as a functional link").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("v")
    page.keyboard.press("Tab")
    page.keyboard.type("A voucher of one’s own")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The link is declared functional.")).to_be_visible()
    expect(page.locator("[data-finding=attribute_in_url]")).to_have_count(0)
    picture(page, "email-privacy-check")
    page.goto(f"/console/campaigns/email/{email.pk}/compare/")
    page.get_by_label("Show only differences").check()
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".campaigns-folded").first).to_be_visible()
    picture(page, "messages-side-by-side")


def test_the_pages_fit_a_phone(page: Page, cast: Cast, email: Email) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, "max@bakery.example")
    asking = BODY.replace("?code={{ attributes.code }}", "").replace("Hello", '<a href="{{ consent_url }}">May we?</a>')
    kind = {"kind": EmailKind.CONSENT_REQUEST, "purpose": "transactional", "name": "Question"}
    asks = make_email(cast.bakery, email.campaign, body=asking, now=email.created_at, **kind)
    for name, address in (
        ("phone-launch", f"campaigns/email/{email.pk}/send/"),
        ("phone-request", f"campaigns/email/{asks.pk}/send/"),
        ("phone-compare", f"campaigns/email/{email.pk}/compare/"),
        ("phone-move", "intake/consentmove/add/?attribute=code"),
        ("phone-exports", "intake/peopleexport/"),
    ):
        page.goto(f"/console/{address}")
        picture(page, name)
        assert fits(page), name
