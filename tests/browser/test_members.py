"""Members, the trail and an operator's banner, on a desk and on a phone."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.audit import record
from accounts.models import Role, User
from accounts.services import add_member
from tests.browser.conftest import picture
from tests.support.cast import PASSWORD, Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]
MEMBERS = "/console/accounts/membership/"
TRAIL = "/console/accounts/auditentry/"


def sign_in(page: Page, user: User) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def nothing_runs_over(page: Page, name: str) -> None:
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        picture(page, f"{name}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1440, "height": 900})


def test_an_owner_invites_by_keyboard_switches_and_reads_the_trail(page: Page, cast: Cast) -> None:
    add_member(cast.cinema, cast.ana, role=Role.VIEWER, now=timezone.now())
    record(cast.bakery, actor=cast.max, action="launch:begin", target="email 7", now=timezone.now())
    sign_in(page, cast.ana)
    page.goto(MEMBERS)
    page.get_by_label("Email address").fill("eve@home.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("rowheader", name="eve@home.example")).to_be_visible()
    nothing_runs_over(page, "members")
    page.goto(TRAIL)
    expect(page.get_by_text("Member invited").first).to_be_visible()
    nothing_runs_over(page, "trail")
    page.get_by_label("Another organization").select_option(label="Cinema")
    page.get_by_role("button", name="Go there").press("Enter")
    expect(page.locator(".pli-where")).to_contain_text("Cinema")


def test_an_operator_sees_on_each_page_where_they_are(page: Page, cast: Cast) -> None:
    sign_in(page, User.objects.create_superuser("olga@operators.example", PASSWORD))
    page.goto("/accounts/operator/")
    nothing_runs_over(page, "operator")
    given = {"Organization": "Bakery", "In the place of": cast.ana.email, "Reason": "A launch hangs"}
    for label, value in given.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Begin").click()
    banner = page.get_by_text("You are an operator in Bakery")
    expect(banner).to_be_visible()
    nothing_runs_over(page, "operator-inside")
    page.goto(MEMBERS)
    expect(banner).to_be_visible()
    page.get_by_role("button", name="End it now").first.click()
    page.goto("/console/")
    expect(page.get_by_role("heading", name="Your organizations")).to_be_visible()
