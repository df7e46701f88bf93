"""Who the database believes we act for.

Row-level security reads the setting ``app.organization``. It is set inside a transaction only (``is_local``), so that a
connection handed on by a pool never carries somebody else's organization.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from psycopg import sql


def _set_organization(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.organization', %s, true)", [value])


def current_organization_id() -> int | None:
    """The organization that this transaction acts for, None outside of ``tenant``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nullif(current_setting('app.organization', true), '')")
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] else None


@contextmanager
def tenant(organization_id: int) -> Iterator[None]:
    """One transaction that sees and writes the rows of one organization. Nests; the outer one counts afterwards."""
    with transaction.atomic():
        previous = current_organization_id()
        _set_organization(str(organization_id))
        yield
        # A rolled back (sub)transaction restores the setting by itself; only the good end needs this.
        if not transaction.get_rollback():
            _set_organization("" if previous is None else str(previous))


def call_door(name: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of a ``door_*`` function: the few questions that may be asked before the organization is known."""
    if not name.startswith("door_") or not name.isidentifier():
        raise ValueError(f"not a door: {name!r}")
    query = sql.SQL("SELECT * FROM {}({})").format(
        sql.Identifier(name), sql.SQL(", ").join([sql.Placeholder()] * len(args))
    )
    with connection.cursor() as cursor:
        cursor.execute(query, list(args))
        return cursor.fetchall()
