"""What a hit costs beside twenty times as many tracked messages and stored hits.

    python -m bench.slowdown [--rows N] [--rounds R] [--plans]

Two databases of one PostgreSQL, with the settings of embedded mode: one holds so many messages and so many hits, the
other a twentieth of each. The people are the same in both, one for each message of the smaller. The recorder stores
batches of hits on messages drawn at random, in one and the other in turn. What is timed is the statement with its
commit, by the recorder's own number.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import shutil
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from bench.support import bench_database, result, say
from bench.tracked import MESSAGE, fill_people
from common import metrics
from tracking.batch import CLICK, Batch
from tracking.recorder import CONNECTION, OPEN, RECORD_HITS_RAW, Recorder

ROWS = 20_000_000
FEWER = 20
ROUNDS = 5
# About what one statement stores of 512 connections.
BATCH = 500
BATCHES = 40
# The first ones of a turn find the memory as the other database left it.
WARM_UP = 10
SEED = 20_261_122
AT_ONCE = 1_000_000
# Rows, indexes and the log that PostgreSQL keeps of both.
BYTES_PER_ROW = 700
BYTES_BESIDE = 8_000_000_000
SMALL = "pli_small"

# The key says which message it is, so that keys can be drawn without reading, and thereby warming, the table.
FILL_MESSAGES = f"""
INSERT INTO tracking_trackedmessage (id, organization_id, content_id, website_id, participant_id, country, opens,
    clicks, decided_at, key)
SELECT p.n, m.*, md5(p.n::text)::uuid FROM (
    SELECT n, 1 + n % {{people}} AS id, 1 + (1 + n % {{people}}) % 2 AS organization_id, n / {{people}} AS copy
    FROM (SELECT generate_series({{first}}::bigint, {{last}}) AS n) s
) p, LATERAL ({MESSAGE}) m
"""
# One for each message, all of them in the month into which new ones go.
FILL_HITS = f"""
INSERT INTO tracking_hit (organization_id, content_id, tracked_message_id, kind, link_number, actor, received_at)
SELECT m.organization_id, m.content_id, p.n, 1 + p.n % 2, nullif(p.n % 2, 0), 1,
    month + (now() - month) * (p.n::float8 / {{rows}})
FROM date_trunc('month', now()) AS month, (
    SELECT n, 1 + n % {{people}} AS id, 1 + (1 + n % {{people}}) % 2 AS organization_id, n / {{people}} AS copy
    FROM (SELECT generate_series({{first}}::bigint, {{last}}) AS n) s
) p, LATERAL ({MESSAGE}) m
"""

_KEYS = """
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f')
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
 WHERE i.indrelid = %s::regclass AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""


# --- Rows -------------------------------------------------------------------------------------------------------------


@contextmanager
def without_indexes(database: psycopg.Connection[Any], table: str) -> Iterator[None]:
    """Indexes are made when the rows are in. References to other tables stay away: no hit looks at them."""
    keys = database.execute(_KEYS, [table]).fetchall()
    indexes = database.execute(_INDEXES, [table]).fetchall()
    for name, _kind, _definition in keys:
        database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")
    for name, _definition in indexes:
        database.execute(f"DROP INDEX {name}")
    yield
    for name, kind, definition in keys:
        if kind != "f":
            database.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for _name, definition in indexes:
        database.execute(definition)


def fill_table(url: str, table: str, query: str, rows: int, people: int) -> None:
    with psycopg.connect(url, autocommit=True) as database:
        with without_indexes(database, table):
            for first in range(1, rows + 1, AT_ONCE):
                last = min(first + AT_ONCE - 1, rows)
                database.execute(query.format(first=first, last=last, rows=rows, people=people))
        database.execute(f"VACUUM ANALYZE {table}")


def fill_database(url: str, rows: int, people: int) -> None:
    """Messages and hits at the same time: there are two cores."""
    began = time.monotonic()
    tables = [("tracking_trackedmessage", FILL_MESSAGES), ("tracking_hit", FILL_HITS)]
    with ThreadPoolExecutor(len(tables)) as threads:
        for filling in [threads.submit(fill_table, url, table, query, rows, people) for table, query in tables]:
            filling.result()
    say(f"{rows} tracked messages and {rows} hits made in {time.monotonic() - began:.0f} s")


def make_databases(owner: str, rows: int) -> str:
    """The large one is the product's own; the small one gets the same people. Returns its name."""
    people = rows // FEWER
    with psycopg.connect(owner, autocommit=True) as database:
        fill_people(database, people)
        database.execute("VACUUM ANALYZE")
    with psycopg.connect(owner, dbname="postgres", autocommit=True) as database:
        database.execute(f"CREATE DATABASE {SMALL} TEMPLATE pli")
    fill_database(make_conninfo(owner, dbname=SMALL), people, people)
    fill_database(owner, rows, people)
    return SMALL


# --- Time -------------------------------------------------------------------------------------------------------------


def drawn_keys(chance: random.Random, rows: int, count: int) -> list[str]:
    numbers = (chance.randint(1, rows) for _ in range(count))
    return [hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest() for number in numbers]


def _measured(name: str) -> float:
    return metrics.REGISTRY.get_sample_value(name) or 0.0


async def store(recorder: Recorder, keys: list[str]) -> float:
    """One batch, half opens and half clicks. Seconds of its statement."""
    stored, seconds = _measured("pli_hits_stored_total"), _measured("pli_hit_commit_seconds_sum")
    taken = [recorder.take(key, *((CLICK, 1) if n % 2 else (OPEN, 0)), 1) for n, key in enumerate(keys)]
    for done in taken:
        assert done is not None
        await done
    if _measured("pli_hits_stored_total") - stored != len(keys):
        raise SystemExit("not every hit of a batch was stored")
    return _measured("pli_hit_commit_seconds_sum") - seconds


async def turn(recorder: Recorder, chance: random.Random, rows: int) -> list[float]:
    costs = [await store(recorder, drawn_keys(chance, rows, BATCH)) for _ in range(WARM_UP + BATCHES)]
    return costs[WARM_UP:]


async def compare(small: str, large: str, rows: int, rounds: int) -> tuple[float, float]:
    """Microseconds per hit in the small and in the large database: the median of all batches."""
    chance = random.Random(SEED)
    # Nobody is answered late here, however slow the machine.
    sides = [(Recorder(small, answer_within=600), rows // FEWER), (Recorder(large, answer_within=600), rows)]
    costs: list[list[float]] = [[], []]
    for number in range(rounds):
        for side, (recorder, count) in enumerate(sides):
            costs[side] += await turn(recorder, chance, count)
        said = " and ".join(f"{_per_hit(side[-BATCHES:]):.1f}" for side in costs)
        say(f"round {number + 1}: {said} µs per hit")
    for recorder, _count in sides:
        await recorder.close()
    return _per_hit(costs[0]), _per_hit(costs[1])


def _per_hit(seconds: list[float]) -> float:
    return statistics.median(seconds) / BATCH * 1e6


def show_plan(url: str, rows: int) -> None:
    """The statement's plan for one batch, as it is executed; nothing stays of it."""
    batch = Batch()
    for number, key in enumerate(drawn_keys(random.Random(SEED + 1), rows, BATCH)):
        batch.add(key, *((CLICK, 1) if number % 2 else (OPEN, 0)), 1)
    values = ", ".join(f"'{value}'" for value in batch.parameters())
    with psycopg.connect(url, **CONNECTION) as connection:
        connection.execute(f"PREPARE hits AS {RECORD_HITS_RAW}")
        with connection.transaction(force_rollback=True):
            lines = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE hits({values})").fetchall()
    print(f"\n{rows} tracked messages, {rows} hits, one batch of {BATCH}:\n")
    print("\n".join(line for (line,) in lines), flush=True)


def measure(home: Path, urls: dict[str, str], rows: int, rounds: int = ROUNDS, *, plans: bool = False) -> None:
    """On engines that were just started, with nobody in them."""
    free, needed = shutil.disk_usage(home).free, BYTES_PER_ROW * rows + BYTES_BESIDE
    if free < needed:
        raise SystemExit(f"{rows} rows need {needed / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free")
    owner, large = urls["DATABASE_OWNER_URL"], urls["DATABASE_RECORDER_URL"]
    small = make_conninfo(large, dbname=make_databases(owner, rows))
    few, many = asyncio.run(compare(small, large, rows, rounds))
    result(f"tracking.us_per_hit_{_short(rows // FEWER)}_rows", few, 1)
    result(f"tracking.us_per_hit_{_short(rows)}_rows", many, 1)
    result(f"tracking.slowdown_{_short(rows)}_rows", many / few, 2)
    if plans:
        show_plan(small, rows // FEWER)
        show_plan(large, rows)


def _short(rows: int) -> str:
    millions, rest = divmod(rows, 1_000_000)
    return str(rows) if rest else f"{millions}m"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="tracked messages, and as many hits, in the large one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--plans", action="store_true", help="print the statement's plan at both sizes")
    options = parser.parse_args()
    with bench_database("slowdown") as (home, urls):
        measure(home, urls, options.rows, options.rounds, plans=options.plans)


if __name__ == "__main__":
    main()
