"""Reports on a desk and on a phone, in the dark, and by keyboard."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from campaigns.models import DeclaredReply, Question
from common.tenancy import tenant
from delivery.models import Message
from tests.browser.conftest import picture
from tests.browser.test_connections import fits, sign_in
from tests.reporting.world import ANONYMOUS, YES, Sending, make_sending
from tests.support.cast import Cast
from tests.support.hits import batch_of, forget_hits, make_copies, store
from tracking.models import AnonymousTotal, HitKind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]
PHONE: ViewportSize = {"width": 390, "height": 800}
DESK: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def sending(transactional_db: None, cast: Cast) -> Sending:
    """Some said yes, some said no, some are counted anonymously; some opened, some clicked, some programs did."""
    forget_hits()
    sending = make_sending(make_copies(cast.bakery))
    keys = sending.send(110, country="FR", domain="large.example", **YES) + sending.send(15, **YES)
    sending.send(30, country="DE")
    sending.send(25, **ANONYMOUS)
    store(batch_of(*keys[:40]))
    store(batch_of(*keys[40:52], actor=3))
    store(batch_of(*keys[52:70], actor=2))
    store(batch_of(*keys[:14], kind=HitKind.CLICK, link_number=2))
    with tenant(sending.organization.pk):
        for link, hits in ((1, 24), (2, 5)):
            AnonymousTotal.objects.create(
                organization_id=sending.organization.pk, content=sending.copies.content, kind=HitKind.CLICK,
                link_number=link, actor=1, hits=hits,
            )  # fmt: skip
        question = Question.objects.create(
            organization=sending.organization, email=sending.launch.email, number=1, kind="yes_no", text="More rye?",
            options=["Yes", "No"], created_at=sending.launch.mailing.not_before,
        )  # fmt: skip
        for number, message in enumerate(Message.objects.order_by("pk")[:18]):
            DeclaredReply.objects.create(
                organization=sending.organization, message=message, question=question, mailing=sending.launch.mailing,
                participant=message.participant, answer=1 + (number > 12), answered_at=message.sent_at,
                first_answered_at=message.sent_at,
            )  # fmt: skip
    sending.count()
    return sending


def look(page: Page, name: str) -> None:
    """As wide as the window, and without a fault that axe finds, by day and by night."""
    looks: tuple[tuple[Literal["light", "dark"], str, ViewportSize], ...]
    looks = (("light", "", DESK), ("dark", "-phone", PHONE))
    for scheme, suffix, size in looks:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        picture(page, f"report-{name}{suffix}")
        assert fits(page), (name, suffix)
        faults = Axe().run(page, ".pli-page").response["violations"]
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == [], (name, suffix)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)


def test_reports_are_read_and_compared_by_keyboard(page: Page, cast: Cast, sending: Sending) -> None:
    other = make_sending(make_copies(cast.bakery), "A very long name of an email that nobody has ever shortened")
    other.send(60)
    other.count()
    sign_in(page, cast)
    page.goto(f"/console/reports/{sending.launch.pk}/")
    opens = page.get_by_role("region", name="Opens", exact=True)
    expect(opens).to_contain_text("40 out of 125 people who could be measured")
    expect(opens.get_by_role("row", name="Possibly automatic")).to_contain_text("12")
    expect(opens.get_by_role("row", name="Automatic", exact=False).last).to_contain_text("18")
    expect(opens.get_by_role("heading", name="55 of 180 sent copies are not measured")).to_be_visible()
    expect(page.get_by_role("region", name="Answers: More rye?")).to_contain_text("18 answered, of 180")
    page.locator("summary", has_text="The same as a table").press("Enter")
    expect(page.get_by_role("group", name="Over time").get_by_role("table")).to_be_visible()
    page.get_by_role("link", name="Estimate for those").press("Enter")
    expect(page.get_by_text("Nobody knows whether they did").first).to_be_visible()
    look(page, "launch")
    page.get_by_role("link", name="Autumn").press("Enter")
    expect(page.get_by_text("All emails of this campaign.")).to_be_visible()
    look(page, "campaign")
    page.goto("/console/reports/all/")
    for box in page.get_by_role("checkbox").all():
        box.press("Space")
    page.get_by_role("button", name="Compare those chosen").press("Enter")
    expect(page.get_by_role("group", name="Compared with")).to_contain_text("not measured")
    look(page, "compare")
