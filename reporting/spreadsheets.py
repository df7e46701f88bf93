"""Report tables as files for spreadsheets. A cell is a number, a time or a word, and never a formula."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import datetime
from typing import Any

import xlsxwriter
from django.utils import timezone
from django.utils.translation import gettext as _

from common.safe_csv import safe_cell
from reporting.documents import RATES, Document
from reporting.tables import Cell, Table, cell_words

# A spreadsheet takes no longer cell than this; addresses have at most 2,000 characters.
LONGEST_CELL = 30_000
# So that a spreadsheet knows that it is UTF-8.
_MARK = "\ufeff"
_NOT_IN_A_SHEET_NAME = re.compile(r"[\[\]:*?/\\'\x00-\x1f]")


def as_csv(table: Table) -> str:
    """One table: numbers as computers write them, times with their zone."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([safe_cell(heading) for heading in table.headings])
    writer.writerows([[_csv_cell(cell) for cell in row] for row in table.rows])
    return _MARK + text.getvalue()


def _csv_cell(cell: Cell) -> str:
    words = cell_words(cell)
    if words is not None or cell is None:
        return words or ""
    if isinstance(cell, datetime):
        return timezone.localtime(cell).isoformat(timespec="minutes")
    return str(cell) if isinstance(cell, int | float) else safe_cell(cell, limit=LONGEST_CELL)


def as_zip(document: Document) -> bytes:
    """Every table as CSV."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in document.tables:
            archive.writestr(f"{table.key}.csv", as_csv(table))
    return content.getvalue()


def as_workbook(document: Document) -> bytes:
    """XLSX: what the report is about, and a sheet for each table."""
    content = io.BytesIO()
    # What looks like a formula, an address or a number stays the text that it is.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        bold = book.add_format({"bold": True})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm", "align": "left"})
        book.set_properties({"title": document.title, "created": document.made_at.replace(tzinfo=None)})
        names: set[str] = set()
        about = book.add_worksheet(_sheet_name(_("Report"), names))
        about.write_string(0, 0, document.title, bold)
        for row, (label, value) in enumerate(document.facts, 2):
            about.write_string(row, 0, label)
            about.write_string(row, 1, value)
        about.write_string(len(document.facts) + 3, 0, str(RATES))
        about.set_column(0, 1, 32)
        for table in document.tables:
            _write_table(book.add_worksheet(_sheet_name(table.title, names)), table, bold=bold, moment=moment)
    return content.getvalue()


def _write_table(sheet: Any, table: Table, *, bold: Any, moment: Any) -> None:
    for column, heading in enumerate(table.headings):
        sheet.write_string(0, column, heading, bold)
    for number, row in enumerate(table.rows, 1):
        for column, cell in enumerate(row):
            words = cell_words(cell)
            if words is not None:
                sheet.write_string(number, column, words)
            elif isinstance(cell, datetime):
                sheet.write_datetime(number, column, timezone.localtime(cell).replace(tzinfo=None), moment)
            elif isinstance(cell, int | float):
                sheet.write_number(number, column, cell)
            elif cell is not None:
                sheet.write_string(number, column, str(cell)[:LONGEST_CELL])
    if table.note:
        sheet.write_string(len(table.rows) + 2, 0, table.note)
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, max(1, len(table.headings) - 1), 16)


def _sheet_name(title: str, taken: set[str]) -> str:
    """At most 31 characters, some not allowed, and each name once."""
    plain = _NOT_IN_A_SHEET_NAME.sub(" ", title).strip()[:31] or "-"
    name, number = plain, 1
    while name.lower() in taken:
        number += 1
        name = f"{plain[:27]} {number}"
    taken.add(name.lower())
    return name
