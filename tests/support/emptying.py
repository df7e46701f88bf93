"""What a test with real commits leaves is taken away by one statement.

Django would do it once for each of the two names of the one database, and make all permissions and content types anew.
"""

from __future__ import annotations

from functools import cache

from django.db import connections
from django.test import TransactionTestCase

# They say what the code is, not what a test did.
KEPT = ("django_migrations", "django_content_type", "auth_permission")

_TABLES = """
SELECT quote_ident(c.relname) FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname <> ALL(%s)"""


def empty_tables(_test: TransactionTestCase) -> None:
    """As the owner role: the app role may not."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"TRUNCATE {_tables()}")


@cache
def _tables() -> str:
    with connections["owner"].cursor() as cursor:
        cursor.execute(_TABLES, [list(KEPT)])
        return ", ".join(name for (name,) in cursor.fetchall())
