"""What a segment may say. Whatever is not named here is refused, so that nothing typed reaches a query unread."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MOST_ROWS = 20
MOST_VALUES = 300
MOST_DAYS = 3650
_LARGEST_NUMBER = 2**63 - 1
_COUNTRY = re.compile(r"[A-Z]{2}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_ANSWER = re.compile(r"\d{1,18}:\d{1,2}")


class SegmentError(Exception):
    """A condition that cannot be read, in the words of the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One condition: what it is about, how it compares, and with what."""

    about: str
    op: str
    values: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"about": self.about, "op": self.op, **self.values}


@dataclass(frozen=True, slots=True)
class Definition:
    """Conditions of which all must hold, or any."""

    rows: tuple[Row, ...]
    match_any: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"match": "any" if self.match_any else "all", "rows": [row.as_json() for row in self.rows]}


# --- Values -----------------------------------------------------------------------------------------------------------


def _codes(value: Any, pattern: re.Pattern[str], complaint: _StrPromise) -> list[str]:
    if isinstance(value, str):
        value = re.split(r"[\s,;]+", value.strip()) if value.strip() else []
    if not isinstance(value, list) or not value or len(value) > MOST_VALUES:
        raise SegmentError(str(complaint))
    if not all(isinstance(one, str) and pattern.fullmatch(one) for one in value):
        raise SegmentError(str(complaint))
    return sorted(set(value))


def _countries(value: Any) -> list[str]:
    if isinstance(value, str):
        value = value.upper()
    return _codes(value, _COUNTRY, _("Choose at least one country."))


def _locales(value: Any) -> list[str]:
    return _codes(value, _LOCALE, _("Give at least one language, such as “fr” or “fr-BE”."))


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 300 or "\x00" in value:
        raise SegmentError(gettext("This text is too long."))
    return value.strip()


def _name(value: Any) -> str:
    name = _text(value)
    if not name:
        raise SegmentError(gettext("Name the attribute."))
    return name


def _number(value: Any) -> int | None:
    """The number of a row; empty means any."""
    if value in (None, ""):
        return None
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,19}", str(value)) or int(value) > _LARGEST_NUMBER:
        raise SegmentError(gettext("This choice is not one of those offered."))
    return int(value)


def _days(value: Any) -> int | None:
    days = _number(value)
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise SegmentError(gettext("Give a number of days between 1 and %(most)s.") % {"most": MOST_DAYS})
    return days


def _day(value: Any) -> str:
    """A day as ISO writes it, or nothing."""
    if value in (None, ""):
        return ""
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise SegmentError(gettext("“%(day)s” is not a day.") % {"day": str(value)[:40]}) from error


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise SegmentError(gettext("This choice is not one of those offered."))
        return str(value)

    return read


def _yes_no(value: Any) -> bool:
    return value in (True, "on", "true", "1")


def _answer(value: Any) -> str:
    """An answer with the question that it belongs to, or nothing: where another question is chosen it is none."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not _ANSWER.fullmatch(value):
        raise SegmentError(gettext("This choice is not one of those offered."))
    return value


def answer_of(text: str) -> tuple[int | None, int]:
    """The question and the number of an answer; of no question where nothing was chosen."""
    question, _colon, number = text.partition(":")
    return (int(question), int(number)) if question else (None, 0)


# --- Conditions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class About:
    """One kind of condition: its comparisons, and the values it takes, each with who reads it."""

    label: _StrPromise
    ops: Mapping[str, _StrPromise]
    values: Mapping[str, Callable[[Any], Any]]


COMPARISONS = frozenset({"less", "at_most", "at_least", "more"})
ABOUT: Mapping[str, About] = {
    "country": About(
        _("Country"), {"in": _("is one of"), "not_in": _("is none of")}, {"countries": _countries}
    ),
    "locale": About(_("Language"), {"in": _("is one of"), "not_in": _("is none of")}, {"locales": _locales}),
    "attribute": About(
        _("Attribute"),
        {
            "equals": _("is"),
            "differs": _("is set and is not"),
            "contains": _("contains"),
            "is_set": _("is set"),
            "is_not_set": _("is not set"),
            "less": _("is a number less than"),
            "at_most": _("is a number of at most"),
            "at_least": _("is a number of at least"),
            "more": _("is a number greater than"),
        },
        {"name": _name, "value": _text},
    ),
    "participation": About(
        _("Taking part"),
        {"took_part": _("took part"), "did_not": _("did not take part")},
        {"campaign": _number, "since": _day, "until": _day, "days": _days},
    ),
    "choice": About(
        _("Tracking consent"),
        {"yes": _("said yes to"), "no": _("said no to"), "unknown": _("has not answered about")},
        {"kind": _one_of("opens", "clicks"), "scope": _number},
    ),
    "subscription": About(
        _("Subscription"), {"is": _("is subscribed to"), "is_not": _("is not subscribed to")}, {"topic": _number}
    ),
    "reply": About(
        _("Answers to questions"),
        {
            "answered": _("answered"),
            "gave": _("gave the answer"),
            "did_not": _("was asked and did not answer"),
        },
        {"question": _number, "answer": _answer, "days": _days},
    ),
    "engagement": About(
        _("Opens and clicks"),
        {
            "opened": _("opened"),
            "did_not_open": _("did not open"),
            "clicked": _("clicked in"),
            "did_not_click": _("did not click in"),
        },
        {"launch": _number, "days": _days, "with_non_trackable": _yes_no},
    ),
}  # fmt: skip


def needs_value(row: Row) -> bool:
    """Whether an attribute is compared with something."""
    return row.op not in ("is_set", "is_not_set")


def read_row(raw: Any) -> Row:
    """One condition; SegmentError for whatever the grammar does not name."""
    about = ABOUT.get(raw.get("about", "")) if isinstance(raw, dict) else None
    if about is None or set(raw) - {"about", "op", *about.values}:
        raise SegmentError(gettext("This choice is not one of those offered."))
    if raw.get("op") not in about.ops:
        raise SegmentError(gettext("This choice is not one of those offered."))
    row = Row(raw["about"], raw["op"], {name: read(raw.get(name, "")) for name, read in about.values.items()})
    _check(row)
    return row


def _check(row: Row) -> None:
    """What the values of a condition must have to do with each other."""
    values = row.values
    if row.about == "attribute" and needs_value(row):
        if not values["value"]:
            raise SegmentError(gettext("Say what the attribute is compared with."))
        if row.op in COMPARISONS:
            number_of(values["value"])
    if row.about == "participation" and values["since"] and values["until"] and values["until"] < values["since"]:
        raise SegmentError(gettext("The last day lies before the first one."))
    if row.about == "subscription" and values["topic"] is None:
        raise SegmentError(gettext("Choose a topic."))
    if row.about == "reply":
        if values["question"] is None and row.op != "answered":
            raise SegmentError(gettext("Choose a question."))
        if row.op == "gave" and answer_of(values["answer"])[0] != values["question"]:
            raise SegmentError(gettext("Choose an answer."))
    if row.about == "engagement" and (values["launch"] is None) == (values["days"] is None):
        raise SegmentError(gettext("Choose an email that was sent, or give a number of days."))


def number_of(text: str) -> Decimal:
    """The number that a text is, with a point or a comma."""
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation as error:
        raise SegmentError(gettext("“%(text)s” is not a number.") % {"text": text[:40]}) from error
    if not number.is_finite():
        raise SegmentError(gettext("“%(text)s” is not a number.") % {"text": text[:40]})
    return number


def read_definition(raw: Any) -> Definition:
    """A whole segment, stored or typed."""
    if not isinstance(raw, dict) or set(raw) - {"match", "rows"} or raw.get("match") not in ("all", "any"):
        raise SegmentError(gettext("This choice is not one of those offered."))
    rows = raw.get("rows")
    if not isinstance(rows, list) or not rows:
        raise SegmentError(gettext("A segment has at least one condition."))
    if len(rows) > MOST_ROWS:
        raise SegmentError(gettext("A segment has at most %(most)s conditions.") % {"most": MOST_ROWS})
    return Definition(tuple(read_row(row) for row in rows), match_any=raw["match"] == "any")
