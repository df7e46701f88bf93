"""What charts draw, without a report behind them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reporting.charts import time_chart
from reporting.printing import as_svg
from reporting.reports import TimePoint

HOUR = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize("most", [1, 4, 7, 20, 999, 12_345])
def test_a_single_hour_is_drawn_as_bars_that_say_their_numbers(most: int) -> None:
    chart = time_chart([TimePoint(HOUR, most, 1)], by_day=False, opens=True, clicks=True)
    assert chart is not None
    assert chart.lines == ()
    assert [bar.label for bar in chart.bars] == [f"Opens: {most:,}", "Clicks: 1"]
    opens, clicks = chart.bars
    assert opens.x + opens.wide < clicks.x
    assert opens.y + opens.high == pytest.approx(chart.floor)
    assert opens.y > 20, "there is room for what it says"
    drawing = as_svg(chart)
    assert f">Opens: {most:,}</text>" in drawing
    assert "polyline" not in drawing
    assert "class=" not in drawing, "there is no stylesheet beside it"


def test_two_hours_are_a_line_and_what_is_not_measured_is_not_drawn() -> None:
    chart = time_chart([TimePoint(HOUR, 1, 1), TimePoint(HOUR, 2, 0)], by_day=False, opens=True, clicks=False)
    assert chart is not None
    assert chart.bars == ()
    assert [line.label for line in chart.lines] == ["Opens"]
