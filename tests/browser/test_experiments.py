"""Answer buttons and an A/B test: written by keyboard, answered and decided, on a desk and on a phone."""

from __future__ import annotations

from datetime import datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from campaigns.models import DeclaredReply, Email, SplitTest
from common.keys import encode_key
from common.tenancy import tenant
from delivery.models import Mailing, MailingState, Message, MessageStatus
from tests.browser.conftest import picture
from tests.browser.test_console import sign_in
from tests.campaigns.world import BODY, make_campaign, make_email, reply_key_for
from tests.support.cast import Cast
from tests.support.world import make_participant, make_topic, make_website, subscribe_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]
# Half of them are drawn by a key of chance: with few, that is sometimes nobody or everybody.
PEOPLE = 24


@pytest.fixture
def email(cast: Cast, now: datetime) -> Email:
    website = make_website(cast.bakery, cast.ana, now=now)
    topic = make_topic(cast.bakery, website)
    for number in range(PEOPLE):
        person = make_participant(cast.bakery, f"p{number}@home.example", now=now)
        subscribe_to(cast.bakery, person, topic, now=now)
    campaign = make_campaign(cast.bakery, website, now=now)
    asking = BODY.replace("</mj-text>", "{% question 1 %}</mj-text>")
    return make_email(cast.bakery, campaign, topic, now=now, body=asking)


def look(page: Page, name: str) -> None:
    """As wide as the window, without a fault that axe finds, at both sizes."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        picture(page, f"{name}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
    faults = Axe().run(page, ".pli-page" if page.locator(".pli-page").count() else None).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == [], name


def test_a_question_is_written_and_answered_and_a_test_is_launched_and_decided(
    page: Page, cast: Cast, email: Email, now: datetime
) -> None:
    bakery = cast.bakery
    sign_in(page, "max@bakery.example")
    page.goto(f"/console/campaigns/email/{email.pk}/questions/")
    page.get_by_label("Question", exact=True).fill("More rye?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1. More rye?")).to_be_visible()
    look(page, "questions")
    page.goto(f"/console/campaigns/email/{email.pk}/variants/")
    page.locator("#subject-B").fill("Other bread")
    page.locator("#share").fill("50")
    page.get_by_label("What decides").select_option("replies")
    page.get_by_label("Question (for answers)").select_option(index=1)
    page.get_by_role("button", name="Keep the test").click()
    look(page, "variants")
    page.get_by_role("link", name="version B").press("Enter")
    expect(page.locator("#preview-subject")).to_have_text("Other bread")
    expect(page.get_by_label("A/B test")).to_have_value("B")
    look(page, "preview-version")
    page.go_back()
    page.get_by_role("link", name="Send…").click()
    expect(page.get_by_role("heading", name="A/B test")).to_be_visible()
    look(page, "send-versions")
    page.get_by_role("button", name="Send", exact=True).click()
    with tenant(bakery.pk):
        test = SplitTest.objects.get()
        Message.objects.update(status=MessageStatus.SENT, sent_at=now)
        Mailing.objects.update(state=MailingState.DONE)
        message = Message.objects.order_by("pk").first()
        assert message is not None
        key = reply_key_for(message)
    page.goto(f"/console/campaigns/email/{email.pk}/variants/{test.pk}/")
    look(page, "split-test")
    page.get_by_label("Choose yourself").select_option("B")
    page.get_by_role("button", name="Send the rest with this version").click()
    expect(page.get_by_text("Version B was chosen by a person")).to_be_visible()
    page.goto(f"/a/{encode_key(key)}/1/2?lang=en")
    look(page, "reply")
    page.get_by_role("radio").nth(1).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("You answered:")
    look(page, "reply-given")
    with tenant(bakery.pk):
        assert DeclaredReply.objects.get().answer == 1
        assert Message.objects.values("participant").distinct().count() == Message.objects.count() == PEOPLE
