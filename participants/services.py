"""Who is there for as long as a transaction needs them.

Tables that are filled by the million have no foreign keys to people: each row would ask for its person and write a lock
into their row, which was half of what an expansion costs. Whoever writes such rows for people says so here, and whoever
takes people away waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from django.db import DEFAULT_DB_ALIAS, connection, connections

from accounts.models import Organization

# Of advisory locks; the second number is the organization.
_PRESENCE = 7304
_LARGEST = 2**31


def keep_people(organization: Organization) -> None:
    """Nobody who is found from now on goes before this transaction ends. Before the people are looked up."""
    _lock("pg_advisory_xact_lock_shared", organization.pk, DEFAULT_DB_ALIAS)


def wait_for_keepers(organization_id: int, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Before somebody is taken away: nobody writes rows for them, or begins to, until this transaction ends."""
    _lock("pg_advisory_xact_lock", organization_id, using)


def _lock(function: str, organization_id: int, using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_PRESENCE, organization_id % _LARGEST])


_KEEP_ACTIVE = """
UPDATE participants_participant p SET active_on = greatest(p.active_on, r.day)
  FROM unnest(%s::bigint[], %s::date[]) AS r (id, day) WHERE p.organization_id = %s AND p.id = r.id"""


def keep_activity(organization: Organization, days: Mapping[int, date]) -> None:
    """Remember of people on which day they last acted, before what says so is removed (rule U4)."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_ACTIVE, [list(days), list(days.values()), organization.pk])
