"""What the rows of a list share is made once, and says the same as what Unfold makes for each of them."""

from __future__ import annotations

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.utils.translation import override
from unfold.admin import checkbox
from unfold.utils import display_for_label
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin.cells import OptionsSelect, labelled, row_checkbox

KINDS = {"yes": "success", "no": "danger"}
SIGNS = "<b>&\"'{0}"
CHOICES = [("", "All"), ("1", SIGNS), ("2", "Two"), (SIGNS, "Signs")]


def tidy(html: str) -> list[str]:
    return html.replace(">", "> ").replace("<", " <").split()


@labelled(KINDS)
def column(model_admin: object, row: tuple[str, str]) -> tuple[str, str]:
    return row


@pytest.mark.parametrize("row", [("yes", "Yes"), ("no", "Yes"), ("yes", SIGNS)])
def test_a_label_is_unfolds(row: tuple[str, str]) -> None:
    assert column(None, row) == display_for_label(row, "-", KINDS)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("number", [7, 8])
def test_the_box_of_a_row_is_unfolds(number: int, language: str) -> None:
    with override(language):
        assert row_checkbox(number) == checkbox.render(ACTION_CHECKBOX_NAME, str(number))


@pytest.mark.parametrize("chosen", [None, "", "1", "2", SIGNS, "elsewhere"])
def test_the_options_of_a_filter_are_unfolds(chosen: str | None) -> None:
    ours, theirs = OptionsSelect({"class": "x"}, CHOICES), UnfoldAdminSelectWidget({"class": "x"}, CHOICES)
    assert tidy(ours.render("topic", chosen)) == tidy(theirs.render("topic", chosen))
