"""French: nothing left out, nothing left over, and no placeholder lost."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
import unfold
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from django.test import Client
from django.utils import translation

from common.keys import encode_key
from common.tenancy import tenant
from consent.services import ensure_preference_keys
from tests.support.cast import Cast
from tests.support.extraction import ROOT, Key, texts_of_project, texts_of_template
from tests.support.world import make_participant

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}|</?\w+|&\w+;")


@cache
def french() -> Catalog:
    with (ROOT / "locale/fr/LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file, locale="fr")


def messages() -> list[Message]:
    return [message for message in french() if message.id]


def key_of(message: Message) -> Key:
    return message.context or "", forms(message.id)[0]


def forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def test_every_text_of_the_project_is_in_the_catalogue_and_nothing_else() -> None:
    ours = texts_of_project()
    known = {key_of(message) for message in messages()}
    assert not ours - known, "Not extracted: run makemessages, and translate"
    assert not known - ours, "Said nowhere any more: run makemessages"
    assert not french().obsolete


def test_every_text_is_translated_for_good() -> None:
    assert [message.id for message in messages() if message.fuzzy] == []
    assert [message.id for message in messages() if not all(part.strip() for part in forms(message.string))] == []
    plurals = [message for message in messages() if message.pluralizable]
    assert all(len(forms(message.string)) == french().num_plurals for message in plurals)


def test_no_placeholder_is_lost_or_made_up() -> None:
    for message in messages():
        wanted = set(PLACEHOLDER.findall(forms(message.id)[-1]))
        for part in forms(message.string):
            assert set(PLACEHOLDER.findall(part)) == wanted, message.id


def test_punctuation_is_french() -> None:
    """A no-break space before what French sets apart, and no straight apostrophe in the prose."""
    for message in messages():
        for part in forms(message.string):
            prose = re.sub(r"<[^<>]*>|`[^`]*`", "", part)
            assert not re.search(r" [:;?!»]|« |\w'\w", prose), part


def test_the_theme_of_the_console_speaks_french() -> None:
    templates = Path(unfold.__file__).parent / "templates"
    said = {
        key for path in templates.rglob("*.html") if "unfold_crispy" not in str(path) for key in texts_of_template(path)
    }
    ours = {key_of(message) for message in messages()}
    with translation.override("fr"):
        assert {text for context, text in said if (context, text) not in ours and _stays_english(text)} == set()


def _stays_english(text: str) -> bool:
    return translation.gettext(text) == text


@pytest.mark.django_db
def test_the_page_of_a_french_speaker_has_no_english_sentence(client: Client, cast: Cast, now: datetime) -> None:
    person = make_participant(cast.bakery, "zoe@home.example", now=now, locale="fr-BE")
    with tenant(cast.bakery.pk):
        key = ensure_preference_keys(cast.bakery, [person.pk])[person.pk]
    english = {
        text
        for name in ("base", "preferences", "unknown_key")
        for _, text in texts_of_template(ROOT / f"templates/privacy/{name}.html")
        if "%" not in text
    }
    for address in (f"/p/{encode_key(key)}", "/p/AAAAAAAAAAAAAAAAAAAAAA"):
        page = client.get(address, headers={"Accept-Language": "fr"}).content.decode()
        assert '<html lang="fr">' in page
        assert [text for text in english if text in page] == []
    assert "Acceptez-vous que" in client.get(f"/p/{encode_key(key)}").content.decode()
