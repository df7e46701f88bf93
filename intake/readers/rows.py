"""What the readers of rows share: chunks, what is listed about rows, and which addresses a file had already."""

from __future__ import annotations

import gc
import unicodedata
from array import array
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from intake.rules import REJECTED, Issue
from participants.rules import AddressError, EmailFault

CHUNK_ROWS = 10_000
MAX_LISTED_VALUE = 200


class Listed(NamedTuple):
    """One line of the error file."""

    row: int
    column: str
    value: str
    issue: Issue


@dataclass(slots=True)
class Chunk:
    """Some rows on their way into the database."""

    # Lines for COPY; an empty cell stands for NULL.
    text: str = ""
    people: int = 0
    # Whether nobody in it stands in the chunk before too. If so, they can be stored at the same time.
    apart: bool = False
    # How many rows after the header have been read when this chunk begins, and when it ends.
    rows_before: int = 0
    rows_done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    listed: list[Listed] = field(default_factory=list)


class RowReader(Protocol):
    """Turns the rows of one kind of file into chunks."""

    def read_chunk(self, first_row: int, rows: list[list[str]]) -> Chunk: ...

    def skip(self, rows: list[list[str]]) -> None: ...


def read_chunks(
    reader: RowReader, rows: Iterable[list[str]], *, header_row: int, skip: int = 0, size: int = CHUNK_ROWS
) -> Generator[Chunk]:
    """Chunks of ``size`` rows of a file, after the ``skip`` rows that were imported before."""
    left = iter(rows)
    deque(islice(left, header_row), maxlen=0)
    done = 0
    while True:
        with _no_collection():
            batch = list(islice(left, min(size, skip - done) if done < skip else size))
            if not batch:
                return
            first_row, done = header_row + done + 1, done + len(batch)
            if done <= skip:
                reader.skip(batch)
                continue
            chunk = reader.read_chunk(first_row, batch)
            chunk.rows_before, chunk.rows_done = done - len(batch), done
            # Neither to be kept while somebody works on the chunk, nor looked at by the collection that comes next.
            del batch
        yield chunk


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without looking for garbage in cycles: rows have none, and are so many that it was a third of reading them."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class RowLister:
    """Collects what is listed about the rows of the current chunk."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = tuple(header)
        self.chunk = Chunk()

    def list_cell(self, row: int, index: int, value: str, issue: Issue) -> None:
        self.chunk.listed.append(Listed(row, self.header[index], shorten(value), issue))
        self.chunk.counts[issue] += 1
        if issue in REJECTED:
            self.chunk.counts["rejected"] += 1

    def list_address(self, row: int, index: int, cells: list[str], error: AddressError) -> None:
        """An address that keeps the row out. A row of empty cells is no row: spreadsheets leave them at the end."""
        if error.fault is not EmailFault.EMPTY or any(map(str.strip, cells)):
            self.list_cell(row, index, cells[index], Issue(f"email_{error.fault}"))

    def fit_all(self, first_row: int, rows: list[list[str]]) -> tuple[list[int], list[list[str]]]:
        """The rows that have a cell for each column, with their numbers."""
        if set(map(len, rows)) == {len(self.header)}:
            return list(range(first_row, first_row + len(rows))), rows
        fitted = ((row, self.fit(row, cells)) for row, cells in enumerate(rows, start=first_row))
        kept = [(row, cells) for row, cells in fitted if cells is not None]
        return [row for row, _cells in kept], [cells for _row, cells in kept]

    def fit(self, row: int, cells: list[str]) -> list[str] | None:
        """The row with as many cells as there are columns. Too many of them mean that it was cut in a wrong place."""
        width = len(self.header)
        if len(cells) <= width:
            return cells + [""] * (width - len(cells))
        if any(map(str.strip, cells[width:])):
            self.list_cell(row, width - 1, "…".join(cells[width - 1 : width + 2]), Issue.TOO_MANY_CELLS)
            return None
        return cells[:width]

    def start_chunk(self) -> Chunk:
        """A new chunk; returns the one before."""
        finished, self.chunk = self.chunk, Chunk()
        return finished


class SeenAddresses:
    """Which addresses a file had already: six bytes for each, not a hundred.

    Four bytes stand for an address, so in a million rows one may be taken for another now and then. It only counts.
    """

    def __init__(self, expected: int) -> None:
        self._size = expected * 3 // 2 + 64
        self._slots = array("I", bytes(4 * self._size))

    def add(self, norm: str) -> bool:
        """Whether it was there."""
        return self.add_all([norm]) == 1

    def add_all(self, norms: Iterable[str]) -> int:
        """How many of them were there. In one call, since a call for each would cost as much as the looking."""
        slots, size, known = self._slots, self._size, 0
        for norm in norms:
            code = hash(norm)
            mark = (code & 0xFFFFFFFF) or 1
            slot = (code >> 32) % size
            while found := slots[slot]:
                if found == mark:
                    known += 1
                    break
                slot = (slot + 1) % size
            else:
                slots[slot] = mark
        return known


def tidy_column(texts: Sequence[str], limit: int) -> list[str | None]:
    """A column of texts, each as ``tidy_text`` makes it; looked at together, since nearly all are tidy."""
    together = "".join(texts)
    tidy = together.isprintable() and unicodedata.is_normalized("NFC", together)
    if tidy and max(map(len, texts), default=0) <= limit:
        return list(map(str.strip, texts))
    return [tidy_text(text, limit) for text in texts]


def tidy_text(text: str, limit: int) -> str | None:
    """A text as it is kept: composed, on one line, without control characters; None when it is too long."""
    if not (text.isascii() and text.isprintable()):
        spaced = "".join(" " if unicodedata.category(one) in {"Cc", "Zl", "Zp"} else one for one in text)
        text = " ".join(unicodedata.normalize("NFC", spaced).split())
    text = text.strip()
    return text if len(text) <= limit else None


def shorten(value: str) -> str:
    return value if len(value) <= MAX_LISTED_VALUE else value[:MAX_LISTED_VALUE] + "…"


def copy_text(rows: Iterable[Iterable[str]]) -> str:
    """Rows of cells without control characters, as COPY reads them."""
    text = "\n".join(map("\t".join, rows))
    text += "\n" if text else ""
    return text.replace("\\", "\\\\") if "\\" in text else text
