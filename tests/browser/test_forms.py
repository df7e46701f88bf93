"""A participation page on a phone, in French, by keyboard; inside somebody's website; and its builder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from common.keys import encode_key
from common.tenancy import tenant
from consent.models import Choice
from intake.models import Confirmation, FieldKind, Submission
from tests.browser.conftest import picture
from tests.intake.forms_world import FormWorld, make_form_world
from tests.support.cast import PASSWORD, Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]

PHONE = {"width": 390, "height": 844}
WCAG_2_2_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# As a person types: the page that is sent at once is taken for a program's.
SLOWLY = 90


@pytest.fixture
def world(cast: Cast, now: datetime) -> FormWorld:
    """Every type of field, in French."""
    made = make_form_world(cast, now, languages=["en", "fr"], double_opt_in=True)
    for kind in (FieldKind.TEXT, FieldKind.LONG_TEXT, FieldKind.CHOICE, FieldKind.MULTIPLE_CHOICE, FieldKind.COUNTRY,
                 FieldKind.DATE, FieldKind.CHECKBOX, FieldKind.TOPIC):  # fmt: skip
        made.add(kind)
    return made


def problems(page: Page) -> list[tuple[Any, ...]]:
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_2_2_AA}}).response
    assert found["passes"]
    return [(one["id"], node["target"], node["failureSummary"]) for one in found["violations"] for node in one["nodes"]]


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement && document.activeElement.name") == name:
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def test_c2_a_no_on_a_phone_in_french_by_keyboard(browser: Browser, server: str, world: FormWorld) -> None:
    context = browser.new_context(base_url=server, viewport=PHONE, java_script_enabled=False, locale="fr")
    page = context.new_page()
    page.goto(world.address)
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("input:checked").count() == 0
    picture(page, "form-phone")
    tab_to(page, f"q{world.field(FieldKind.EMAIL).pk}")
    page.keyboard.type("lea@home.example", delay=SLOWLY)
    tab_to(page, "tracking")
    yes, no = page.locator("input[name=tracking]").all()
    expect(yes).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(no).to_be_checked()
    tab_to(page, f"q{world.field(FieldKind.TEXT).pk}")
    page.keyboard.type("Léa", delay=SLOWLY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_be_visible()
    picture(page, "form-exit-phone")
    with tenant(world.organization.pk):
        choice = Choice.objects.get()
        assert (choice.opens, choice.clicks) == ("no", "no")
        assert Submission.objects.get().language == "fr"
    context.close()


@pytest.mark.parametrize("colours", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=str)
def test_axe_core_finds_nothing(browser: Browser, server: str, world: FormWorld, colours: dict[str, Any]) -> None:
    context = browser.new_context(base_url=server, viewport=PHONE, locale="fr", reduced_motion="reduce", **colours)
    page = context.new_page()
    page.goto(world.address)
    assert problems(page) == []
    page.locator("button[type=submit]").click()
    expect(page.get_by_role("alert")).to_be_visible()
    picture(page, f"form-errors-{colours['color_scheme']}")
    assert problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.locator("input[type=email]").press_sequentially("lea@home.example", delay=SLOWLY)
    page.locator("input[name=tracking]").first.check()
    page.locator(f"input[name=q{world.field(FieldKind.TOPIC).pk}]").check()
    page.locator("button[type=submit]").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert problems(page) == []
    with tenant(world.organization.pk):
        key = Confirmation.objects.get().key
    page.goto(f"/d/{encode_key(key)}")
    assert problems(page) == []
    picture(page, f"form-confirm-{colours['color_scheme']}")
    page.get_by_role("button").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert problems(page) == []
    page.goto("/f/unknown")
    assert problems(page) == []
    context.close()


@pytest.fixture
def elsewhere(server: str, world: FormWorld) -> Iterator[str]:
    """Somebody's website, which shows the form by the script tag."""
    words = (
        f'<!doctype html><title>Shop</title><h1>Shop</h1><script src="{server}/f/embed.js"'
        f' data-form="{encode_key(world.form.key)}" data-title="Quiz" async></script>'
    ).encode()

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    shop = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{shop.server_port}"
    shop.shutdown()
    shop.server_close()


def test_a_named_website_shows_the_form_in_a_frame_of_its_height(
    browser: Browser, server: str, world: FormWorld, elsewhere: str
) -> None:
    world.set_page(frame_hosts=[elsewhere.removeprefix("http://")])
    context = browser.new_context(viewport=PHONE, locale="en")
    page = context.new_page()
    page.goto(elsewhere)
    frame = page.frame_locator("iframe")
    expect(frame.locator("input[type=email]")).to_be_visible()
    page.wait_for_function("document.querySelector('iframe').style.height.endsWith('px')")
    height = page.locator("iframe").evaluate("frame => frame.clientHeight")
    assert height >= frame.locator("html").evaluate("page => page.getBoundingClientRect().height") - 1
    assert page.locator("iframe").get_attribute("title") == "Quiz"
    picture(page, "form-embedded")
    frame.locator("input[type=email]").press_sequentially("lea@home.example", delay=SLOWLY + 60)
    frame.locator("button[type=submit]").click()
    expect(frame.get_by_role("status")).to_be_visible()
    assert context.cookies() == []
    context.close()


def test_any_other_website_shows_nothing(browser: Browser, server: str, world: FormWorld, elsewhere: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    with page.expect_event("console", lambda message: "frame-ancestors" in message.text):
        page.goto(elsewhere)
    assert page.frame_locator("iframe").locator("input").count() == 0
    context.close()


def test_the_builder_by_keyboard_and_on_a_phone(page: Page, world: FormWorld) -> None:
    page.goto("/console/")
    page.get_by_label("Email address").fill(world.author.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Bakery")).to_be_visible()
    page.goto(f"/console/intake/entryform/{world.form.pk}/change/")
    for language in ("English", "Français"):
        preview = page.frame_locator(f"iframe[title$='{language}']")
        page.locator(f"iframe[title$='{language}']").scroll_into_view_if_needed()
        expect(preview.locator("input[type=email]")).to_be_visible()
    picture(page, "form-builder")
    page.locator(".forms-fields li").first.get_by_role("button", name="Down").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#fields")
    expect(page.locator(".forms-fields li").nth(1)).to_contain_text("Email address")
    page.locator("#new-field").focus()
    page.keyboard.press("t")
    page.get_by_role("button", name="Add", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".forms-fields li")).to_have_count(11)
    field = world.field(FieldKind.TRACKING_CONSENT)
    page.goto(f"/console/intake/entryform/{world.form.pk}/fields/{field.pk}/")
    picture(page, "form-field")
    page.set_viewport_size(PHONE)
    picture(page, "form-field-phone")
    page.goto(f"/console/intake/entryform/{world.form.pk}/change/")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page, "form-builder-phone")
    page.goto(f"/console/intake/entryform/{world.form.pk}/entries/")
    picture(page, "form-entries-phone")
