"""Headless Chromium against a real server. Pictures go to .artifacts/, which git ignores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.support.servers import chromium, web_server

# Playwright runs an event loop in this thread; Django's ORM would take it for an async view.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

ARTIFACTS = Path(__file__).resolve().parents[2] / ".artifacts"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A busy machine, on which some tests hash passwords in earnest, takes its time.
PATIENCE_MS = 60_000
expect.set_options(timeout=30_000)


@pytest.fixture
def now() -> datetime:
    """The server looks at the real clock, so what is prepared for it lies a moment before."""
    return datetime.now(UTC) - timedelta(seconds=1)


# Per test: as long as Playwright lives, its event loop runs in this thread, and other tests have loops of their own.
@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = chromium()
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except Error as error:
            if os.environ.get("PLI_REQUIRE_BROWSER") == "1":
                raise
            # CI sets PLI_REQUIRE_BROWSER, so that this never hides anything there.
            pytest.skip(f"no Chromium here: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def server(transactional_db: None) -> Iterator[str]:
    with web_server() as base:
        yield base


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(base_url=server, viewport={"width": 1440, "height": 900}, locale="en")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("response", lambda answer: problems.append(answer.url) if answer.status >= 400 else None)
    yield page
    context.close()
    assert problems == []


def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
