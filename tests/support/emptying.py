"""What a test with real commits leaves is taken away in one transaction.

Django would truncate once for each of the two names of the one database, and make all permissions and content types
anew. Most tests leave a few rows in a dozen tables: deleting them takes a fraction of the time in which all the tables
are truncated.
"""

from __future__ import annotations

from functools import cache

from django.db import connections, transaction
from django.test import TransactionTestCase
from psycopg.sql import SQL, Composed, Identifier

# They say what the code is, not what a test did.
KEPT = ("django_migrations", "django_content_type", "auth_permission")
FEW = 200

_TABLES = """
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname <> ALL(%s)"""


def empty_tables(_test: TransactionTestCase) -> None:
    """As the owner role: the app role may not. All our foreign keys look at the commit, so the order is free."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(_counts())
        found = [(name, rows) for name, rows in cursor.fetchall() if rows]
        if any(rows > FEW for _name, rows in found):
            cursor.execute(SQL("TRUNCATE {}").format(SQL(", ").join(map(Identifier, _tables()))))
            return
        for name, _rows in found:
            cursor.execute(SQL("DELETE FROM {}").format(Identifier(name)))


@cache
def _counts() -> Composed:
    """How many rows are in each table; more than a few are not counted."""
    one = SQL("SELECT {}, (SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS few)")
    return SQL(" UNION ALL ").join(one.format(name, Identifier(name), FEW + 1) for name in _tables())


@cache
def _tables() -> list[str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(_TABLES, [list(KEPT)])
        return [name for (name,) in cursor.fetchall()]
