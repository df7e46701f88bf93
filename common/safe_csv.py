"""CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

# A cell that begins so is taken for a formula, or for the end of a cell; a quotation mark in front stops that.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: object, *, limit: int = 1000) -> str:
    """A cell that is shown as the text that it is, and not endlessly long."""
    text = str(value)
    if len(text) > limit:
        text = text[:limit] + "…"
    return "'" + text if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text
