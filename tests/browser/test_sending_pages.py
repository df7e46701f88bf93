"""Watching a launch while it is sent, and deciding about messages in doubt, by keyboard and on a phone too."""

from __future__ import annotations

from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from campaigns.models import Launch
from common.tenancy import tenant
from delivery.models import Mailing, Message
from delivery.sending_models import Alert
from tests.browser.conftest import picture
from tests.browser.test_connections import fits, sign_in
from tests.campaigns.world import make_campaign, make_email
from tests.delivery.world import make_world
from tests.support.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]
PHONE, DESK = {"width": 390, "height": 800}, {"width": 1280, "height": 900}


@pytest.fixture
def launch(cast: Cast, now: datetime, server: str) -> Launch:
    world = make_world(cast, now)
    mailing = world.mailing([world.person(f"p{number}") for number in range(8)])
    email = make_email(cast.bakery, make_campaign(cast.bakery, world.website, now=now), world.topic, now=now)
    with tenant(cast.bakery.pk):
        Mailing.objects.update(state="sending")
        return Launch.objects.create(organization=cast.bakery, email=email, mailing=mailing)


def change(cast: Cast, count: int, **fields: object) -> None:
    with tenant(cast.bakery.pk):
        ids = Message.objects.filter(status="queued").order_by("pk").values_list("pk", flat=True)[:count]
        Message.objects.filter(pk__in=list(ids)).update(**fields)


def looked_at(page: Page, name: str) -> None:
    for size, suffix in ((DESK, ""), (PHONE, "-phone")):
        page.set_viewport_size(size)
        assert fits(page), name
        picture(page, f"{name}{suffix}")
    page.set_viewport_size(DESK)


def test_a_launch_is_watched_and_its_doubts_are_decided(page: Page, cast: Cast, launch: Launch, now: datetime) -> None:
    sign_in(page, cast)
    page.goto(f"/console/reports/{launch.pk}/")
    left = page.locator("[data-show=left]")
    expect(left).to_have_text("8")
    change(cast, 5, status="sent", sent_at=now)
    change(cast, 2, status="unknown", uncertain_at=now, error="421 4.7.0 <b>Busy</b>")
    expect(left).to_have_text("1")
    expect(page.locator("[data-show=unknown]")).to_have_text("2")
    expect(page.get_by_role("link", name="Show it as it is now")).to_be_hidden()
    looked_at(page, "launch-progress")
    with tenant(cast.bakery.pk):
        Mailing.objects.update(state="paused", pause_reason="Too many copies reach nobody: 12 of 200 (6.0 %).")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()

    page.get_by_role("link", name="May have been sent: 2").press("Enter")
    looked_at(page, "unknown-list")
    page.get_by_role("link", name="p5@example.org").press("Enter")
    expect(page.get_by_text("421 4.7.0 <b>Busy</b>")).to_be_visible()
    looked_at(page, "unknown-message")
    page.get_by_role("button", name="Count as sent").press("Enter")
    expect(page.get_by_text("1 message counts as sent.")).to_be_visible()
    page.locator("input.action-select").check()
    page.locator("select[name=action]").select_option("send_again")
    page.get_by_role("button", name="Run").press("Enter")
    expect(page.get_by_role("heading", name="Send 1 message again?")).to_be_visible()
    looked_at(page, "unknown-again")
    page.get_by_role("button", name="Send again").press("Enter")
    expect(page.get_by_text("1 message is sent again.")).to_be_visible()


def test_rules_are_set_by_keyboard(page: Page, cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        Alert.objects.create(organization=cast.bakery, kind="k", subject="Paused: Bread", text="Why.", raised_at=now)
    sign_in(page, cast)
    page.goto("/console/delivery/sendingrules/")
    looked_at(page, "sending-rules")
    page.get_by_label("Undeliverable, percent").fill("2.5")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_text("The rules are changed.")).to_be_visible()
    expect(page.get_by_label("Undeliverable, percent")).to_have_value("2.5")
