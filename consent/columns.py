"""How a choice is written in imports, exports and the API: three columns, and the words that they may hold.

``consent_email_opens`` and ``consent_email_clicks`` hold one kind each: yes, no, or empty for unknown.
``consent_email_tracking`` holds both in one: ``yes`` (yes to both), ``no`` (no to both), ``opens`` or ``clicks`` (yes
to that one, and not to the other), or empty.

Written: always all three. The combined column alone would not do: ``opens`` says that clicks are not a yes, but not
whether they are a no or unknown, and it is empty for a single no.

Read: each kind takes what its own column says, else what the combined one says about it; ``opens`` says nothing about
clicks, since a no that nobody gave must not be recorded. Columns of one row that contradict each other are refused. So
what was written with all three columns is read back as it was.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

from consent.rules import ChoiceValue, Kind

COMBINED: Final = "consent_email_tracking"
COLUMNS: Mapping[Kind, str] = {Kind.OPENS: "consent_email_opens", Kind.CLICKS: "consent_email_clicks"}

INVALID: Final = "invalid"

# English, French, Italian, German, Dutch, Spanish, spreadsheets and databases. In lower case, composed.
YES_WORDS: frozenset[str] = frozenset(
    {"yes", "y", "true", "t", "1", "on", "oui", "vrai", "sì", "si", "vero", "ja", "wahr", "waar", "sí", "verdadero"}
)
NO_WORDS: frozenset[str] = frozenset(
    {"no", "n", "false", "f", "0", "off", "non", "faux", "falso", "nein", "falsch", "nee", "onwaar"}
)


class ConsentColumnError(ValueError):
    """A row's consent cannot be read: a word that nobody knows, or columns that contradict each other."""

    def __init__(self, column: str, text: str, *, contradicts: bool = False) -> None:
        super().__init__(f"{column}: {text!r} {'contradicts the other columns' if contradicts else 'is not known'}")
        self.column = column
        self.text = text
        self.contradicts = contradicts


@lru_cache(maxsize=1024)
def parse_consent(text: str) -> ChoiceValue | Literal["invalid"] | None:
    """What a cell about one kind says: a choice, None for an empty cell, which changes nothing, or INVALID."""
    word = _normalise(text)
    if not word:
        return None
    if word in YES_WORDS:
        return ChoiceValue.YES
    return ChoiceValue.NO if word in NO_WORDS else INVALID


def read_choices(*, tracking: str = "", opens: str = "", clicks: str = "") -> dict[Kind, ChoiceValue]:
    """The two choices of a row; unknown changes nothing. Raises ConsentColumnError."""
    choices = {
        kind: _parse_or_raise(COLUMNS[kind], text) for kind, text in ((Kind.OPENS, opens), (Kind.CLICKS, clicks))
    }
    word = _normalise(tracking)
    if not word:
        return choices
    said: dict[Kind, ChoiceValue]
    if word in Kind:
        said = {Kind(word): ChoiceValue.YES}
        word_written = word
    else:
        both = _parse_or_raise(COMBINED, tracking)
        said = dict.fromkeys(Kind, both)
        word_written = both.value
    for kind, value in said.items():
        if choices[kind] == ChoiceValue.UNKNOWN:
            choices[kind] = value
    if combined_text(choices[Kind.OPENS], choices[Kind.CLICKS]) != word_written:
        raise ConsentColumnError(COMBINED, tracking, contradicts=True)
    return choices


def combined_text(opens: ChoiceValue, clicks: ChoiceValue) -> str:
    """What consent_email_tracking holds for two choices."""
    if choice_text(opens) == choice_text(clicks):
        return choice_text(opens)
    if opens == ChoiceValue.YES:
        return Kind.OPENS.value
    return Kind.CLICKS.value if clicks == ChoiceValue.YES else ""


def choice_text(value: ChoiceValue) -> str:
    """What a column about one kind holds. Informed people gave no answer, and no file may make one of it (C10)."""
    return ChoiceValue(value).value if value in (ChoiceValue.YES, ChoiceValue.NO) else ""


def write_choices(opens: ChoiceValue, clicks: ChoiceValue) -> dict[str, str]:
    """The three columns of one row."""
    return {
        COMBINED: combined_text(opens, clicks),
        COLUMNS[Kind.OPENS]: choice_text(opens),
        COLUMNS[Kind.CLICKS]: choice_text(clicks),
    }


def _parse_or_raise(column: str, text: str) -> ChoiceValue:
    parsed = parse_consent(text)
    if parsed == INVALID:
        raise ConsentColumnError(column, text)
    return ChoiceValue(parsed) if parsed else ChoiceValue.UNKNOWN


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip().casefold())
