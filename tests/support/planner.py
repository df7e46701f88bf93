"""What PostgreSQL's planner knows of the tables."""

from __future__ import annotations

import os

import psycopg

_FORGET = """SELECT pg_clear_relation_stats('public', relname::text) FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"""


def forget_statistics() -> None:
    """Nothing, as right after an import: vacuum may have come by after another test and found the tables empty."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(_FORGET)
