"""What somebody asks a report for: how far back, and which emails beside each other."""

from __future__ import annotations

from django.http import QueryDict

from accounts.models import Organization
from campaigns.models import Launch
from reporting.reports import launches_of

# Days that reports of several emails can look back.
PERIODS = (30, 90, 365)
DEFAULT_PERIOD = 90
MOST_COMPARED = 6


def asked_days(query: QueryDict) -> int:
    """``?days=`` of those offered."""
    asked = query.get("days", "")
    return int(asked) if asked in {str(one) for one in PERIODS} else DEFAULT_PERIOD


def asked_launches(organization: Organization, query: QueryDict) -> list[Launch]:
    """``?launch=3&launch=5``, in the order in which they were asked for."""
    asked = [int(one) for one in query.getlist("launch") if one.isdecimal() and len(one) < 19][:MOST_COMPARED]
    found = {launch.pk: launch for launch in launches_of(organization, pk__in=asked)}
    return [found[one] for one in dict.fromkeys(asked) if one in found]
