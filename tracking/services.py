"""Puts sent copies under keys, keeps their country right, and deletes what may no longer be kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Organization
from common.keys import new_key
from common.tenancy import tenant
from tracking.models import TrackedContent
from tracking.recorder import CHOICE, may_keep_last_open_day_sql, may_measure_sql
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
    # Levels of consent.rules, frozen: what is measured under the copy's own key. Totals have another one.
    opens: str
    clicks: str
    # The exempt purpose that it is measured for (rule S6), empty for none.
    exempt_purpose: str = ""
    # Mail that the person subscribed to (rule S8).
    subscribed: bool = False


REGISTER = """
INSERT INTO tracking_trackedmessage
    (organization_id, content_id, website_id, decided_at,
     participant_id, key, country, opens, clicks, exempt_purpose, subscribed)
SELECT %s, %s, %s, %s, r.*
FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[]) AS r
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
        [_own_level(row.opens) for row in rows],
        [_own_level(row.clicks) for row in rows],
        [row.exempt_purpose for row in rows],
        [row.subscribed for row in rows],
    ]
    with tenant(organization.pk), connection.cursor() as cursor:
        cursor.execute(REGISTER, [organization.pk, content.pk, content.website_id, decided_at, *columns])
        return {participant_id: (message_id, key) for participant_id, message_id, key in cursor.fetchall()}


def _own_level(level: str) -> str:
    return "none" if level == "anonymous" else str(level)


def silence_exempt(organization: Organization, contents: Collection[int]) -> int:
    """Record nothing more of copies that are measured for an exempt purpose, for good (rules S6, H1).

    Said once of each content: its copies may be a million, and none of them may be opened unseen until the last is
    written.
    """
    return TrackedContent.objects.filter(organization=organization, pk__in=contents).update(exempt_ended=True)


# --- Anonymous totals -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SharedAddress:
    """The one key of a launch's totals, and the countries whose people may share it, by kind."""

    key: UUID
    countries: Mapping[str, frozenset[str]]


_KINDS = ("opens", "clicks")
_SHARED = "SELECT id, key, decided_at FROM tracking_anonymouscontent WHERE content_id = %s"
_SHARE = """
INSERT INTO tracking_anonymouscontent
    (organization_id, key, content_id, website_id, opens_countries, clicks_countries, decided_at)
VALUES (%s, %s, %s, %s, '{}', '{}', %s)
    ON CONFLICT (content_id) DO NOTHING
"""
# A country that permits totals only since after the first copy would silence the address of everybody.
_SHARING = """
SELECT p.country, p.opens_anonymous_since <= %s, p.clicks_anonymous_since <= %s
  FROM websites_measurementpermission p WHERE p.website_id = %s AND p.country = ANY(%s)
"""
_EXTEND = """
UPDATE tracking_anonymouscontent SET
    decided_at = least(decided_at, %s),
    opens_countries = ARRAY(SELECT DISTINCT unnest(opens_countries || %s::varchar[]) ORDER BY 1),
    clicks_countries = ARRAY(SELECT DISTINCT unnest(clicks_countries || %s::varchar[]) ORDER BY 1)
 WHERE id = %s
   AND NOT (opens_countries @> %s::varchar[] AND clicks_countries @> %s::varchar[] AND decided_at <= %s)
"""


def register_anonymous(
    organization: Organization,
    content: TrackedContent,
    countries: Mapping[str, Collection[str]],
    *,
    decided_at: datetime,
) -> SharedAddress | None:
    """The key under which everybody of a launch is counted who is not measured one by one (rule S9).

    ``countries``: whose people get it now, by kind. It has one key from the first copy to the last, and counts only
    while all of its countries permit it: a country that began to later is left out, and its people are not counted.
    None when nobody gets it.
    """
    wanted = {kind: sorted(set(countries.get(kind, ()))) for kind in _KINDS}
    if not any(wanted.values()):
        return None
    with tenant(organization.pk), connection.cursor() as cursor:
        row_id, key, first = _shared(cursor, organization, content, decided_at)
        first = min(first, decided_at)
        everywhere = sorted({country for codes in wanted.values() for country in codes})
        cursor.execute(_SHARING, [first, first, content.website_id, everywhere])
        permitted = {country: dict(zip(_KINDS, since_then, strict=True)) for country, *since_then in cursor.fetchall()}
        joining = {kind: [code for code in wanted[kind] if permitted.get(code, {}).get(kind)] for kind in _KINDS}
        lists = [joining[kind] for kind in _KINDS]
        cursor.execute(_EXTEND, [decided_at, *lists, row_id, *lists, decided_at])
    return SharedAddress(key, {kind: frozenset(codes) for kind, codes in joining.items()})


def _shared(
    cursor: Any, organization: Organization, content: TrackedContent, decided_at: datetime
) -> tuple[int, UUID, datetime]:
    """The row of the launch, made where it is missing. Not locked: several workers send one launch."""
    cursor.execute(_SHARED, [content.pk])
    found = cursor.fetchone()
    if found is None:
        cursor.execute(_SHARE, [organization.pk, new_key(), content.pk, content.website_id, decided_at])
        cursor.execute(_SHARED, [content.pk])
        found = cursor.fetchone()
    row_id, key, first = found
    return row_id, key, first


# --- Moves ------------------------------------------------------------------------------------------------------------

# A copy whose measuring the new country does not permit is lowered for good: moving back does not bring it back (H1).
# Addresses that many people share stay as they are, since nobody can tell who of them moved.
FOLLOW_COUNTRY = f"""
UPDATE tracking_trackedmessage AS message SET
    country = moved.country,
    opens = CASE WHEN moved.opens_permitted THEN message.opens
                 WHEN moved.last_open_day_permitted THEN 'last_open_day' ELSE 'none' END,
    clicks = CASE WHEN moved.clicks_permitted THEN message.clicks ELSE 'none' END
FROM (
    SELECT m.id, r.country,
        coalesce({may_measure_sql("opens")}, false) AS opens_permitted,
        coalesce({may_keep_last_open_day_sql()}, false) AS last_open_day_permitted,
        coalesce({may_measure_sql("clicks")}, false) AS clicks_permitted
    FROM unnest(%s::bigint[], %s::text[]) AS r (participant_id, country)
    JOIN tracking_trackedmessage m ON m.participant_id = r.participant_id AND m.country <> r.country
    LEFT JOIN websites_measurementpermission p ON p.website_id = m.website_id AND p.country = r.country
    {CHOICE}
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
