"""Who is there for as long as a transaction needs them.

Tables that are filled by the million have no foreign keys to people: each row would ask for its person and write a lock
into their row, which was half of what an expansion costs. Whoever writes such rows for people says so here, and whoever
takes people away waits for them: for a moment only, since what takes long looks afterwards whether somebody went.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction

from accounts.models import Organization

# Of advisory locks; the second number is the organization.
_PRESENCE = 7304
_LARGEST = 2**31
# Grows whenever somebody is taken away, at once and for everybody to see.
_DEPARTURES = "participants_departures"


def keep_people(organization: Organization) -> None:
    """Nobody who is found from now on goes before this transaction ends. Before the people are looked up."""
    _lock("pg_advisory_xact_lock_shared", organization.pk, DEFAULT_DB_ALIAS)


def watch_people(organization: Organization) -> int | None:
    """Before many people are looked up by what takes long: from where ``may_have_gone`` counts. Holds nobody up.

    In a transaction. Whoever is being taken away just now is gone when this returns, and will not be found.
    """
    with transaction.atomic():
        keep_people(organization)
        departures = _departures()
        transaction.set_rollback(True)  # which gives the lock back
    return departures


def may_have_gone(organization: Organization, *, since: int | None) -> bool:
    """Whether somebody, of whatever organization, was taken away since people were looked up.

    Nobody goes any more before this transaction ends.
    """
    keep_people(organization)
    return _departures() != since


def wait_for_keepers(organization_id: int, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Before somebody is taken away: nobody writes rows for them, or begins to, until this transaction ends.

    Whoever has begun with what takes long finds them gone in the end.
    """
    _lock("pg_advisory_xact_lock", organization_id, using)
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT nextval(%s)", [_DEPARTURES])


def _lock(function: str, organization_id: int, using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_PRESENCE, organization_id % _LARGEST])


def _departures() -> int | None:
    """How many there were, up to and with those that are not committed yet; None before the first."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT last_value FROM pg_sequences WHERE schemaname = current_schema() AND sequencename = %s",
            [_DEPARTURES],
        )
        row = cursor.fetchone()
    return row[0] if row else None


_KEEP_ACTIVE = """
UPDATE participants_participant p SET active_on = greatest(p.active_on, r.day)
  FROM unnest(%s::bigint[], %s::date[]) AS r (id, day) WHERE p.organization_id = %s AND p.id = r.id"""


def keep_activity(organization: Organization, days: Mapping[int, date]) -> None:
    """Remember of people on which day they last acted, before what says so is removed (rule U4)."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_ACTIVE, [list(days), list(days.values()), organization.pk])
