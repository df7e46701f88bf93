"""Rates only with their base, and only where the base carries them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.rules import SMALLEST_BASE_FOR_A_RATE, Rate


def test_u2_without_a_base_nothing_was_measured_which_is_not_zero() -> None:
    rate = Rate(0, 0)
    assert not rate.measured
    assert rate.percent is None
    assert rate.interval is None


def test_a_small_base_shows_people_but_no_rate() -> None:
    rate = Rate(3, SMALLEST_BASE_FOR_A_RATE - 1)
    assert rate.measured
    assert rate.percent is None


# Figures of Newcombe 1998, table I.
@pytest.mark.parametrize(
    ("count", "base", "low", "high"),
    [(81, 263, 25.5, 36.6), (15, 148, 6.2, 16.0), (0, 20, 0.0, 16.1), (1, 29, 0.6, 17.2)],
)
def test_intervals_are_those_of_the_literature(count: int, base: int, low: float, high: float) -> None:
    assert Rate(count, base).interval == (low, high)


@given(st.integers(10, 10_000), st.data())
def test_a_rate_lies_within_its_interval(base: int, data: st.DataObject) -> None:
    rate = Rate(data.draw(st.integers(0, base)), base)
    assert rate.interval is not None
    assert rate.percent is not None
    low, high = rate.interval
    assert 0 <= low <= rate.percent <= high <= 100
