"""Reports to print, and charts as pictures. Typst sets them: it brings its fonts, and takes what is said as text."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import typst
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from reporting.charts import CountChart, RateChart, TimeChart
from reporting.documents import RATES, Chart, Document
from reporting.tables import Cell, Table
from reporting.templatetags.reports import cell, is_number

_REPORT = Path(__file__).with_name("report.typ").read_bytes()
_PICTURE = b"""#set page(width: auto, height: auto, margin: 0pt)
#image(bytes(sys.inputs.svg), format: "svg")"""
# Two points of the picture for each of the drawing.
_SHARPNESS = 144.0
# More columns than that are set as rows, where there are few rows.
_MOST_COLUMNS, _FEW_ROWS = 9, 3


_DRAWINGS = {TimeChart: "time", RateChart: "rates", CountChart: "counts"}


@cache
def _fonts() -> typst.Fonts:
    """Typst's own, and those of this machine for scripts that they lack."""
    return typst.Fonts()


def as_svg(chart: Chart) -> str:
    """A chart that needs no stylesheet."""
    return render_to_string(f"reporting/files/{_DRAWINGS[type(chart)]}.svg", {"chart": chart})


def as_png(chart: Chart) -> bytes:
    return _compile(_PICTURE, "png", {"svg": as_svg(chart)})


def as_pdf(document: Document) -> bytes:
    """A4 across, with tags for screen readers."""
    data = {
        "title": document.title,
        "language": (get_language() or "en").partition("-")[0],
        "facts": document.facts,
        "rates": str(RATES),
        "page": _("Page"),
        "charts": [{"title": chart.title, "svg": as_svg(chart)} for _key, chart in document.charts],
        "tables": [_printed(table) for table in document.tables if table.rows],
    }
    return _compile(_REPORT, "pdf", {"data": json.dumps(data)})


def _compile(source: bytes, kind: Any, inputs: dict[str, str]) -> bytes:
    return typst.compile(source, format=kind, ppi=_SHARPNESS, sys_inputs=inputs, font_paths=_fonts())


def _printed(table: Table) -> dict[str, Any]:
    headings: list[str] = [*table.headings]
    rows = [[_printed_cell(value) for value in row] for row in table.rows]
    if len(headings) > _MOST_COLUMNS and len(rows) <= _FEW_ROWS:
        named, *columns = zip(*rows, strict=True)
        names = [{"text": heading, "number": False} for heading in headings[1:]]
        headings = [headings[0], *(str(one["text"]) for one in named)]
        rows = [[name, *column] for name, column in zip(names, columns, strict=True)]
    return {"title": table.title, "headings": headings, "rows": rows, "note": table.note}


def _printed_cell(value: Cell) -> dict[str, Any]:
    return {"text": cell(value), "number": is_number(value)}
