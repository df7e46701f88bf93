"""docs/rules-in-code.md names only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rules-in-code.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| [A-Z]\d", line)
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_rule_is_kept_and_shown_where_the_page_says(row):
    rule, _, kept_by, shown_in = row
    for part in kept_by.split(";"):
        path, *names = re.findall(r"`([^`]+)`", part)
        code = (ROOT / path).read_text(encoding="utf-8")
        assert names
        assert [name for name in names if not re.search(rf"^(def|class) {name}\b|^{name}\b", code, re.MULTILINE)] == []
    for path in re.findall(r"`([^`]+)`", shown_in):
        assert f"_{rule.lower()}_" in (ROOT / path).read_text(encoding="utf-8")


def test_the_page_has_no_rule_twice():
    rules = [row[0] for row in ROWS]
    assert rules
    assert len(rules) == len(set(rules))
