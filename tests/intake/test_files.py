"""What a file is: encodings, delimiters, headers, and every way in which a file can be broken."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from typing import BinaryIO

import pytest

from intake.readers import Layout, examine_file, read_rows
from intake.readers.files import LINE_LIMIT
from intake.rules import FileFault, FileProblem

TEXT = "email;prénom;pays\nana@bakery.example;Chloé;FR\nmax@bakery.example;Zoë;BE\n"


def opener(content: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(content)


def examine(content: bytes) -> Layout:
    return examine_file(opener(content))


def fault_of(content: bytes) -> FileProblem:
    with pytest.raises(FileProblem) as raised:
        examine(content)
    return raised.value


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (TEXT.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("cp1252"), "cp1252"),
        (TEXT.encode("latin-1") + b"x@y.example;\x81;FR\n", "latin-1"),
    ],
)
def test_encodings_are_detected(content: bytes, encoding: str) -> None:
    layout = examine(content)
    assert layout.encoding == encoding
    assert layout.header == ("email", "prénom", "pays")
    assert layout.sample[0] == ("ana@bakery.example", "Chloé", "FR")


def test_latin_letters_far_down_the_file_are_seen() -> None:
    content = b"email,name\n" + b"ana@bakery.example,Ana\n" * 100_000 + "max@bakery.example,Zoë\n".encode("latin-1")
    layout = examine(content)
    assert (layout.encoding, layout.rows) == ("cp1252", 100_001)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_are_detected(delimiter: str) -> None:
    # Other delimiters inside of cells do not mislead.
    other = {",": ";", ";": ",", "\t": ","}[delimiter]
    lines = [["email", "name", "note"], ["ana@bakery.example", f"Ana{other} or not", f"a{other}b"]] * 2
    layout = examine("\n".join(delimiter.join(line) for line in lines[:2] + lines[3:]).encode())
    assert layout.delimiter == delimiter
    assert len(layout.header) == 3


def test_one_column_is_a_file_too() -> None:
    layout = examine(b"email\nana@bakery.example\n")
    assert (layout.header, layout.rows) == (("email",), 1)


def test_line_breaks_in_quotation_marks_belong_to_the_cell() -> None:
    layout = examine(b'email,note\r\nana@bakery.example,"two\r\nlines"\r\nmax@bakery.example,one\r\n')
    assert layout.rows == 2
    assert layout.sample[0] == ("ana@bakery.example", "two\r\nlines")


def test_line_ends_of_old_machines_are_read() -> None:
    assert examine(b"email,name\rana@bakery.example,Ana\rmax@bakery.example,Max\r").rows == 2


def test_empty_rows_are_no_people_but_keep_their_numbers() -> None:
    layout = examine(b"\n\nemail,name,\nana@bakery.example,Ana,\n\nmax@bakery.example,Max,\n")
    assert layout.header == ("email", "name", "#3")
    assert (layout.header_row, layout.rows) == (3, 3)
    rows = list(read_rows(opener(b"a\n\nb\n"), encoding="utf-8", delimiter=","))
    assert rows == [["a"], [], ["b"]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", FileFault.EMPTY),
        (b"\xef\xbb\xbf", FileFault.EMPTY),
        (b"\n\n \n", FileFault.NO_ROWS),
        (b"email,name\n", FileFault.NO_ROWS),
        (b"ana@bakery.example,Ana\nmax@bakery.example,Max\n", FileFault.NO_HEADER),
        (b"email,name,name\nana@bakery.example,a,b\n", FileFault.COLUMN_TWICE),
        (b"email," * 201 + b"\na@b.example\n", FileFault.TOO_MANY_COLUMNS),
        (b"PK\x03\x04rest of a spreadsheet", FileFault.SPREADSHEET),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileFault.SPREADSHEET),
        (b"\x1f\x8b\x08\x00", FileFault.COMPRESSED),
        (b"email\nana@bakery.example\x00\n", FileFault.BINARY),
        (b"\xff\xfee\x00m\x00\x00\xd8\x00\xd8", FileFault.ENCODING),
        (bytes(range(256)) * 40, FileFault.BINARY),
    ],
)
def test_what_is_no_readable_file_is_refused_whole(content: bytes, fault: FileFault) -> None:
    assert fault_of(content).fault is fault


@pytest.mark.parametrize(
    "content",
    [
        b'email,name\nana@bakery.example,"Ana\nmax@bakery.example,Max\n',
        b'email,name\nana@bakery.example,"Ana"x\n',
        b'email,name\nana@bakery.example,"' + b"never closed\n" * 20_000,
    ],
)
def test_broken_quotation_marks_are_refused_with_their_row(content: bytes) -> None:
    problem = fault_of(content)
    assert (problem.fault, problem.row) == (FileFault.BAD_QUOTES, 2)


def test_a_nul_byte_is_told_with_its_row() -> None:
    assert fault_of(b"email\nana@bakery.example\nmax\x00@bakery.example\n").row == 3


class EndlessLine(io.RawIOBase):
    """A header and one line of 200 MB, which is never anywhere as a whole."""

    def __init__(self) -> None:
        self.left = 200_000_000
        self.read_so_far = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = b"x" * min(size, self.left)
        if self.read_so_far == 0:
            part = b"email\n" + part[6:]
        self.left -= len(part)
        self.read_so_far += len(part)
        return part


def test_a_line_of_200_megabytes_is_refused_early_and_in_little_memory() -> None:
    opened: list[EndlessLine] = []

    def open_file() -> BinaryIO:
        opened.append(EndlessLine())
        return opened[-1]  # type: ignore[return-value]

    tracemalloc.start()
    try:
        with pytest.raises(FileProblem) as raised:
            examine_file(open_file)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (raised.value.fault, raised.value.row) == (FileFault.LINE_TOO_LONG, 2)
    assert peak < 10_000_000
    assert all(file.read_so_far < 5 * LINE_LIMIT for file in opened)


def test_a_long_line_across_blocks_is_refused_and_a_shorter_one_is_not() -> None:
    row = b"ana@bakery.example," + b"x" * 50_000 + b"\n"
    assert examine(b"email,note\n" + row * 60).rows == 60
    assert (
        fault_of(b"email,note\n" + b"y" * 900_000 + b"\n" + b"x" * (LINE_LIMIT + 200_000)).fault
        is FileFault.LINE_TOO_LONG
    )


ENDS = ("\n", "\r", "\r\n")


@pytest.mark.parametrize("last", ["", *ENDS])
@pytest.mark.parametrize("quote", ["", '"'], ids=["plain", "quoted"])
@pytest.mark.parametrize("block", [1 << 20, 7, 1], ids=lambda size: f"block{size}")
def test_rows_are_counted_as_the_reader_finds_them(
    last: str, quote: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without quotation marks lines are counted, not read; line ends of all kinds, also across two blocks."""
    monkeypatch.setattr("intake.readers.files.BLOCK", block)
    lines = [f"p{number}@bakery.example,Zoë{ENDS[number % 3]}" for number in range(40)]
    content = ("email,name\n" + "".join(lines) + f"\r\n{quote}last@bakery.example{quote},Max{last}").encode()
    rows = list(read_rows(opener(content), encoding="utf-8", delimiter=","))
    assert rows[-1] == ["last@bakery.example", "Max"]
    assert examine(content).rows == len(rows) - 1 == 42


def test_a_cell_too_long_for_the_reader_is_found_before_the_import_begins() -> None:
    rows = b"ana@bakery.example,Ana\n" * 10
    assert fault_of(b"email,name\n" + rows + b"max@bakery.example," + b"x" * 200_000 + b"\n").row == 12
