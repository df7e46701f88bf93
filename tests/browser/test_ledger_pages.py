"""The data protection officer proves what somebody chose: by keyboard, on a narrow screen too."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from common.tenancy import tenant
from tests.browser.conftest import picture
from tests.browser.test_console import sign_in
from tests.consent.history import write_history
from tests.support.cast import Cast
from tests.support.tamperings import load_verifier
from tests.support.world import make_participant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]


def test_the_officer_downloads_a_proof_and_the_anchors(page: Page, cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        zoe = make_participant(cast.bakery, "zoe@home.example", now=now)
        write_history(cast.bakery, zoe, now - timedelta(days=2))
    sign_in(page, cast.dana.email)
    page.goto(f"/console/participants/participant/{zoe.pk}/change/")
    history = page.get_by_role("heading", name="Consent history")
    history.scroll_into_view_if_needed()
    picture(page, "ledger-participant")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "ledger-participant-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the proof of consent").press("Enter")
    files = zipfile.ZipFile(waiting.value.path())
    assert list(load_verifier().problems(json.loads(files.read("dossier.json")))) == []
    paper = page.context.new_page()
    paper.set_viewport_size({"width": 390, "height": 844})
    paper.set_content(files.read("dossier.html").decode())
    picture(paper, "ledger-dossier-narrow")
    assert paper.evaluate("document.documentElement.scrollWidth") <= 390
    paper.close()
    page.goto("/console/consent-history/")
    expect(page.get_by_role("heading", name="Public key")).to_be_visible()
    picture(page, "ledger-seals-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 900})
    picture(page, "ledger-seals")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the anchors").press("Enter")
    assert len(waiting.value.path().read_text().splitlines()) == 2
