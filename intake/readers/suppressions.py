"""Rows of addresses that an older tool stopped writing to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intake.readers.rows import Chunk, RowLister, SeenAddresses, copy_text
from intake.rules import Field, Issue, SuppressedAs, parse_reason
from participants.rules import AddressError, parse_email

COLUMNS = ("row_no", "email_norm", "reason")


class SuppressionReader(RowLister):
    """Collects the addresses of a chunk, each with its reason."""

    def __init__(self, header: Sequence[str], mapping: Mapping[str, str], *, expected_rows: int) -> None:
        super().__init__(tuple(header))
        index = {target: self.header.index(column) for column, target in mapping.items() if target}
        self._width = len(self.header)
        self._email = index[Field.EMAIL]
        self._reason = index.get(Field.REASON)
        self._seen = SeenAddresses(expected_rows)
        self._rows: dict[tuple[str, str], tuple[str, str, str]] = {}

    def take(self, row: int, cells: list[str]) -> None:
        """Read one row into the current chunk."""
        if len(cells) != self._width:
            fitted = self.fit(row, cells)
            if fitted is None:
                return
            cells = fitted
        try:
            norm = parse_email(cells[self._email]).norm
        except AddressError as error:
            self.list_address(row, self._email, cells, error)
            return
        reason = self._read_reason(row, cells)
        if reason is not None:
            if self._seen.add(f"{reason} {norm}"):
                self.chunk.counts["duplicates"] += 1
            self._rows[norm, reason] = (str(row), norm, reason)

    def skip(self, cells: list[str]) -> None:
        """Rows imported before: a repetition of one of them is suppressed already, and counted so."""

    def finish_chunk(self, rows_done: int) -> Chunk:
        """The addresses read since the last chunk."""
        rows = list(self._rows.values())
        self._rows = {}
        chunk = self.start_chunk()
        chunk.text, chunk.people, chunk.rows_done = copy_text(rows), len(rows), rows_done
        return chunk

    def _read_reason(self, row: int, cells: list[str]) -> str | None:
        if self._reason is None:
            return SuppressedAs.UNSUBSCRIBED.value
        found = parse_reason(cells[self._reason])
        if isinstance(found, SuppressedAs):
            return found.value
        self.list_cell(row, self._reason, cells[self._reason], found)
        # Somebody whom the old tool did not write to is not written to, whatever it called that.
        return SuppressedAs.UNSUBSCRIBED.value if found is Issue.REASON_UNKNOWN else None
