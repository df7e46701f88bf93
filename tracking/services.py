"""Puts sent copies under keys, keeps their country right, and deletes what may no longer be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Organization
from common.keys import new_key
from common.tenancy import tenant
from tracking.models import TrackedContent
from tracking.recorder import may_measure_sql
from websites.models import Website
from websites.rules import normalise_country


def register_content(organization: Organization, website: Website, links: list[dict[str, Any]]) -> TrackedContent:
    """Keep the numbered links of a frozen email, so that hits can be counted for it."""
    with tenant(organization.pk):
        return TrackedContent.objects.create(organization=organization, website=website, links=links)


@dataclass(frozen=True, slots=True)
class NewTracked:
    """A sent copy of which something may be measured."""

    participant_id: int
    # Whose permission counts at the hit (S5); empty for unknown.
    country: str
    # Levels of consent.rules, frozen.
    opens: str
    clicks: str


REGISTER = """
INSERT INTO tracking_trackedmessage
    (organization_id, content_id, website_id, participant_id, key, country, opens, clicks, decided_at)
SELECT %s, %s, %s, r.participant_id, r.key, r.country, r.opens, r.clicks, %s
FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::text[])
    AS r (participant_id, key, country, opens, clicks)
RETURNING participant_id, id, key
"""


def register_messages(
    organization: Organization, content: TrackedContent, rows: Sequence[NewTracked], *, decided_at: datetime
) -> dict[int, tuple[int, UUID]]:
    """Give each copy a key of its own. By participant: the tracked message and its key."""
    if not rows:
        return {}
    columns: list[list[Any]] = [
        [row.participant_id for row in rows],
        [new_key() for _ in rows],
        [normalise_country(row.country) for row in rows],
        [row.opens for row in rows],
        [row.clicks for row in rows],
    ]
    with tenant(organization.pk), connection.cursor() as cursor:
        cursor.execute(REGISTER, [organization.pk, content.pk, content.website_id, decided_at, *columns])
        return {participant_id: (message_id, key) for participant_id, message_id, key in cursor.fetchall()}


# A copy whose measuring the new country does not permit is lowered for good: moving back does not bring it back (H1).
FOLLOW_COUNTRY = f"""
UPDATE tracking_trackedmessage AS message SET
    country = moved.country,
    opens = CASE WHEN moved.opens_permitted THEN message.opens ELSE 'none' END,
    clicks = CASE WHEN moved.clicks_permitted THEN message.clicks ELSE 'none' END
FROM (
    SELECT m.id, r.country,
        coalesce({may_measure_sql("opens")}, false) AS opens_permitted,
        coalesce({may_measure_sql("clicks")}, false) AS clicks_permitted
    FROM unnest(%s::bigint[], %s::text[]) AS r (participant_id, country)
    JOIN tracking_trackedmessage m ON m.participant_id = r.participant_id AND m.country <> r.country
    LEFT JOIN websites_measurementpermission p ON p.website_id = m.website_id AND p.country = r.country
    LEFT JOIN consent_choice c ON c.participant_id = m.participant_id
) AS moved
WHERE message.id = moved.id
"""  # noqa: S608 - made of constants


def change_participant_countries(organization: Organization, countries: Mapping[int, str]) -> int:
    """Let sent copies follow participants to other countries (S5). Returns how many copies moved."""
    if not countries:
        return 0
    codes = [normalise_country(code) for code in countries.values()]
    with tenant(organization.pk), connection.cursor() as cursor:
        cursor.execute(FOLLOW_COUNTRY, [list(countries), codes])
        return cursor.rowcount


def change_participant_country(organization: Organization, participant_id: int, country: str, *, now: datetime) -> int:
    """Let the sent copies of one participant follow to another country."""
    return change_participant_countries(organization, {participant_id: country})
