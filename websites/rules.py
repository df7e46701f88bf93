"""What a website's setting is called, and what the rules of each country ask for.

The cells are data: ``rule_table.toml`` beside this file, dated and with the text that each of them rests on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache, reduce
from pathlib import Path
from typing import Any


class EmailTracking(StrEnum):
    """The setting of a website."""

    NEVER = "never"
    ALWAYS = "always"
    BY_CONSENT = "by_consent"


# The thirteen codes under French law (F1). Monaco (MC) has its own law and is not among them.
FRENCH_COUNTRIES: frozenset[str] = frozenset(
    {"FR", "GP", "MQ", "GF", "RE", "YT", "MF", "PM", "BL", "WF", "PF", "NC", "TF"}
)

# A user-assigned ISO code, so no country can ever have it: people whose country nobody knows.
UNKNOWN_COUNTRY = "ZZ"


class RuleKey(StrEnum):
    """The rows of the rule table."""

    INDIVIDUAL_OPENS = "individual_opens"
    INDIVIDUAL_CLICKS = "individual_clicks"
    ANONYMOUS_OPENS = "anonymous_opens"
    ANONYMOUS_CLICKS = "anonymous_clicks"
    LAST_OPEN_DAY = "last_open_day"
    AUTHENTICATION_SECURITY = "authentication_security"
    LEGAL_NOTICE = "legal_notice"
    INFORMED_DID_NOT_REFUSE = "informed_did_not_refuse"
    PROFESSIONALS_OPT_OUT = "professionals_opt_out"


class Column(StrEnum):
    """The columns of the rule table; EU is also the strict default for every country without a column."""

    FR = "FR"
    IT = "IT"
    EU = "EU"
    GB = "GB"
    CH = "CH"


class RuleValue(StrEnum):
    """What a cell says, strictest first: the order of this list is the order of strictness."""

    NOT_ALLOWED = "not_allowed"
    # Sources disagree: nothing without a recorded legal justification.
    JUSTIFICATION = "justification"
    CONSENT = "consent"
    # Only for mail that the person subscribed to.
    SUBSCRIBED_MAIL = "subscribed_mail"
    # A rate with notice; never to choose subjects or frequency.
    RATE_ONLY = "rate_only"
    # Only people collected, and informed, by the dates of the cell.
    IF_INFORMED = "if_informed"
    # Inform, and respect an objection.
    INFORM_OBJECTION = "inform_objection"
    ALLOWED = "allowed"
    EXEMPT = "exempt"


class Sureness(StrEnum):
    """How sure a cell is, surest first."""

    TEXT = "text"
    OUR_READING = "our reading"
    DISPUTED = "disputed"


_INDIVIDUAL = frozenset({RuleValue.CONSENT, RuleValue.INFORM_OBJECTION})
_ANONYMOUS = frozenset(
    {RuleValue.NOT_ALLOWED, RuleValue.JUSTIFICATION, RuleValue.RATE_ONLY, RuleValue.INFORM_OBJECTION}
)

# What each row may say. A table that says anything else is refused: no code would know what it means.
ALLOWED_VALUES: Mapping[RuleKey, frozenset[RuleValue]] = {
    RuleKey.INDIVIDUAL_OPENS: _INDIVIDUAL,
    RuleKey.INDIVIDUAL_CLICKS: _INDIVIDUAL,
    RuleKey.ANONYMOUS_OPENS: _ANONYMOUS,
    RuleKey.ANONYMOUS_CLICKS: _ANONYMOUS,
    RuleKey.LAST_OPEN_DAY: frozenset({RuleValue.NOT_ALLOWED, RuleValue.SUBSCRIBED_MAIL, RuleValue.INFORM_OBJECTION}),
    RuleKey.AUTHENTICATION_SECURITY: _INDIVIDUAL | {RuleValue.EXEMPT},
    RuleKey.LEGAL_NOTICE: _INDIVIDUAL | {RuleValue.EXEMPT},
    RuleKey.INFORMED_DID_NOT_REFUSE: frozenset({RuleValue.NOT_ALLOWED, RuleValue.IF_INFORMED, RuleValue.ALLOWED}),
    RuleKey.PROFESSIONALS_OPT_OUT: frozenset(
        {RuleValue.NOT_ALLOWED, RuleValue.JUSTIFICATION, RuleValue.INFORM_OBJECTION}
    ),
}


@dataclass(frozen=True, slots=True)
class RuleCell:
    """One cell of the table as it stands from ``valid_from`` on."""

    key: RuleKey
    column: Column
    value: RuleValue
    source: str
    sureness: Sureness
    valid_from: date
    version: str
    # Only with IF_INFORMED: collected before the first day, and informed by the end of the second where there is one.
    collected_before: date | None = None
    informed_by: date | None = None

    @property
    def asks_for_consent(self) -> bool:
        """Whether nothing may be done without a yes; what is stricter than a yes counts too."""
        return _strictness(self.value) <= _strictness(RuleValue.CONSENT)


class RuleTableError(ValueError):
    """The table is incomplete or says something that no code understands."""


type RuleTable = Mapping[tuple[RuleKey, Column], tuple[RuleCell, ...]]

_TABLE_PATH = Path(__file__).with_name("rule_table.toml")
_REQUIRED = frozenset({"value", "source", "sureness", "valid_from", "version"})
_OPTIONAL = frozenset({"collected_before", "informed_by"})


@cache
def rule_table() -> RuleTable:
    """The table that ships with the software, read once."""
    return parse_rule_table(_TABLE_PATH.read_text(encoding="utf-8"))


def parse_rule_table(text: str) -> RuleTable:
    """Read a table and refuse it unless every cell is there and means something."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleTableError(f"not TOML: {error}") from error
    sources = raw.pop("sources", {})
    _require_names("the table", raw.keys(), required={key.value for key in RuleKey})
    table: dict[tuple[RuleKey, Column], tuple[RuleCell, ...]] = {}
    for key in RuleKey:
        columns = raw[key.value]
        _require_names(f"[{key}]", columns.keys(), required={column.value for column in Column})
        for column_ in Column:
            table[key, column_] = _parse_versions(key, column_, columns[column_.value], sources)
    return table


def _parse_versions(
    key: RuleKey, column_: Column, entries: list[dict[str, Any]], sources: Mapping[str, str]
) -> tuple[RuleCell, ...]:
    """All dated versions of one cell, oldest first."""
    where = f"[{key}] {column_}"
    if not entries:
        raise RuleTableError(f"{where}: empty")
    cells = sorted((_parse_cell(where, key, column_, entry, sources) for entry in entries), key=lambda c: c.valid_from)
    if len({c.valid_from for c in cells}) < len(cells) or len({c.version for c in cells}) < len(cells):
        raise RuleTableError(f"{where}: two versions share a date or a name")
    return tuple(cells)


def _parse_cell(
    where: str, key: RuleKey, column_: Column, entry: dict[str, Any], sources: Mapping[str, str]
) -> RuleCell:
    _require_names(where, entry.keys(), required=_REQUIRED, optional=_OPTIONAL)
    if entry["source"] not in sources:
        raise RuleTableError(f"{where}: unknown source {entry['source']!r}")
    for name in ("valid_from", "collected_before", "informed_by"):
        # A datetime is a date to isinstance, but compares with none.
        if name in entry and type(entry[name]) is not date:
            raise RuleTableError(f"{where}: {name} is not a date")
    try:
        value, sureness = RuleValue(entry["value"]), Sureness(entry["sureness"])
    except ValueError as error:
        raise RuleTableError(f"{where}: {error}") from error
    if value not in ALLOWED_VALUES[key]:
        raise RuleTableError(f"{where}: {value} means nothing here")
    if (value == RuleValue.IF_INFORMED) != ("collected_before" in entry):
        raise RuleTableError(f"{where}: collected_before belongs to if_informed, and only there")
    return RuleCell(
        key=key,
        column=column_,
        value=value,
        source=sources[entry["source"]],
        sureness=sureness,
        valid_from=entry["valid_from"],
        version=str(entry["version"]),
        collected_before=entry.get("collected_before"),
        informed_by=entry.get("informed_by"),
    )


def _require_names(where: str, names: Iterable[str], *, required: Iterable[str], optional: Iterable[str] = ()) -> None:
    present, needed = set(names), set(required)
    if missing := sorted(needed - present):
        raise RuleTableError(f"{where}: missing {', '.join(missing)}")
    if unknown := sorted(present - needed - set(optional)):
        raise RuleTableError(f"{where}: unknown {', '.join(unknown)}")


def normalise_country(country_code: str | None) -> str:
    """Two capital letters; UNKNOWN_COUNTRY where there is none."""
    return (country_code or "").strip().upper() or UNKNOWN_COUNTRY


def is_french(country_code: str | None) -> bool:
    """Whether French law covers the country (F1)."""
    return normalise_country(country_code) in FRENCH_COUNTRIES


def column(country_code: str | None) -> Column:
    """The column that holds for a country.

    Guernsey, Jersey and the Isle of Man are not GB; they, the rest of the world and an unknown country take the strict
    default, as the countries of the EEA do.
    """
    code = normalise_country(country_code)
    if code in FRENCH_COUNTRIES:
        return Column.FR
    return Column(code) if code in ("IT", "GB", "CH") else Column.EU


def cell(key: RuleKey, country_code: str | None, on: date) -> RuleCell:
    """What the row says for a country on a day."""
    return in_force(rule_table()[key, column(country_code)], on)


def in_force(versions: Sequence[RuleCell], on: date) -> RuleCell:
    """The version of a cell that holds on a day; before the first one, the first: we know nothing older to go by."""
    return next((version for version in reversed(versions) if version.valid_from <= on), versions[0])


def asks_for_consent(country_code: str | None, on: date, *, key: RuleKey | None = None) -> bool:
    """Whether a country asks for a yes before people are measured individually: for one row, or for any of the two."""
    keys = (key,) if key else (RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS)
    return any(cell(one, country_code, on).asks_for_consent for one in keys)


_STRICTEST_FIRST = {value: place for place, value in enumerate(RuleValue)}
_SUREST_FIRST = {sureness: place for place, sureness in enumerate(Sureness)}


def _strictness(value: RuleValue) -> int:
    return _STRICTEST_FIRST[value]


def stricter(a: RuleCell, b: RuleCell) -> RuleCell:
    """The stricter of two cells of one row (S5); the order is total, so the arguments may be swapped.

    First the value, in the order of RuleValue. Between two IF_INFORMED: the earlier collection date, then the earlier
    date of information (no date is the looser). Cells that ask for the same differ in what we can cite for them: the
    surer one, then the one that has held longer, then the column in the order of the table, then the version.
    """
    if a.key != b.key:
        raise ValueError(f"{a.key} and {b.key} are two rows")
    return min(a, b, key=_strictness_order)


def strictest(cells: Iterable[RuleCell]) -> RuleCell:
    """The strictest of several cells of one row."""
    return reduce(stricter, cells)


def _strictness_order(a: RuleCell) -> tuple[int, date, date, int, date, int, str]:
    return (
        _strictness(a.value),
        a.collected_before or date.max,
        a.informed_by or date.max,
        _SUREST_FIRST[a.sureness],
        a.valid_from,
        list(Column).index(a.column),
        a.version,
    )


# --- What measures more than before (D5) ------------------------------------------------------------------------------

# From the strictest to the loosest.
_LOOSENESS = {EmailTracking.NEVER: 0, EmailTracking.BY_CONSENT: 1, EmailTracking.ALWAYS: 2}


def tracks_more(before: str, after: str) -> bool:
    """Whether a setting measures people whom the other one does not."""
    return _LOOSENESS[EmailTracking(after)] > _LOOSENESS[EmailTracking(before)]


def is_looser_country(before: str | None, after: str | None, on: date) -> bool:
    """Whether any row of the table allows more in a country than in the other; both empty or unknown: the default."""
    pairs = ((cell(key, before, on), cell(key, after, on)) for key in RuleKey)
    return any(_asks(one) < _asks(other) for one, other in pairs)


def _asks(a: RuleCell) -> tuple[int, date, date]:
    """How strict a cell is, without what we can cite for it."""
    return _strictness_order(a)[:3]


def loosens(field: str, before: str | bool | int, after: str | bool | int, *, on: date) -> bool:
    """Whether a change of one field of a website takes two people (D5).

    Taken by itself: whether a field matters at this moment depends on the others, and those change too. Another scope
    makes other people's answers count, and one fallback is no part of the other, so both take two whichever way.
    """
    if before == after:
        return False
    match field:
        case "email_tracking":
            return tracks_more(str(before), str(after))
        case "country" if is_french(str(after)) and not is_french(str(before)):
            return False  # goes to Never track (F2)
        case "country" | "declared_country":
            return is_looser_country(str(before), str(after), on)
        case "opens_fallback" | "clicks_fallback":
            return after != "none"
        case "for_professionals":
            return bool(after)
        case "consent_scope":
            return True
        case _:
            raise ValueError(f"{field} decides about nothing that is measured")
