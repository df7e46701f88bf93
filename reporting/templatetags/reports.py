"""How cells of report tables are written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils import formats, timezone

from reporting.tables import Cell, cell_words

register = template.Library()


@register.filter
def cell(value: Cell) -> str:
    """A number as people write it, a time in the organization's zone, or why there is none."""
    words = cell_words(value)
    if words is not None:
        return words
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return str(formats.date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT"))
    if isinstance(value, int | float):
        return str(formats.number_format(value, force_grouping=True))
    return str(value)


@register.filter
def is_number(value: Any) -> bool:
    """Whether a cell stands at the right."""
    return value is None or isinstance(value, int | float) or cell_words(value) is not None
