"""Rows of people, validated. The inner loop of an import: a million rows pass here in some seconds.

A chunk is read column by column: what is asked of a cell is asked of its whole column at once, in C, and only the few
cells that are out of the ordinary are looked at one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import compress, repeat
from operator import itemgetter
from typing import Any

from consent.columns import COMBINED, ConsentColumnError, read_choices
from consent.rules import ChoiceValue, Kind
from intake.readers.rows import Chunk, RowLister, SeenAddresses, copy_text, tidy_column
from intake.rules import (
    ATTRIBUTE_PREFIX,
    CONSENT_FIELDS,
    MAX_ATTRIBUTE,
    MAX_TEXT,
    Field,
    Issue,
    merge_answers,
)
from participants.rules import (
    AddressError,
    new_ledger_ids,
    parse_country,
    parse_email,
    parse_emails,
    parse_locale,
)

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
    "ledger_id",
)
_NORM, _DETAILS, _ATTRIBUTES, _ANSWERS, _LEDGER_ID = 2, slice(3, 8), 8, slice(9, 11), 11

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

type _Column = Sequence[str]
type _Clean = Callable[[_Column], list[str | None]]
type _Person = tuple[Any, ...]


def _each(parse: Callable[[str], str | None]) -> _Clean:
    return lambda column: list(map(parse, column))


def _tidy(column: _Column) -> list[str | None]:
    return tidy_column(column, MAX_TEXT)


# In the order of a person's cells: how a column is cleaned (None: unusable), and what is listed about the unusable.
_CLEANERS: Mapping[Field, tuple[_Clean, Issue]] = {
    Field.COUNTRY: (_each(parse_country), Issue.COUNTRY_UNKNOWN),
    Field.LOCALE: (_each(parse_locale), Issue.LOCALE_UNKNOWN),
    Field.FIRST_NAME: (_tidy, Issue.TEXT_TOO_LONG),
    Field.LAST_NAME: (_tidy, Issue.TEXT_TOO_LONG),
    Field.EXTERNAL_ID: (_tidy, Issue.TEXT_TOO_LONG),
}


class ParticipantReader(RowLister):
    """Makes chunks of people. Somebody who stands in one twice becomes one person, whose later cells count."""

    def __init__(self, header: Sequence[str], mapping: Mapping[str, str], *, expected_rows: int) -> None:
        super().__init__(header)
        self._index = {target: self.header.index(column) for column, target in mapping.items() if target}
        self._email = self._index[Field.EMAIL]
        self._attributes = {
            target.removeprefix(ATTRIBUTE_PREFIX): at
            for target, at in self._index.items()
            if target.startswith(ATTRIBUTE_PREFIX)
        }
        self._seen = SeenAddresses(expected_rows)
        self._before: set[str] = set()

    def read_chunk(self, first_row: int, rows: list[list[str]]) -> Chunk:
        """The people of some rows, ready for COPY, in the order of their addresses."""
        numbers, rows = self.fit_all(first_row, rows)
        emails, norms, refused = parse_emails([cells[self._email] for cells in rows])
        for place, error in refused.items():
            self.list_address(numbers[place], self._email, rows[place], error)
        if refused:
            landing = [place not in refused for place in range(len(rows))]
            numbers, rows = list(compress(numbers, landing)), list(compress(rows, landing))
            emails, norms = list(compress(emails, landing)), list(compress(norms, landing))
        columns: list[_Column] = [*zip(*rows, strict=True)] or [()] * len(self.header)
        cells = [*self._cells(numbers, columns), new_ledger_ids(len(numbers))]
        people = self._merge(zip(map(str, numbers), emails, norms, *cells, strict=True), norms)
        chunk = self.start_chunk()
        chunk.people = len(people)
        chunk.text = copy_text(map(_encoded, people) if self._attributes else people)
        return chunk

    def skip(self, rows: list[list[str]]) -> None:
        """Rows that were imported before this run; they count when their addresses come again."""
        for cells in rows:
            if len(cells) > self._email:
                try:
                    self._seen.add(parse_email(cells[self._email]).norm)
                except AddressError:
                    continue

    def _cells(self, numbers: list[int], columns: list[_Column]) -> list[Iterable[Any]]:
        """All of a person's cells but the row and the address."""
        details = [self._clean(numbers, columns, field, *cleaner) for field, cleaner in _CLEANERS.items()]
        return [*details, self._read_attributes(numbers, columns), *self._read_answers(numbers, columns)]

    def _clean(
        self, numbers: list[int], columns: list[_Column], field: str, clean: _Clean, issue: Issue
    ) -> Sequence[str]:
        at = self._index.get(field)
        if at is None:
            return [""] * len(numbers)
        cleaned = clean(columns[at])
        if None not in cleaned:
            return cleaned  # type: ignore[return-value]
        for place, value in enumerate(cleaned):
            if value is None:
                self.list_cell(numbers[place], at, columns[at][place], issue)
        return [value or "" for value in cleaned]

    def _read_attributes(self, numbers: list[int], columns: list[_Column]) -> Iterable[dict[str, str] | str]:
        if not self._attributes:
            return repeat("", len(numbers))
        cleaned = [
            self._clean(numbers, columns, ATTRIBUTE_PREFIX + name, _tidy_attribute, Issue.TEXT_TOO_LONG)
            for name in self._attributes
        ]
        return [
            {name: value for name, value in zip(self._attributes, values, strict=True) if value}
            for values in zip(*cleaned, strict=True)
        ]

    def _read_answers(self, numbers: list[int], columns: list[_Column]) -> tuple[list[str], list[str]]:
        places = [self._index.get(field) for field in CONSENT_FIELDS]
        if not any(at is not None for at in places):
            return [""] * len(numbers), [""] * len(numbers)
        texts = [[""] * len(numbers) if at is None else columns[at] for at in places]
        answers = list(map(read_answers, *texts))
        for place, (_opens, _clicks, problems) in enumerate(answers):
            for part, issue in problems:
                self.list_cell(numbers[place], places[part] or 0, texts[part][place], issue)
        return list(map(itemgetter(0), answers)), list(map(itemgetter(1), answers))

    def _merge(self, people: Iterable[_Person], norms: list[str]) -> list[_Person]:
        once = set(norms)
        self.chunk.apart, self._before = once.isdisjoint(self._before), once
        self.chunk.counts["duplicates"] += len(norms) - len(once) + self._seen.add_all(once)
        if len(once) == len(norms):
            return sorted(people, key=itemgetter(_NORM))
        merged: dict[str, _Person] = {}
        for person in people:
            earlier = merged.get(person[_NORM])
            merged[person[_NORM]] = person if earlier is None else _together(earlier, person)
        return [merged[norm] for norm in sorted(merged)]


def _tidy_attribute(column: _Column) -> list[str | None]:
    return tidy_column(column, MAX_ATTRIBUTE)


def _together(earlier: _Person, later: _Person) -> _Person:
    """One person out of two rows: a later cell counts, an empty one says nothing."""
    details = [new or old for old, new in zip(earlier[_DETAILS], later[_DETAILS], strict=True)]
    attributes = {**earlier[_ATTRIBUTES], **later[_ATTRIBUTES]} if later[_ATTRIBUTES] else earlier[_ATTRIBUTES]
    answers = map(merge_answers, earlier[_ANSWERS], later[_ANSWERS])
    return (*later[:3], *details, attributes, *answers, later[_LEDGER_ID])


def _encoded(person: _Person) -> tuple[str, ...]:
    attributes = person[_ATTRIBUTES]
    return (*person[:_ATTRIBUTES], _encode(attributes) if attributes else "", *person[_ATTRIBUTES + 1 :])


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
