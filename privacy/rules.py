"""Clocks of rights and retention, in plain Python."""

from __future__ import annotations

from calendar import monthrange
from datetime import date

# One month to answer a person, two more where it is complex (article 12 of the GDPR).
MONTHS_TO_ANSWER = 1
MONTHS_EXTENDED = 2
# A request that has so few days left is warned of.
DAYS_OF_WARNING = 7


def add_months(day: date, months: int) -> date:
    """The same day of a later or earlier month, or its last one: a month after 31 January is 28 February."""
    place = day.year * 12 + day.month - 1 + months
    year, month = divmod(place, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def is_overdue(due_on: date, today: date) -> bool:
    return today > due_on


def is_due_soon(due_on: date, today: date) -> bool:
    return 0 <= (due_on - today).days <= DAYS_OF_WARNING


def may_open_proof(*, asked_role: str, agreed_role: str, same_person: bool) -> bool:
    """A sealed proof takes an owner and the data protection officer, whoever asks first (rule D2)."""
    return not same_person and {asked_role, agreed_role} == {"owner", "dpo"}


def inactive_since(today: date, months: int) -> date:
    """Whoever last acted before this day is asked, or goes."""
    return add_months(today, -months)
