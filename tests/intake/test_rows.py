"""Rows become chunks: what is taken, what is listed, and how repetitions are put together."""

from __future__ import annotations

import json
from typing import Any
from uuid import RFC_4122, UUID

import pytest

from intake.readers import ParticipantReader, SuppressionReader, read_ahead
from intake.readers.participants import COLUMNS, read_answers
from intake.readers.rows import Chunk, SeenAddresses, read_chunks
from intake.rules import Issue, Kind, guess_mapping

HEADER = [
    "email",
    "country",
    "locale",
    "first_name",
    "last_name",
    "external_id",
    "consent_email_tracking",
    "consent_email_opens",
    "consent_email_clicks",
    "city",
]


def chunks_of(rows: list[list[str]], *, size: int = 100, skip: int = 0, header: list[str] = HEADER) -> list[Chunk]:
    reader = ParticipantReader(header, guess_mapping(header, kind=Kind.PARTICIPANTS), expected_rows=len(rows))
    return list(read_chunks(reader, [header, *rows], header_row=1, size=size, skip=skip))


def people_in(chunk: Chunk) -> list[dict[str, Any]]:
    lines = chunk.text.replace("\\\\", "\\").splitlines()
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]


def row(email: str, **cells: str) -> list[str]:
    return [cells.get(name, email if name == "email" else "") for name in HEADER]


def test_a_row_is_validated_and_normalised() -> None:
    (chunk,) = chunks_of(
        [
            row(
                "Ana@Bakery.example",
                country="fra",
                locale="FR_be",
                first_name=" Chloé\n",
                city="Li\\ege\t1",
                external_id="7",
            )
        ]
    )
    (person,) = people_in(chunk)
    assert UUID(person.pop("ledger_id")).version == 4
    assert person | {"attributes": json.loads(person["attributes"])} == {
        "row_no": "2",
        "email": "Ana@Bakery.example",
        "email_norm": "ana@bakery.example",
        "country": "FR",
        "locale": "fr-BE",
        "first_name": "Chloé",
        "last_name": "",
        "external_id": "7",
        "attributes": {"city": "Li\\ege 1"},
        "opens": "",
        "clicks": "",
    }
    assert not chunk.listed


@pytest.mark.parametrize(
    ("email", "issue"),
    [
        ("", Issue.EMAIL_EMPTY),
        ("ana", Issue.EMAIL_NO_AT),
        ("ana@bakery.example\nBcc: x@y.example", Issue.EMAIL_LINE_BREAK),
        ("a" * 65 + "@bakery.example", Issue.EMAIL_TOO_LONG),
        ("josé@bakery.example", Issue.EMAIL_NOT_ASCII),
        ("ana@", Issue.EMAIL_NOT_AN_ADDRESS),
    ],
)
def test_a_row_without_a_usable_address_is_left_out_and_listed(email: str, issue: Issue) -> None:
    (chunk,) = chunks_of([row("ok@bakery.example"), row(email, city="Liège")])
    assert [(listed.row, listed.column, listed.issue) for listed in chunk.listed] == [(3, "email", issue)]
    assert chunk.counts["rejected"] == chunk.counts[issue] == 1
    assert chunk.people == 1


@pytest.mark.parametrize(
    ("column", "value", "issue"),
    [
        ("country", "Wonderland", Issue.COUNTRY_UNKNOWN),
        ("locale", "old norse", Issue.LOCALE_UNKNOWN),
        ("first_name", "x" * 121, Issue.TEXT_TOO_LONG),
        ("city", "x" * 1001, Issue.TEXT_TOO_LONG),
        ("consent_email_opens", "maybe", Issue.CONSENT_UNREADABLE),
    ],
)
def test_one_unusable_cell_is_left_out_and_the_person_lands(column: str, value: str, issue: Issue) -> None:
    (chunk,) = chunks_of([row("ana@bakery.example", **{column: value})])
    (listed,) = chunk.listed
    assert (listed.column, listed.issue) == (column, issue)
    assert len(listed.value) <= 201
    assert chunk.people == 1
    assert not chunk.counts["rejected"]


def test_short_rows_are_filled_long_ones_are_refused_and_empty_ones_are_none() -> None:
    (chunk,) = chunks_of(
        [["ana@bakery.example"], [*row("max@bakery.example"), "", ""], [*row("x@bakery.example"), "more"], [], row("")]
    )
    assert [person["email"] for person in people_in(chunk)] == ["ana@bakery.example", "max@bakery.example"]
    assert [(listed.row, listed.issue) for listed in chunk.listed] == [(4, Issue.TOO_MANY_CELLS)]
    assert chunk.rows_done == 5


def test_the_last_of_two_rows_counts_and_its_empty_cells_say_nothing() -> None:
    rows = [
        row("ana@bakery.example", country="FR", first_name="Anna", city="Liège", consent_email_tracking="no"),
        row("max@bakery.example"),
        row("ANA@bakery.example", country="BE", consent_email_tracking="yes"),
    ]
    (chunk,) = chunks_of(rows)
    ana = people_in(chunk)[0]
    assert (ana["row_no"], ana["country"], ana["first_name"]) == ("4", "BE", "Anna")
    assert json.loads(ana["attributes"]) == {"city": "Liège"}
    # Rule C6: a yes of the same file does not undo a no.
    assert (ana["opens"], ana["clicks"]) == ("no", "no")
    assert chunk.counts["duplicates"] == 1


def test_repetitions_are_counted_across_chunks_and_after_a_restart() -> None:
    rows = [row(f"p{number % 5}@bakery.example") for number in range(8)]
    assert sum(chunk.counts["duplicates"] for chunk in chunks_of(rows, size=2)) == 3
    resumed = chunks_of(rows, size=2, skip=4)
    assert [chunk.rows_done for chunk in resumed] == [6, 8]
    assert sum(chunk.counts["duplicates"] for chunk in resumed) == 3


def test_chunks_end_where_a_restart_can_go_on() -> None:
    rows = [row(f"p{number}@bakery.example") for number in range(25)]
    assert [(chunk.rows_done, chunk.people) for chunk in chunks_of(rows, size=10)] == [(10, 10), (20, 10), (25, 5)]
    assert [chunk.rows_done for chunk in chunks_of(rows, size=10, skip=20)] == [25]
    assert chunks_of(rows, size=10, skip=25) == []


@pytest.mark.parametrize(
    ("cells", "answers", "issues"),
    [
        (("", "", ""), ("", ""), []),
        (("yes", "", ""), ("yes", "yes"), []),
        (("non", "", ""), ("no", "no"), []),
        (("opens", "", ""), ("yes", ""), []),
        (("clicks", "", ""), ("", "yes"), []),
        (("", "Ja", "0"), ("yes", "no"), []),
        (("yes", "yes", "maybe"), ("yes", "yes"), [(2, Issue.CONSENT_UNREADABLE)]),
        (("??", "yes", ""), ("yes", ""), [(0, Issue.CONSENT_UNREADABLE)]),
        (("??", "??", "??"), ("", ""), [(1, Issue.CONSENT_UNREADABLE)]),
        (("yes", "no", ""), ("", ""), [(0, Issue.CONSENT_CONTRADICTS)]),
    ],
)
def test_consent_cells(cells: tuple[str, str, str], answers: tuple[str, str], issues: list[tuple[int, Issue]]) -> None:
    opens, clicks, problems = read_answers(*cells)
    assert (opens, clicks) == answers
    assert set(issues) <= set(problems)
    assert bool(issues) == bool(problems)


def test_suppressed_addresses_are_read_with_their_reasons() -> None:
    header = ["Email", "Status"]
    reader = SuppressionReader(header, guess_mapping(header, kind=Kind.SUPPRESSIONS), expected_rows=6)
    rows = [
        ["ana@bakery.example", "unsubscribed"],
        ["MAX@bakery.example", "hard bounce"],
        ["soft@bakery.example", "soft bounce"],
        ["odd@bakery.example", "on the moon"],
        ["ana@bakery.example", "optout"],
        ["nobody", "bounced"],
    ]
    (chunk,) = read_chunks(reader, [header, *rows], header_row=1)
    assert chunk.text.splitlines() == [
        "6\tana@bakery.example\tunsubscribed",
        "3\tmax@bakery.example\tbounced",
        "5\todd@bakery.example\tunsubscribed",
    ]
    assert chunk.counts["duplicates"] == 1
    assert [listed.issue for listed in chunk.listed] == [
        Issue.TEMPORARY_BOUNCE,
        Issue.REASON_UNKNOWN,
        Issue.EMAIL_NO_AT,
    ]
    assert chunk.counts["rejected"] == 2


def test_a_file_without_reasons_unsubscribes() -> None:
    reader = SuppressionReader(["email"], {"email": "email"}, expected_rows=1)
    (chunk,) = read_chunks(reader, [["email"], ["ana@bakery.example"]], header_row=1)
    assert chunk.text == "2\tana@bakery.example\tunsubscribed\n"


def test_seen_addresses_remember_all_they_were_told() -> None:
    seen = SeenAddresses(1000)
    names = [f"person{number}@bakery.example" for number in range(1000)]
    assert sum(seen.add(name) for name in names) <= 1
    assert all(seen.add(name) for name in names)


def test_reading_ahead_hands_over_everything_and_failures_too() -> None:
    assert list(read_ahead(one for one in range(100))) == list(range(100))

    def breaks() -> Any:
        yield 1
        raise ValueError("broken")

    ahead = read_ahead(breaks())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_reading_ahead_stops_when_nobody_listens_any_more() -> None:
    closed = []

    def endless() -> Any:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    ahead = read_ahead(endless())
    assert next(ahead) == 1
    ahead.close()
    assert closed == [True]


def test_people_of_a_chunk_have_names_of_their_own_that_begin_alike() -> None:
    first, second = chunks_of([row(f"p{number}@bakery.example") for number in range(200)])
    names = [[UUID(person["ledger_id"]) for person in people_in(chunk)] for chunk in (first, second)]
    assert len({*names[0], *names[1]}) == 200
    assert {name.variant for name in names[0]} == {RFC_4122}
    beginnings = [{str(name)[:18] for name in chunk} for chunk in names]
    assert len(beginnings[0]) == len(beginnings[1]) == 1
    assert beginnings[0] != beginnings[1]
    # In no order: the people of a chunk are in that of their addresses.
    assert names[0] != sorted(names[0])
