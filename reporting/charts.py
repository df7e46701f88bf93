"""Charts as lists of points, drawn by templates as SVG: no script, no inline style, and readable without colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import formats
from django.utils.translation import gettext as _

from campaigns.replies import QuestionCount
from reporting.reports import TimePoint
from reporting.rules import Rate

WIDTH, HEIGHT = 720, 260
# Room for labels, which are larger on a phone.
LEFT, RIGHT, TOP, BOTTOM = 72, 32, 16, 36
LABELS_BELOW = 6
# With more points, their marks would be a line of their own.
MOST_MARKS = 60


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid, and what it says."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """``look`` tells lines apart by colour, dash and the shape of their marks."""

    label: str
    look: str
    points: str
    marks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class TimeBar:
    """Of a single hour or day, which would be a dot as a line. It stands on the floor, and is named above."""

    look: str
    label: str
    x: float
    y: float
    high: float
    wide: int


@dataclass(frozen=True, slots=True)
class TimeChart:
    """Lines; or bars, where there is one moment only."""

    title: str
    lines: tuple[Line, ...]
    bars: tuple[TimeBar, ...]
    below: tuple[Tick, ...]
    beside: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def time_chart(points: Sequence[TimePoint], *, by_day: bool, opens: bool, clicks: bool) -> TimeChart | None:
    """Opens and clicks over time, of what was measured at all. None where there is nothing to draw."""
    series = []
    if opens:
        series.append((_("Opens"), "opens", [point.opens for point in points]))
    if clicks:
        series.append((_("Clicks"), "clicks", [point.clicks for point in points]))
    if not points or not series:
        return None
    alone = len(points) == 1
    most = max(max(numbers) for _label, _look, numbers in series)
    # Above a bar stands what it says.
    top = _round_up(most + most // 8 + 1 if alone else most)
    wide = WIDTH - LEFT - RIGHT
    start, across = (LEFT + wide / 2, 0.0) if alone else (float(LEFT), wide / (len(points) - 1))
    down = (HEIGHT - TOP - BOTTOM) / top

    def place(number: int, value: int) -> tuple[float, float]:
        return round(start + number * across, 1), round(HEIGHT - BOTTOM - value * down, 1)

    lines = []
    for label, look, numbers in [] if alone else series:
        placed = tuple(place(number, value) for number, value in enumerate(numbers))
        marks = placed if len(placed) <= MOST_MARKS else ()
        lines.append(Line(label, look, " ".join(f"{x},{y}" for x, y in placed), marks))
    every = max(1, -(-len(points) // LABELS_BELOW))
    below = tuple(
        Tick(place(number, 0)[0], _moment(points[number].starts_at, by_day=by_day))
        for number in range(0, len(points), every)
    )
    beside = tuple(
        Tick(place(0, value)[1], str(formats.number_format(value, force_grouping=True)))
        for value in range(0, top + 1, max(1, top // 4))
    )
    bars = _bars([(label, look, *place(0, numbers[0]), numbers[0]) for label, look, numbers in series]) if alone else ()
    return TimeChart(_("Opens and clicks over time"), tuple(lines), bars, below, beside)


BAR, BETWEEN_BARS = 96, 104


def _bars(series: Sequence[tuple[str, str, float, float, int]]) -> tuple[TimeBar, ...]:
    """Beside each other, around the middle."""
    first = -(len(series) * (BAR + BETWEEN_BARS) - BETWEEN_BARS) / 2
    return tuple(
        TimeBar(
            look=look,
            label=f"{label}: {formats.number_format(value, force_grouping=True)}",
            x=round(middle + first + place * (BAR + BETWEEN_BARS), 1),
            y=y,
            high=round(HEIGHT - BOTTOM - y, 1),
            wide=BAR,
        )
        for place, (label, look, middle, y, value) in enumerate(series)
    )


def _moment(at: datetime, *, by_day: bool) -> str:
    """Hours with the day of the week: two days have each of them twice."""
    if by_day:
        return str(formats.date_format(at, "SHORT_DATE_FORMAT"))
    return f"{formats.date_format(at, 'D')} {formats.time_format(at, 'TIME_FORMAT')}"


def _round_up(number: int) -> int:
    """To a number of which a quarter is easily read: 4, 8, 20, 40, 80, 200, ..."""
    step = 4
    while True:
        for factor in (1, 2, 5):
            if step * factor >= number:
                return step * factor
        step *= 10


@dataclass(frozen=True, slots=True)
class RateBar:
    """A rate as a point, and the stretch in which it lies with 95 % confidence."""

    label: str
    percent: float
    at: float
    begins: float
    long: float
    y: int


@dataclass(frozen=True, slots=True)
class RateChart:
    title: str
    bars: tuple[RateBar, ...]
    ticks: tuple[Tick, ...]
    height: int
    width: int = WIDTH
    left: int = 24
    right: int = WIDTH - 32

    @property
    def floor(self) -> int:
        """Where the grid ends; below it stands what it says."""
        return self.height - 32


# A name, and below it its bar.
ROW = 56
LONGEST_NAME = 44


def rate_chart(title: str, rates: Sequence[tuple[str, Rate]]) -> RateChart | None:
    """Rates below each other on one scale; those of which there is none are left out."""
    drawn = [(label, rate) for label, rate in rates if rate.interval is not None]
    if not drawn:
        return None
    chart = RateChart(title, (), (), height=ROW * len(drawn) + 40)
    highest = max(rate.interval[1] for _label, rate in drawn if rate.interval is not None)
    top = next(limit for limit in (5, 10, 25, 50, 100) if limit >= min(100, highest))
    scale = (chart.right - chart.left) / top
    bars = []
    for number, (label, rate) in enumerate(drawn):
        low, high = rate.interval or (0.0, 0.0)
        percent = rate.percent or 0.0
        bars.append(
            RateBar(
                label=_short(label),
                percent=percent,
                at=round(chart.left + percent * scale, 1),
                begins=round(chart.left + low * scale, 1),
                long=round(max(1.0, (high - low) * scale), 1),
                y=ROW * number + 38,
            )
        )
    ticks = tuple(Tick(round(chart.left + top * part / 5 * scale, 1), f"{top * part // 5} %") for part in range(6))
    return RateChart(title, tuple(bars), ticks, height=chart.height)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_NAME else f"{label[: LONGEST_NAME - 1]}…"


@dataclass(frozen=True, slots=True)
class CountBar:
    """So many people, as a bar below its label."""

    label: str
    long: float
    y: int


@dataclass(frozen=True, slots=True)
class CountChart:
    """Numbers of people below each other."""

    title: str
    bars: tuple[CountBar, ...]
    height: int
    width: int = WIDTH


def replies_chart(counted: QuestionCount) -> CountChart | None:
    """What readers answered to one question."""
    return count_chart(counted.question.text, [(answer.label, answer.people) for answer in counted.answers])


def count_chart(title: str, counts: Sequence[tuple[str, int]]) -> CountChart | None:
    """Numbers of people below each other; None where there is nobody."""
    most = max((number for _label, number in counts), default=0)
    if not most:
        return None
    bars = tuple(
        CountBar(
            label=f"{_short(label)} · {formats.number_format(number, force_grouping=True)}",
            long=round(number * (WIDTH - 32) / most, 1),
            y=ROW * place + 38,
        )
        for place, (label, number) in enumerate(counts)
    )
    return CountChart(title, bars, height=ROW * len(counts) + 8)
