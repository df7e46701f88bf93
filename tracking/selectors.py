"""What other parts ask about keys, links and hits."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from common.tenancy import call_door


def tracking_domains() -> frozenset[str]:
    """The hosts of all websites' tracked links. Called from a thread of its own, so it leaves no connection behind."""
    try:
        return frozenset(domain for _, domain in call_door("door_tracking_domains"))
    finally:
        connection.close()


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
