"""Every public page: nothing changes by looking, nothing is kept, nothing leaks, in six languages."""

from __future__ import annotations

import logging
import re
from html import unescape
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from common.keys import encode_key
from privacy import urls
from tests.privacy.pages import PREFETCH, SCANNER, Home, ask_to_stay
from tests.support.extraction import ROOT, texts_of_template
from tests.support.hits import fingerprint

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def addresses(client: Client, home: Home) -> dict[str, str]:
    """One address for each page, by the name of its pattern."""
    address, key, _page = home.open_data(client)
    client.post(address, {"page": key, "do": "address", "new_email": "zoe@new.example"})
    client.post(home.preferences, {"do": "link"})
    return {
        "preferences": home.preferences,
        "unsubscribe": home.unsubscribe,
        "own_data": home.link(),
        "stay": f"/s/{encode_key(ask_to_stay(home).key)}",
        "own_data, used": address,
        "own_data, new address": home.link("fresh_link_address"),
    }


def test_h2_looking_changes_no_row_in_any_table(client: Client, home: Home) -> None:
    pages = addresses(client, home)
    # The page of a copy is somebody's email and has tests of its own.
    shown = {str(pattern.name) for pattern in urls.urlpatterns} - {"web_version"}
    assert {name.partition(",")[0] for name in pages} == shown
    before = fingerprint()
    for address in pages.values():
        for headers in ({}, PREFETCH, SCANNER):
            for query in ("", "?lang=de", "?do=leave&both=no&act=everything&page=x"):
                for method in (client.get, client.head):
                    assert method(address + query, headers=headers).status_code == 200
    for letter in ("p", "u", "me", "s"):
        client.get(f"/{letter}/AAAAAAAAAAAAAAAAAAAAAA")
    assert fingerprint() == before


def test_no_page_sets_a_cookie_or_may_be_kept_framed_indexed_or_told_on(client: Client, home: Home) -> None:
    for address in (*addresses(client, home).values(), "/p/unknown"):
        for response in (client.get(address), client.post(address, {"do": "nothing", "act": "resume"})):
            assert not response.cookies
            assert "no-store" in response["Cache-Control"]
            assert response["Referrer-Policy"] == "no-referrer"
            assert "noindex" in response["X-Robots-Tag"]
            policy = response["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "script-src" not in policy
            assert "unsafe" not in policy


def test_pages_load_nothing_from_elsewhere_and_run_nothing(client: Client, home: Home) -> None:
    for address in addresses(client, home).values():
        page = client.get(address).content.decode()
        assert "<script" not in page
        assert " style=" not in page
        assert re.findall(r'(?:src|href|action)="((?:https?:)?//[^"]*)"', page) == []


def test_h3_h5_no_log_line_holds_a_key_or_an_address(
    client: Client, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address, key, _page = home.open_data(client)
    client.post(address, {"page": key, "do": "address", "new_email": "zoe@new.example"})
    client.post(home.preferences, {"do": "choices", "both": "no"})
    client.post(home.unsubscribe)
    client.get("/p/unknown-key")
    lines = "\n".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")
    secrets = [path.rpartition("/")[2] for path in (address, home.preferences, home.unsubscribe)]
    for word in (*secrets, key, "zoe@", "unknown-key"):
        assert word not in lines


@pytest.mark.parametrize("language", ["it", "de", "nl", "es"])
def test_no_page_has_an_english_sentence_left(client: Client, home: Home, language: str) -> None:
    folder = ROOT / "templates/privacy/public"
    english = {
        text for path in folder.glob("*.html") for _, text in texts_of_template(path) if "%" not in text and " " in text
    }
    address, key, _page = home.open_data(client)
    opened = client.post(address, {"page": key, "do": "show", "language": language})
    asked = client.post(address, {"page": key, "do": "erase", "language": language})
    pages = [client.get(f"{address}?lang={language}") for address in addresses(client, home).values()]
    for response in (opened, asked, *pages):
        text = unescape(response.content.decode())
        assert f'<html lang="{language}">' in text
        assert [sentence for sentence in english if sentence in text] == []


def test_the_console_keeps_its_two_languages() -> None:
    assert [code for code, _name in settings.LANGUAGES] == ["en", "fr"]
    assert set(settings.PUBLIC_LANGUAGES) == {path.name for path in Path(ROOT / "locale").iterdir()} | {"en"}
