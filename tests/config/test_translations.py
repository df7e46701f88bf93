"""French whole; what recipients read in four languages more. Nothing left out or over, and no placeholder lost."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
import unfold
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client
from django.utils import translation

from common.keys import encode_key
from common.tenancy import tenant
from consent.services import ensure_preference_keys
from tests.support.cast import Cast
from tests.support.extraction import ROOT, Key, public_texts, texts_of_project, texts_of_template
from tests.support.world import make_participant

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}|</?\w+|&\w+;")


# They hold what recipients read, and nothing of the console.
PUBLIC_ONLY = [language for language in settings.PUBLIC_LANGUAGES if language not in dict(settings.LANGUAGES)]


@cache
def catalogue(language: str) -> Catalog:
    with (ROOT / f"locale/{language}/LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file, locale=language)


def french() -> Catalog:
    return catalogue("fr")


def messages(language: str = "fr") -> list[Message]:
    return [message for message in catalogue(language) if message.id]


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


@pytest.mark.parametrize("language", PUBLIC_ONLY)
def test_what_recipients_read_is_in_each_catalogue_and_nothing_else(language: str) -> None:
    ours, known = public_texts(), {key_of(message) for message in messages(language)}
    assert not ours - known, "To be translated"
    assert not known - ours, "Said nowhere any more"
    assert not catalogue(language).obsolete


@pytest.mark.parametrize("language", ["fr", *PUBLIC_ONLY])
def test_every_text_is_translated_for_good(language: str) -> None:
    known = messages(language)
    assert [message.id for message in known if message.fuzzy] == []
    assert [message.id for message in known if not all(part.strip() for part in forms(message.string))] == []
    plurals = [message for message in known if message.pluralizable]
    assert all(len(forms(message.string)) == catalogue(language).num_plurals for message in plurals)


@pytest.mark.parametrize("language", ["fr", *PUBLIC_ONLY])
def test_no_placeholder_is_lost_or_made_up(language: str) -> None:
    for message in messages(language):
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
        for name in ("public/base", "public/languages", "privacy/public/preferences", "privacy/public/unknown_key")
        for _, text in texts_of_template(ROOT / f"templates/{name}.html")
        if "%" not in text
    }
    for address in (f"/p/{encode_key(key)}", "/p/AAAAAAAAAAAAAAAAAAAAAA"):
        page = client.get(address, headers={"Accept-Language": "fr"}).content.decode()
        assert '<html lang="fr">' in page
        assert [text for text in english if text in page] == []
    assert "whether you open" not in client.get(f"/p/{encode_key(key)}").content.decode()
