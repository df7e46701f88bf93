"""Who gets fewer marketing emails for having done nothing by themselves for long (rules S8, U1, U6).

The rule, and what counts as doing something, is kept by an app above this one, which the settings name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from accounts.models import Organization
from delivery.models import Purpose
from participants.models import Participant
from websites.models import Website


@dataclass(frozen=True, slots=True)
class SlowDown:
    """People who were not active for so many months get at most so many marketing emails a week of a website."""

    months: int
    cap: int
    people: QuerySet[Participant]


def slow_down_of(
    organization: Organization, website: Website, purpose: Purpose | str, *, now: datetime
) -> SlowDown | None:
    """The rule that a website's mail obeys now, with the people for whom it holds; None where there is none."""
    if purpose != Purpose.MARKETING:
        return None
    rule: Callable[..., SlowDown | None] = import_string(settings.SLOW_DOWN_RULE)
    return rule(organization, website, now=now)
