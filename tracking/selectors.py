"""What other parts ask about keys, links and hits."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from consent.grounds import choice_state, permission_of
from consent.models import Choice
from consent.rules import Kind, Level, Purpose, SentCopy, level_at_hit
from tracking.models import TrackedMessage
from websites.models import MeasurementPermission

MONTHS_MADE = """
SELECT to_char(month, 'YYYY-MM') FROM generate_series(0, 1) AS n,
    LATERAL (SELECT %s::timestamptz AT TIME ZONE 'UTC' + make_interval(months => n) AS month) AS m
WHERE to_regclass('public.tracking_hit_' || to_char(month, 'YYYY_MM')) IS NULL
"""


def missing_hit_months(*, now: datetime) -> list[str]:
    """Of this month and the next, those for which no hit could be stored."""
    with connection.cursor() as cursor:
        cursor.execute(MONTHS_MADE, [now])
        return [month for (month,) in cursor.fetchall()]


def level_now(
    copy: TrackedMessage, kind: Kind, permission: MeasurementPermission | None, choice: Choice | None, *, now: datetime
) -> Level:
    """What a hit by a person would leave on a sent copy at this moment; the recorder decides the same by itself."""
    sent = SentCopy(
        kind=kind,
        frozen=Level(getattr(copy, kind)),
        decided_at=copy.decided_at,
        exempt=Purpose(copy.exempt_purpose) if copy.exempt_purpose else None,
        exempt_ended=bool(copy.exempt_purpose) and copy.content.exempt_ended,
        subscribed=copy.subscribed,
    )
    return level_at_hit(sent, permission_of(permission, kind), choice_state(choice, kind), now=now)
