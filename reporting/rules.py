"""Honest figures: a rate stands beside the number of people that it is a rate of, or not at all (rule U2)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, sqrt

from campaigns.rules import wilson_interval

# Below this many measurable people a percentage says more about chance than about the email.
SMALLEST_BASE_FOR_A_RATE = 10
# A total of fewer people, or of fewer hits, might say something about one of them (rule U3).
SMALLEST_CROWD = 10
# Fewer say too little even of themselves.
SMALLEST_BASE_FOR_AN_ESTIMATE = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``base`` people who could be measured. Without a base nothing was measured, which is not 0 %."""

    count: int
    base: int

    @property
    def measured(self) -> bool:
        return self.base > 0

    @property
    def percent(self) -> float | None:
        """None where the base is too small to speak of a rate."""
        return round(100 * self.count / self.base, 1) if self.base >= SMALLEST_BASE_FOR_A_RATE else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the rate lies with 95 % confidence, in percent (Wilson 1927); None where there is no rate."""
        if self.percent is None:
            return None
        low, high = self.shares
        return round(100 * low, 1), round(100 * high, 1)

    @property
    def shares(self) -> tuple[float, float]:
        """The same from 0 to 1, not rounded; of nobody nothing is known."""
        return wilson_interval(self.count, self.base) or (0.0, 1.0)

    def estimate(self, people: int) -> tuple[int, int] | None:
        """How many of ``people`` it would be if those who could not be measured did as the others: from, to.

        Nobody knows whether they do. None where too few were measured to say even that.
        """
        if self.base < SMALLEST_BASE_FOR_AN_ESTIMATE or self.interval is None:
            return None
        low, high = self.interval
        return floor(people * low / 100), ceil(people * high / 100)


def difference(one: Rate, other: Rate) -> tuple[float, float] | None:
    """Between which points of percent ``one`` lies above ``other``, with 95 % confidence (Newcombe 1998, method 10).

    Nothing can be said where zero lies between the two.
    """
    if one.interval is None or other.interval is None:
        return None
    first, second = one.count / one.base, other.count / other.base
    (first_low, first_high), (second_low, second_high) = one.shares, other.shares
    below = sqrt((first - first_low) ** 2 + (second_high - second) ** 2)
    above = sqrt((first_high - first) ** 2 + (second - second_low) ** 2)
    return round(100 * (first - second - below), 1), round(100 * (first - second + above), 1)


def share(part: int, whole: int) -> float | None:
    """Percent of ``whole``, None when there is nothing to take a share of."""
    return round(100 * part / whole, 1) if whole else None


# --- Small numbers (rule U3) ----------------------------------------------------------------------------------------


def too_small(sizes: Sequence[int], k: int = SMALLEST_CROWD) -> set[int]:
    """The places of what is not shown: every size below ``k``, and more of the small ones until nobody can subtract.

    One that is hidden alone is the whole less the others; and so are several that together are fewer than ``k``.
    """
    order = sorted(range(len(sizes)), key=lambda place: (sizes[place], place))
    hidden = {place for place in order if sizes[place] < k}
    for place in order[len(hidden) :]:
        if not hidden or (len(hidden) > 1 and sum(sizes[one] for one in hidden) >= k):
            break
        hidden.add(place)
    return hidden


@dataclass(frozen=True, slots=True)
class Published[Key: Hashable]:
    """What may be shown of totals without anybody behind them; None where that is nothing."""

    total: int | None
    cells: dict[Key, int | None]


def publish[Key: Hashable](totals: Mapping[Key, int], *, copies: int, k: int = SMALLEST_CROWD) -> Published[Key]:
    """Totals of a launch as they may be shown: each at least so many, in steps of ``k``, and none that is smaller.

    In steps, since two reports of one day may be subtracted from each other like two cells of one report: what was
    added between them is then ``k`` or nothing. The whole is what is shown, and of what is hidden no more than the
    others could amount to without any one of them, so that each of them may still be nobody or all but a crowd.
    Reports of several emails add up what is shown of each.
    """
    if copies < k:
        return Published(None, dict.fromkeys(totals))
    cells = {key: number - number % k if number >= k else None for key, number in totals.items()}
    hidden = [totals[key] for key, shown in cells.items() if shown is None]
    rest = min(sum(hidden), max(0, len(hidden) - 1) * (k - 1))
    whole = sum(shown for shown in cells.values() if shown is not None) + rest - rest % k
    return Published(whole or None, cells)


# --- When to count again --------------------------------------------------------------------------------------------

SOONEST = timedelta(seconds=15)
LATEST = timedelta(days=1)
# Nothing is expected to be heard of a copy any more.
SETTLED = timedelta(days=60)
# Counting may take this part of one processor.
MOST_OF_THE_TIME = 20


def next_count_in(age: timedelta, *, seconds: float) -> timedelta | None:
    """When the copies of a mailing are counted again that was finished ``age`` ago; None: not any more.

    The older, and the longer it takes, the later, so that all its countings together cost no more than a few sendings.
    """
    if age > SETTLED:
        return None
    part = 20 if seconds < 0.2 else 4
    return min(LATEST, max(SOONEST, seconds * MOST_OF_THE_TIME * timedelta(seconds=1), age / part))


# --- Reports by email -------------------------------------------------------------------------------------------------


def next_report_day(today: date, rhythm: str) -> date:
    """The next day, Monday or first of a month after ``today``."""
    if rhythm == "weekly":
        return today + timedelta(days=7 - today.weekday())
    if rhythm == "monthly":
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return today + timedelta(days=1)
