"""Honest figures: a rate stands beside the number of people that it is a rate of, or not at all (rule U2)."""

from __future__ import annotations

from dataclasses import dataclass


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
        return round(100 * self.count / self.base, 1) if self.base else None


def share(part: int, whole: int) -> float | None:
    """Percent of ``whole``, None when there is nothing to take a share of."""
    return round(100 * part / whole, 1) if whole else None
