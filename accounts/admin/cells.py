"""What a list shows in each of its rows, made once. Unfold asks its templates anew for every cell and option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any, ClassVar

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from unfold.admin import checkbox
from unfold.contrib.filters.admin import ChoicesDropdownFilter as UnfoldChoicesDropdownFilter
from unfold.contrib.filters.admin import DropdownFilter as UnfoldDropdownFilter
from unfold.contrib.filters.admin import RelatedDropdownFilter as UnfoldRelatedDropdownFilter
from unfold.contrib.filters.forms import DropdownForm
from unfold.widgets import UnfoldAdminSelectWidget

SELECTED = mark_safe(" selected")

type _Column = Callable[[Any, Any], tuple[str, str]]


def labelled(kinds: Mapping[str, str]) -> Callable[[_Column], Callable[[Any, Any], SafeString]]:
    """Show what a column's function returns, a value and its words, as a label of the kind that the value has."""

    def decorate(column: _Column) -> Callable[[Any, Any], SafeString]:
        @wraps(column)
        def show(model_admin: Any, row: Any) -> SafeString:
            value, words = column(model_admin, row)
            return _label(kinds[value], str(words))

        return show

    return decorate


@lru_cache(maxsize=512)
def _label(kind: str, words: str) -> SafeString:
    label = {"label": words, "label_type": kind, "multiple": False}
    return render_to_string("unfold/helpers/display_label.html", label)


def row_checkbox(pk: int) -> SafeString:
    return format_html(_checkbox_frame(get_language()), pk)


@lru_cache(maxsize=16)
def _checkbox_frame(_language: str | None) -> str:
    """The box of a row whose number is still to be filled in; what it is called depends on the language."""
    return _frame(checkbox.render(ACTION_CHECKBOX_NAME, "ROW"), place='"ROW"', hole='"{}"')


def _frame(html: str, *, place: str, hole: str) -> str:
    """What a template made, with a hole for ``format_html`` where ``place`` first stands."""
    return html.replace("{", "{{").replace("}", "}}").replace(place, hole, 1)


class OptionsSelect(UnfoldAdminSelectWidget):
    """A select of ungrouped options, of which there may be hundreds: countries, campaigns."""

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        """Left to ``render``."""
        return []

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        frame = super().render(name, value, attrs, renderer)
        chosen = set(self.format_value(value))
        choices = [("" if one is None else str(one), words) for one, words in self.choices]
        rows = ((one, SELECTED if one in chosen else "", words) for one, words in choices)
        options = format_html_join("", '<option value="{}"{}>{}</option>', rows)
        return format_html(_frame(frame, place="</select>", hole="{}</select>"), options)


class OptionsForm(DropdownForm):
    widget = OptionsSelect(
        {"data-theme": "admin-autocomplete", "class": "unfold-admin-autocomplete admin-autocomplete"}
    )


class DropdownFilter(UnfoldDropdownFilter):
    form_class: ClassVar[Any] = OptionsForm


class ChoicesDropdownFilter(UnfoldChoicesDropdownFilter):
    form_class: ClassVar[Any] = OptionsForm


class RelatedDropdownFilter(UnfoldRelatedDropdownFilter):
    form_class: ClassVar[Any] = OptionsForm
