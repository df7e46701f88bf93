"""A marketer at work: signs in, changes a website's email tracking, sees it take effect. With mouse, then keyboard."""

from __future__ import annotations

from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Organization
from campaigns.models import Campaign, Email
from common.tenancy import tenant
from consent.models import PolicyProposal, Topic
from consent.rules import ChoiceValue
from tests.browser.conftest import picture
from tests.support.cast import PASSWORD, Cast
from tests.support.world import choose, make_participant, make_topic, make_website, subscribe_to
from websites.models import EmailTrackingVersion, Website

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]

BODY = """<p>Hello {{ first_name }}, <a href="https://shop.example/bread">our bread</a></p>"""


def make_email(organization: Organization, website: Website, topic: Topic) -> Email:
    with tenant(organization.pk):
        campaign = Campaign.objects.create(organization=organization, website=website, name="Autumn")
        return Email.objects.create(
            organization=organization,
            campaign=campaign,
            name="November",
            topic=topic,
            subject="Fresh bread",
            body_format="html",
            body=BODY,
        )


@pytest.fixture
def email(cast: Cast, now: datetime) -> Email:
    """An email to two subscribers, one of whom said yes, of a website on Never track."""
    website = make_website(cast.bakery, cast.ana, now=now)
    topic = make_topic(cast.bakery, website)
    for name in ("yes", "silent"):
        person = make_participant(cast.bakery, f"{name}@home.example", now=now, country="BE")
        subscribe_to(cast.bakery, person, topic, now=now)
        if name == "yes":
            choose(cast.bakery, person, opens=ChoiceValue.YES, clicks=ChoiceValue.YES, now=now)
    return make_email(cast.bakery, website, topic)


def sign_in(page: Page, address: str) -> None:
    page.goto("/console/")
    page.get_by_label("Email address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Bakery")).to_be_visible()


def leave(page: Page) -> None:
    """Whoever sits here goes, and the next one signs in."""
    page.context.clear_cookies()


def test_d5_a_loosening_is_proposed_confirmed_by_another_and_seen_in_the_preview(
    page: Page, cast: Cast, email: Email
) -> None:
    preview = f"/console/campaigns/email/{email.pk}/preview/"
    sign_in(page, cast.ana.email)
    picture(page, "overview")
    page.goto(preview)
    expect(page.locator("[data-tracking=never]")).to_be_visible()
    expect(page.get_by_text("One open pixel")).to_have_count(0)
    picture(page, "preview-never")

    page.locator('a[href="/console/websites/website/"]').first.click()
    page.get_by_role("link", name="Daily bread").first.click()
    page.get_by_role("radio", name="By consent").check()
    page.get_by_label("Reason for the change").fill("People are asked in the form.")
    picture(page, "website")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Waits for a second person: Email tracking: By consent")).to_be_visible()
    page.goto(preview)
    expect(page.locator("[data-tracking=never]")).to_be_visible()

    leave(page)
    sign_in(page, cast.dana.email)
    picture(page, "overview-waiting")
    waiting = page.get_by_role("article", name="Daily bread: Email tracking: By consent")
    waiting.get_by_label("Opinion or note").fill("As it should be.")
    with page.expect_navigation():
        waiting.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Confirmed: it counts for copies decided from now on.")).to_be_visible()
    expect(waiting).to_have_count(0)

    page.goto(preview)
    expect(page.locator("[data-tracking=by_consent]")).to_be_visible()
    expect(page.get_by_text("One open pixel")).to_be_visible()
    expect(page.get_by_text("1 tracked link", exact=True)).to_be_visible()
    for frame in page.locator("iframe").all():
        expect(frame.content_frame.get_by_role("link", name="our bread")).to_be_visible()
    picture(page, "preview-by-consent")
    with tenant(cast.bakery.pk):
        version = EmailTrackingVersion.objects.get(number=2)
    assert (version.email_tracking, version.proposed_by, version.author, version.reason) == (
        "by_consent",
        cast.ana,
        cast.dana,
        "People are asked in the form.",
    )


def test_the_same_by_keyboard_alone(page: Page, cast: Cast, email: Email) -> None:
    sign_in(page, cast.ana.email)
    page.goto(f"/console/websites/website/{email.campaign.website_id}/change/")
    page.get_by_role("radio", name="Never track").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="By consent")).to_be_checked()
    page.get_by_label("Reason for the change").focus()
    page.keyboard.type("By keyboard.")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    with tenant(cast.bakery.pk):
        assert PolicyProposal.objects.get().wanted == {"email_tracking": "by_consent"}
