"""A person who founds an organization: a second factor, a second browser, and a viewer who sees no persons."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from axe_playwright_python.sync_playwright import Axe
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.invitations import mail_invitation
from accounts.models import Invitation, Organization
from common.tenancy import tenant
from tests.browser.conftest import PATIENCE_MS, picture
from tests.support.servers import web_server
from tests.support.smtp import SmtpServer
from tests.support.wait import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]

FAY, VIC, PASSWORD = "fay@home.example", "vic@home.example", "a horse that reads timetables"


@pytest.fixture
def post(tmp_path: Path) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path) as server:
        yield server


@pytest.fixture
def base(transactional_db: None, post: SmtpServer) -> Iterator[str]:
    with web_server({"PLI_SIGN_UP": "open", "PLI_SMTP_URL": f"smtp://127.0.0.1:{post.port}"}) as base:
        # Browsers have passkeys for names, not for numbers.
        yield base.replace("127.0.0.1", "localhost")


class Desk:
    """A browser of somebody's own, and what went wrong in it."""

    def __init__(self, browser: Browser, base: str) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=base, viewport={"width": 1280, "height": 900}, locale="en", color_scheme="dark"
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)

    def type(self, **fields: str) -> None:
        for label, text in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def sign_in(self, email: str, password: str) -> None:
        self.page.goto("/console/")
        self.type(Email_address=email, Password=password)


def add_authenticator(page: Page) -> None:
    """A security key that Chromium plays by itself, and that says yes to everything."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def look(page: Page, name: str) -> None:
    """As wide as the window, without a fault that axe finds, at both sizes."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        picture(page, f"sign-in-{name}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
    faults = Axe().run(page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == [], name
    page.set_viewport_size({"width": 1280, "height": 900})


def code_of(secret: str, steps: int = 0) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


def sign_up(desk: Desk, post: SmtpServer) -> None:
    page = desk.page
    page.goto("/accounts/login/")
    page.get_by_role("link", name="Create an account").press("Enter")
    look(page, "up")
    desk.type(Email=FAY, Password=PASSWORD, **{"Password (again)": PASSWORD})
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    wait_until(lambda: bool(post.messages()), what="the mail that confirms the address")
    (path,) = re.findall(r"https?://[^/\s]+(/accounts/confirm-email/\S+/)", post.messages()[0].text)
    page.goto(path)
    page.get_by_role("button", name="It is mine").press("Enter")
    page.goto("/accounts/login/")
    desk.type(Email_address=FAY, Password=PASSWORD)
    page.get_by_label("Name of the organization").fill("Mill")
    page.get_by_label("Postal address").fill("Mill Road 1")
    page.get_by_role("button", name="Create it").press("Enter")
    expect(page.get_by_role("heading", name="Mill")).to_be_visible()


def enrol(desk: Desk) -> str:
    """Both factors; returns what the app knows."""
    page = desk.page
    page.goto("/accounts/2fa/")
    look(page, "factors")
    page.get_by_role("link", name="Set up an app").press("Enter")
    desk.type(Password=PASSWORD)
    expect(page.get_by_role("heading", name="Set up an app")).to_be_visible()
    secret = page.locator("#authenticator_secret").inner_text()
    look(page, "app")
    desk.type(Code=code_of(secret))
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(page.locator("ul.codes li")).to_have_count(10)
    look(page, "recovery")
    page.goto("/accounts/2fa/")
    add_authenticator(page)
    page.get_by_role("link", name="Add a key").press("Enter")
    page.get_by_label("Name, to tell your keys apart").fill("Phone")
    page.get_by_label("Passkey: signs me in without a password").check()
    look(page, "key")
    page.get_by_role("button", name="Add the key").press("Enter")
    page.get_by_role("link", name="See the keys").press("Enter")
    expect(page.get_by_role("heading", name="Phone")).to_be_visible()
    look(page, "keys")
    return secret


def invite_viewer(desk: Desk) -> str:
    """Returns the link of the invitation. The mail leaves from here, in place of a worker."""
    page = desk.page
    page.goto("/console/accounts/membership/")
    page.get_by_label("Email address").fill(VIC)
    page.locator("#id_role").select_option("viewer")
    page.get_by_role("button", name="Invite", exact=True).press("Enter")
    expect(page.get_by_role("rowheader", name=VIC)).to_be_visible()
    organization = Organization.objects.using("owner").get()
    with tenant(organization.pk):
        invitation = Invitation.objects.get()
    mail_invitation(organization.pk, invitation.pk, now=timezone.now())
    (path,) = re.findall(r"https?://[^/\s]+(/accounts/invitation/\S+/)", str(mail.outbox[-1].body))
    return str(path)


def test_both_factors_a_second_browser_and_a_viewer(browser: Browser, base: str, post: SmtpServer) -> None:
    first, second, third = (Desk(browser, base) for _number in range(3))
    sign_up(first, post)
    secret = enrol(first)

    second.sign_in(FAY, PASSWORD)
    expect(second.page.get_by_label("Code from your app, or a recovery code", exact=True)).to_be_visible()
    look(second.page, "second-step")
    second.type(**{"Code from your app, or a recovery code": code_of(secret, 1)})
    expect(second.page.get_by_role("heading", name="Mill")).to_be_visible()

    page = first.page
    page.goto("/accounts/sessions/")
    look(page, "sessions")
    page.get_by_role("button", name="Sign out there").press("Enter")
    expect(page.get_by_text("Signed out there.")).to_be_visible()
    second.page.goto("/console/")
    expect(second.page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/console/")
    expect(page.get_by_role("heading", name="Mill")).to_be_visible()

    third.page.goto(invite_viewer(first))
    look(third.page, "invitation")
    third.type(**{"Your name": "Vic", "Password": PASSWORD})
    expect(third.page.get_by_role("heading", name="Mill")).to_be_visible()
    assert (answer := third.page.goto("/console/participants/participant/")) is not None
    assert answer.status == 403

    # The passkey in place of the password, once everything else is signed out.
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").press("Enter")
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").press("Enter")
    expect(page.get_by_role("heading", name="Mill")).to_be_visible()
    assert [first.problems, second.problems] == [[], []]
