"""What a file is (encoding, delimiter, columns), whether it can be read to its end, and its rows one after the other.

Nothing here holds more than a block, whatever the size of the file or of a line: a file is looked through once for its
encoding and its longest line, and once more as CSV, before its first row is used. So a broken file is refused whole.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from intake.rules import MAX_COLUMNS, FileFault, FileProblem, find_repeated, name_column

type OpenFile = Callable[[], BinaryIO]

BLOCK = 1 << 20
LINE_LIMIT = 1_000_000
# A line may go on in the next block; the csv module takes cells of twice as many characters.
PLAIN_LINE = csv.field_size_limit() // 2
SAMPLE = 1 << 16
SAMPLE_ROWS = 5
DELIMITERS = (",", ";", "\t")
# What other kinds of file begin with.
_FORMATS = (
    (b"PK\x03\x04", FileFault.SPREADSHEET),
    (b"\xd0\xcf\x11\xe0", FileFault.SPREADSHEET),
    (b"\x1f\x8b", FileFault.COMPRESSED),
    (b"7z\xbc\xaf", FileFault.COMPRESSED),
    (b"%PDF", FileFault.BINARY),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file turned out to be."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    # The row of the file that holds the header; a spreadsheet shows the same number.
    header_row: int
    # How many rows come after the header.
    rows: int
    sample: tuple[tuple[str, ...], ...]


def examine_file(open_file: OpenFile) -> Layout:
    """Look through a whole file. Raises FileProblem when it cannot be read to its end."""
    with closing(open_file()) as file:
        head = file.read(SAMPLE)
    text = _find_encoding(open_file, head)
    delimiter = _find_delimiter(_decode_sample(head, text.encoding))
    header: list[str] = []
    sample: list[tuple[str, ...]] = []
    header_row = 0
    number = 0
    with closing(read_rows(open_file, encoding=text.encoding, delimiter=delimiter)) as rows:
        try:
            for number, cells in enumerate(rows, start=1):
                if not header and any(cells):
                    header = [name_column(name, column) for column, name in enumerate(cells, start=1)]
                    header_row = number
                    _check_header(header)
                elif len(sample) < SAMPLE_ROWS and any(cells):
                    sample.append(tuple(cells[: len(header)]))
                elif len(sample) == SAMPLE_ROWS and text.is_plain:
                    # Nothing can be wrong with the rest, and what it says is read when it is imported.
                    number = text.lines
                    break
        except csv.Error as error:
            raise FileProblem(FileFault.BAD_QUOTES, row=number + 1) from error
    if not header:
        raise FileProblem(FileFault.EMPTY)
    if not sample:
        raise FileProblem(FileFault.NO_ROWS)
    return Layout(text.encoding, delimiter, tuple(header), header_row, number - header_row, tuple(sample))


def read_rows(open_file: OpenFile, *, encoding: str, delimiter: str) -> Generator[list[str]]:
    """All rows, the header and empty ones too, so that their numbers are those of the file. May raise csv.Error."""
    with closing(open_file()) as file:
        # newline="": line breaks inside quotation marks are the csv module's to understand.
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        try:
            yield from csv.reader(text, delimiter=delimiter, strict=True)
        finally:
            text.detach()


# --- Encoding -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    """What a file is as a text."""

    encoding: str
    lines: int
    # Without quotation marks and endless cells: each of its lines is a row, whatever stands in it.
    is_plain: bool


def _find_encoding(open_file: OpenFile, head: bytes) -> _Text:
    if not head:
        raise FileProblem(FileFault.EMPTY)
    for magic, fault in _FORMATS:
        if head.startswith(magic):
            raise FileProblem(fault, row=1)
    for encoding in _candidates(head):
        try:
            return _look_through(open_file, encoding)
        except UnicodeDecodeError:
            continue
    raise FileProblem(FileFault.ENCODING)


def _candidates(head: bytes) -> Sequence[str]:
    if head.startswith(codecs.BOM_UTF8):
        return ("utf-8-sig", "cp1252", "latin-1")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    if encoding := _utf16_without_mark(head):
        return (encoding,)
    # Windows' Latin-1 has more letters and five holes; what falls into those is plain Latin-1.
    return ("utf-8", "cp1252", "latin-1")


def _utf16_without_mark(head: bytes) -> str | None:
    """Latin letters in UTF-16 have a zero in every other byte."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.4 and odd < half * 0.05 else None


def _look_through(open_file: OpenFile, encoding: str) -> _Text:
    """Raises UnicodeDecodeError, or FileProblem for a NUL or an endless line."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, unbroken, is_plain, last = 0, 0, True, "\n"
    with closing(open_file()) as file:
        while block := file.read(BLOCK):
            text = decoder.decode(block)
            if "\0" in text:
                raise FileProblem(FileFault.BINARY, row=lines + text[: text.index("\0")].count("\n") + 1)
            unbroken = _unbroken_after(text, unbroken, lines)
            lines += _count_breaks(text, last)
            is_plain = is_plain and '"' not in text and max(map(len, text.split("\n"))) < PLAIN_LINE
            last = text[-1:] or last
        decoder.decode(b"", final=True)
    return _Text(encoding, lines + (last not in "\r\n"), is_plain)


def _count_breaks(text: str, before: str) -> int:
    """How many lines end in a text, by any of the marks that end one; ``before`` is the character that it follows."""
    breaks = text.count("\n") + text.count("\r") - text.count("\r\n")
    return breaks - (before == "\r" and text.startswith("\n"))


def _unbroken_after(text: str, before: int, lines: int) -> int:
    """The length of the line that is open at the end of a block. A line within a block is short enough as it is."""
    breaks = [(text.find(mark), text.rfind(mark)) for mark in ("\n", "\r") if mark in text]
    first = min((first for first, _last in breaks), default=len(text))
    if before + first > LINE_LIMIT:
        raise FileProblem(FileFault.LINE_TOO_LONG, row=lines + 1)
    return before + len(text) if not breaks else len(text) - 1 - max(last for _first, last in breaks)


# --- Delimiter and header -------------------------------------------------------------------------------------------


def _decode_sample(head: bytes, encoding: str) -> str:
    text = codecs.getincrementaldecoder(encoding)().decode(head)
    whole, _break, rest = text.rpartition("\n")
    return whole if whole and len(head) == SAMPLE else whole + _break + rest


def _find_delimiter(sample: str) -> str:
    """The one that cuts the rows into the same number of cells, and into most."""
    return max(DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))


def _regularity(sample: str, delimiter: str) -> tuple[float, int]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        widths = [len(cells) for cells in islice(reader, 50) if cells]
    except csv.Error:
        return (0.0, 0)
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return (widths.count(widths[0]) / len(widths), widths[0])


def _check_header(header: Sequence[str]) -> None:
    if any("@" in name for name in header):
        raise FileProblem(FileFault.NO_HEADER)
    if len(header) > MAX_COLUMNS:
        raise FileProblem(FileFault.TOO_MANY_COLUMNS)
    if repeated := find_repeated(header):
        raise FileProblem(FileFault.COLUMN_TWICE, column=repeated)
