"""What somebody reads where there is nothing, and where something broke."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.handlers.exception import response_for_exception
from django.test import Client, RequestFactory

TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.mark.parametrize("address", ["/f/a/b", "/p/a/b", "/u/", "/me/a/", "/s/", "/w/a/b", "/d/a/b/c", "/a/b"])
@pytest.mark.django_db
def test_a_recipients_address_that_was_cut_is_answered_in_their_language_and_without_a_console(address: str) -> None:
    answer = Client().get(address, headers={"Accept-Language": "nl"})
    assert answer.status_code == 404
    assert answer["Content-Language"] == "nl"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "style-src 'self'" in answer["Content-Security-Policy"]
    page = answer.content.decode()
    assert '<html lang="nl">' in page
    assert "Pli</p>" not in page
    assert not answer.cookies


@pytest.mark.django_db
def test_any_other_address_is_answered_by_the_console() -> None:
    answer = Client().get("/nothing/here", headers={"Accept-Language": "fr"})
    assert answer.status_code == 404
    assert "Pli</p>" in answer.content.decode()


def test_what_broke_is_said_in_two_languages_without_anything_that_could_break_again() -> None:
    answer = response_for_exception(RequestFactory().get("/"), RuntimeError("broken"))
    assert answer.status_code == 500
    page = answer.content.decode()
    assert "Something went wrong" in page
    assert '<section lang="fr">' in page
    source = (TEMPLATES / "500.html").read_text()
    assert "{%" not in source
    assert "href=" not in source
    assert "src=" not in source
