"""Rows of people, validated. The inner loop of an import: a million rows pass here in some seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from consent.columns import COMBINED, ConsentColumnError, read_choices
from consent.rules import ChoiceValue, Kind
from intake.readers.rows import Chunk, RowLister, SeenAddresses, copy_text, tidy_text
from intake.rules import (
    ATTRIBUTE_PREFIX,
    CONSENT_FIELDS,
    MAX_ATTRIBUTE,
    MAX_TEXT,
    Field,
    Issue,
    merge_answers,
)
from participants.rules import AddressError, parse_country, parse_email, parse_locale

# The columns of the table that chunks are copied into, and the cells of a person here.
COLUMNS = (
    "row_no",
    "email",
    "email_norm",
    "country",
    "locale",
    "first_name",
    "last_name",
    "external_id",
    "attributes",
    "opens",
    "clicks",
)
ROW, EMAIL, NORM, COUNTRY, LOCALE, FIRST_NAME, LAST_NAME, EXTERNAL_ID, ATTRIBUTES, OPENS, CLICKS = range(len(COLUMNS))
DETAILS = (COUNTRY, LOCALE, FIRST_NAME, LAST_NAME, EXTERNAL_ID)

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _tidy(text: str) -> str | None:
    return tidy_text(text, MAX_TEXT)


type _Clean = Callable[[str], str | None]

_CLEANERS: Mapping[Field, tuple[int, _Clean, Issue]] = {
    Field.COUNTRY: (COUNTRY, parse_country, Issue.COUNTRY_UNKNOWN),
    Field.LOCALE: (LOCALE, parse_locale, Issue.LOCALE_UNKNOWN),
    Field.FIRST_NAME: (FIRST_NAME, _tidy, Issue.TEXT_TOO_LONG),
    Field.LAST_NAME: (LAST_NAME, _tidy, Issue.TEXT_TOO_LONG),
    Field.EXTERNAL_ID: (EXTERNAL_ID, _tidy, Issue.TEXT_TOO_LONG),
}


class ParticipantReader(RowLister):
    """Collects the people of a chunk; somebody who stands in it twice becomes one, and the later cells count."""

    def __init__(self, header: Sequence[str], mapping: Mapping[str, str], *, expected_rows: int) -> None:
        super().__init__(tuple(header))
        index = {target: self.header.index(column) for column, target in mapping.items() if target}
        self._width = len(self.header)
        self._email = index[Field.EMAIL]
        self._details = [(index[field], *cleaner) for field, cleaner in _CLEANERS.items() if field in index]
        self._attributes = [
            (target.removeprefix(ATTRIBUTE_PREFIX), at)
            for target, at in index.items()
            if target.startswith(ATTRIBUTE_PREFIX)
        ]
        # A column that the file does not have is read from the empty cell that every row gets at its end.
        self._consent = [index.get(field, -1) for field in CONSENT_FIELDS]
        self._has_consent = max(self._consent) >= 0
        self._seen = SeenAddresses(expected_rows)
        self._people: dict[str, list[Any]] = {}

    def take(self, row: int, cells: list[str]) -> None:
        """Read one row into the current chunk."""
        if len(cells) != self._width:
            fitted = self.fit(row, cells)
            if fitted is None:
                return
            cells = fitted
        try:
            email, norm = parse_email(cells[self._email])
        except AddressError as error:
            self.list_address(row, self._email, cells, error)
            return
        person = [row, email, norm, "", "", "", "", "", None, "", ""]
        for at, slot, clean, issue in self._details:
            if text := cells[at]:
                value = clean(text)
                if value is None:
                    self.list_cell(row, at, text, issue)
                else:
                    person[slot] = value
        if self._attributes:
            person[ATTRIBUTES] = self._read_attributes(row, cells)
        if self._has_consent:
            cells.append("")
            at_tracking, at_opens, at_clicks = self._consent
            opens, clicks, problems = read_answers(cells[at_tracking], cells[at_opens], cells[at_clicks])
            person[OPENS], person[CLICKS] = opens, clicks
            for place, issue in problems:
                self.list_cell(row, self._consent[place], cells[self._consent[place]], issue)
        self._add(norm, person)

    def skip(self, cells: list[str]) -> None:
        """A row that was imported before this run; it counts when its address comes again."""
        if len(cells) > self._email:
            try:
                self._seen.add(parse_email(cells[self._email]).norm)
            except AddressError:
                return

    def finish_chunk(self, rows_done: int) -> Chunk:
        """The people read since the last chunk."""
        people = list(self._people.values())
        self._people = {}
        for person in people:
            person[ROW] = str(person[ROW])
            person[ATTRIBUTES] = _encode(person[ATTRIBUTES]) if person[ATTRIBUTES] else ""
        chunk = self.start_chunk()
        chunk.text, chunk.people, chunk.rows_done = copy_text(people), len(people), rows_done
        return chunk

    def _add(self, norm: str, person: list[Any]) -> None:
        earlier = self._people.get(norm)
        if earlier is not None:
            _merge(earlier, person)
            self.chunk.counts["duplicates"] += 1
        elif self._seen.add(norm):
            self.chunk.counts["duplicates"] += 1
        self._people[norm] = person

    def _read_attributes(self, row: int, cells: list[str]) -> dict[str, str]:
        found = {}
        for name, at in self._attributes:
            if text := cells[at]:
                value = tidy_text(text, MAX_ATTRIBUTE)
                if value is None:
                    self.list_cell(row, at, text, Issue.TEXT_TOO_LONG)
                elif value:
                    found[name] = value
        return found


def _merge(earlier: list[Any], person: list[Any]) -> None:
    for slot in DETAILS:
        person[slot] = person[slot] or earlier[slot]
    person[ATTRIBUTES] = {**(earlier[ATTRIBUTES] or {}), **(person[ATTRIBUTES] or {})}
    for slot in (OPENS, CLICKS):
        person[slot] = merge_answers(earlier[slot], person[slot])


@lru_cache(maxsize=4096)
def read_answers(tracking: str, opens: str, clicks: str) -> tuple[str, str, tuple[tuple[int, Issue], ...]]:
    """What a row says about opens and about clicks ("" for nothing), and which of its three cells cannot be used.

    A cell that nobody understands is left aside, and the others count. When cells contradict each other, none does.
    """
    texts = [tracking, opens, clicks]
    problems: list[tuple[int, Issue]] = []
    for _ in texts:
        try:
            choices = read_choices(tracking=texts[0], opens=texts[1], clicks=texts[2])
        except ConsentColumnError as error:
            if error.contradicts:
                return "", "", ((0, Issue.CONSENT_CONTRADICTS),)
            place = _PLACES[error.column]
            texts[place] = ""
            problems.append((place, Issue.CONSENT_UNREADABLE))
        else:
            break
    else:
        return "", "", tuple(problems)
    return _answer(choices[Kind.OPENS]), _answer(choices[Kind.CLICKS]), tuple(problems)


_PLACES = {COMBINED: 0, Field.CONSENT_OPENS.value: 1, Field.CONSENT_CLICKS.value: 2}


def _answer(choice: ChoiceValue) -> str:
    return "" if choice == ChoiceValue.UNKNOWN else choice.value
