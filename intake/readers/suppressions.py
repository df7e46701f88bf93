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
        super().__init__(header)
        index = {target: self.header.index(column) for column, target in mapping.items() if target}
        self._email = index[Field.EMAIL]
        self._reason = index.get(Field.REASON)
        self._seen = SeenAddresses(expected_rows)

    def read_chunk(self, first_row: int, rows: list[list[str]]) -> Chunk:
        """The addresses of some rows, ready for COPY."""
        found: dict[tuple[str, str], tuple[str, str, str]] = {}
        for row, cells in zip(*self.fit_all(first_row, rows), strict=True):
            try:
                norm = parse_email(cells[self._email]).norm
            except AddressError as error:
                self.list_address(row, self._email, cells, error)
                continue
            reason = self._read_reason(row, cells)
            if reason is not None:
                self.chunk.counts["duplicates"] += self._seen.add(f"{reason} {norm}")
                found[norm, reason] = (str(row), norm, reason)
        chunk = self.start_chunk()
        chunk.text, chunk.people = copy_text(found.values()), len(found)
        return chunk

    def skip(self, rows: list[list[str]]) -> None:
        """Rows imported before: a repetition of one of them is suppressed already, and counted so."""

    def _read_reason(self, row: int, cells: list[str]) -> str | None:
        if self._reason is None:
            return SuppressedAs.UNSUBSCRIBED.value
        found = parse_reason(cells[self._reason])
        if isinstance(found, SuppressedAs):
            return found.value
        self.list_cell(row, self._reason, cells[self._reason], found)
        # Somebody whom the old tool did not write to is not written to, whatever it called that.
        return SuppressedAs.UNSUBSCRIBED.value if found is Issue.REASON_UNKNOWN else None
