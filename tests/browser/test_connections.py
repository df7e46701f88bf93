"""Setting up how mail leaves, with the keyboard, on a phone too."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import picture
from tests.support.cast import PASSWORD, Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]


def sign_in(page: Page, cast: Cast) -> None:
    page.goto("/console/")
    page.get_by_label("Email address").fill(cast.ana.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).press("Enter")
    page.wait_for_url("**/console/")


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_service_is_set_up_confirmed_and_a_key_made(page: Page, cast: Cast) -> None:
    sign_in(page, cast)
    page.goto("/console/delivery/connection/")
    picture(page, "connections")
    page.goto("/console/delivery/connection/add/")
    picture(page, "connection-choose")
    page.get_by_role("link", name="Brevo", exact=True).press("Enter")
    page.get_by_label("API key").fill("secret-key")
    page.set_viewport_size({"width": 390, "height": 800})
    assert fits(page)
    picture(page, "connection-form-phone")
    page.get_by_role("button", name="Keep").press("Enter")
    expect(page.get_by_text("Brevo can add tracking of its own")).to_be_visible()
    assert "secret-key" not in page.content()
    assert fits(page)
    picture(page, "connection-phone")
    page.get_by_label("I have seen that open and click tracking are off there").fill("Settings > Tracking: off")
    page.get_by_role("button", name="Confirm").press("Enter")
    expect(page.get_by_text("Settings > Tracking: off")).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 900})
    picture(page, "connection")
    page.goto("/console/delivery/dkimkey/add/")
    page.get_by_label("Domain").fill("bread.example")
    page.get_by_role("button", name="Make a key").press("Enter")
    expect(page.get_by_text("v=DKIM1; k=rsa;")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    assert fits(page)
    picture(page, "dkim-phone")
    for address in ("connection", "connection/add", "websiteconnection", "websiteconnection/add", "dkimkey"):
        page.goto(f"/console/delivery/{address}/")
        assert fits(page), address


def test_an_outside_sender_is_set_up_with_the_keyboard(page: Page, cast: Cast) -> None:
    sign_in(page, cast)
    page.goto("/console/delivery/connection/add/")
    page.get_by_role("link", name="Actito", exact=True).press("Enter")
    page.get_by_label("Entity").fill("Bakery")
    page.get_by_label("Profile table").fill("Customers")
    page.get_by_label("API key").fill("secret-key")
    page.set_viewport_size({"width": 390, "height": 800})
    assert fits(page)
    picture(page, "outside-form-phone")
    page.get_by_role("button", name="Keep").press("Enter")
    expect(page.get_by_text("never tried against the real service")).to_be_visible()
    assert "secret-key" not in page.content()
    assert fits(page)
    picture(page, "outside-phone")
    page.set_viewport_size({"width": 1440, "height": 900})
    picture(page, "outside")
    page.goto("/console/delivery/connection/add/?service=push")
    page.get_by_label("Address of the endpoint").fill("http://outside.example/push")
    page.get_by_role("button", name="Keep").press("Enter")
    expect(page.get_by_text("The address must begin with https://.")).to_be_visible()
