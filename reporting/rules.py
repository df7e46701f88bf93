"""Honest figures: a rate stands beside the number of people that it is a rate of, or not at all (rule U2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import sqrt

# Below this many measurable people a percentage says more about chance than about the email.
SMALLEST_BASE_FOR_A_RATE = 10
# A total of fewer people, or of fewer hits, might say something about one of them (rule U3).
SMALLEST_CROWD = 10
# 95 % of the normal distribution.
Z = 1.959963984540054


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
        share, n = self.count / self.base, self.base
        centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
        return round(100 * max(0.0, centre - half), 1), round(100 * min(1.0, centre + half), 1)


def share(part: int, whole: int) -> float | None:
    """Percent of ``whole``, None when there is nothing to take a share of."""
    return round(100 * part / whole, 1) if whole else None


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
