"""A sent email in a browser, in a document that may do nothing, and the page that sends one to one person."""

from __future__ import annotations

from datetime import datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from campaigns.models import Email
from tests.browser.conftest import picture
from tests.browser.test_console import sign_in
from tests.campaigns.console import address
from tests.campaigns.world import make_campaign, make_email, players_of
from tests.privacy.pages import make_home, page_of_copy
from tests.support.cast import Cast
from tests.support.world import make_topic, make_website

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]

PHONE = {"width": 390, "height": 844}
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": PHONE}
STYLED = (
    "<html lang='en'><head><title>Bread</title><style>h1 { color: rgb(1, 2, 3) }</style></head><body>"
    "<h1 style='font-size:41px'>Dear {{ first_name }}</h1><a href='{elsewhere}' target='_blank'>Choices</a>"
    "<script>document.title = 'script'</script><form action='/healthz'><button>Go</button></form>"
    "<img src='{server}/healthz?pixel' alt='A loaf'></body></html>"
)


def test_styles_and_links_work_and_nothing_else_does(browser: Browser, server: str, cast: Cast, now: datetime) -> None:
    home = make_home(cast, now)
    body = STYLED.replace("{elsewhere}", f"{server}{home.preferences}").replace("{server}", server)
    path = page_of_copy(home, body)
    context = browser.new_context(base_url=server, viewport=PHONE)
    page, asked = context.new_page(), []
    context.on("request", lambda request: asked.append((request.url, request.headers.get("referer"))))
    refused: list[tuple[str, str | None]] = []
    page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    page.goto(path)
    picture(page, "web-version-phone")
    heading = page.get_by_role("heading", name="Dear Zoe")
    expect(heading).to_have_css("color", "rgb(1, 2, 3)")
    expect(heading).to_have_css("font-size", "41px")
    expect(page).to_have_title("Bread")
    page.get_by_role("button", name="Go").click()
    assert page.url == f"{server}{path}"
    with context.expect_page() as opened:
        page.get_by_role("link", name="Choices").click()
    # Where a link leads is an ordinary page again, which does not learn where somebody came from.
    expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
    assert opened.value.evaluate("document.referrer") == ""
    assert context.cookies() == []
    # Pictures come by https, or from among the files of this installation.
    assert refused == [(f"{server}/healthz?pixel", "csp")]
    assert {referrer for url, referrer in asked if url.endswith(home.preferences)} == {None}
    context.close()


@pytest.fixture
def order(cast: Cast, now: datetime) -> Email:
    website = make_website(cast.bakery, cast.ana, now=now)
    make_topic(cast.bakery, website)
    campaign = make_campaign(cast.bakery, website, now=now)
    players_of(cast.bakery, campaign, now=now)("pia")
    body = "<html lang='en'><body><p>Dear {{ first_name }}, order {{ data.order }}</p></body></html>"
    fields = {"purpose": "transactional", "body": body, "body_format": "html", "name": "Receipt"}
    return make_email(cast.bakery, campaign, now=now, **fields)


@pytest.mark.parametrize("size", list(SIZES))
def test_one_person_by_keyboard(page: Page, order: Email, cast: Cast, size: str) -> None:
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
    sign_in(page, cast.max.email)
    page.goto(address(order))
    page.get_by_role("link", name="Send to one person…").click()
    expect(page.get_by_role("heading", name="Send “Receipt” to one person")).to_be_visible()
    picture(page, f"one-person-{size}")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    assert Axe().run(page, "main, .pli-page").response["violations"] == []
    page.get_by_label("or their whole address").fill("pia@mail.example.org")
    page.keyboard.press("Tab")
    expect(page.get_by_label("data.order")).to_be_focused()
    page.keyboard.type("A-7")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is being sent to pia@mail.example.org.")).to_be_visible()
    picture(page, f"one-person-sent-{size}")
