"""Hits per second, beside a constant answer of the same server and beside one INSERT per hit.

    python -m bench.tracking [--messages N] [--seconds S] [--rounds R] [--rows N]

Every hit of the bench may be recorded, so the rows that came in can be counted against the answers that went out.
At the end bench.slowdown compares what a hit costs beside a million rows, and beside twenty.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import psycopg

from bench import slowdown
from bench.support import Load, bench_database, load, metrics_of, result, say, web_server
from bench.tracked import fill

CONNECTIONS = (64, 512)
STATIC_PATH = "/healthz"
CONTROL = "bench.insert_per_hit:application"
ACKNOWLEDGED = 'pli_hit_answers_total{acknowledged="yes"}'
LATE = 'pli_hit_answers_total{acknowledged="no"}'


class Bench:
    """The two servers, the database, and what was counted so far."""

    def __init__(self, database: psycopg.Connection[Any], keys: Path, seconds: int) -> None:
        self._database = database
        self._keys = keys
        self._seconds = seconds
        self.unaccounted = 0
        self.late = 0

    def static(self, base: str, connections: int) -> Load:
        return _without_errors(load(base, connections, self._seconds, STATIC_PATH))

    def control(self, base: str, connections: int) -> Load:
        return _without_errors(load(base, connections, self._seconds, str(self._keys)))

    def hits(self, base: str, connections: int) -> Load:
        """Besides the rate: whether each answer after a commit has its row."""
        rows, numbers = self._rows(), metrics_of(base)
        seen = _without_errors(load(base, connections, self._seconds, str(self._keys)))
        acknowledged, late = self._settled(base, numbers)
        added = self._rows() - rows
        # wrk hangs up at the end: up to one answer per connection was given and not counted by it.
        if not seen.answers <= acknowledged + late <= seen.answers + connections:
            raise SystemExit(f"{seen.answers} answers arrived, but the server says {acknowledged} + {late}")
        # Late ones are stored too, once their turn comes, unless they were dropped.
        self.unaccounted += abs(acknowledged + late - added)
        self.late += late
        return seen

    def _settled(self, base: str, before: dict[str, float]) -> tuple[int, int]:
        """Answers given (after the commit, before it) since ``before``, once nothing waits any more."""
        deadline = time.monotonic() + 30
        while (now := metrics_of(base))["pli_hits_waiting"]:
            if time.monotonic() > deadline:
                raise SystemExit("hits are still waiting for the database")
            time.sleep(0.1)
        return int(now[ACKNOWLEDGED] - before.get(ACKNOWLEDGED, 0)), int(now.get(LATE, 0) - before.get(LATE, 0))

    def _rows(self) -> int:
        found = self._database.execute("SELECT count(*) FROM tracking_hit").fetchone()
        assert found is not None
        return int(found[0])


def _without_errors(seen: Load) -> Load:
    if seen.errors:
        raise SystemExit(f"{seen.errors} requests failed")
    return seen


def main() -> None:
    options = _options()
    with (
        bench_database("tracking") as (home, urls),
        psycopg.connect(urls["DATABASE_OWNER_URL"], autocommit=True) as database,
    ):
        keys = home / "keys"
        fill(database, options.messages, keys)
        bench = Bench(database, keys, options.seconds)
        log = home / "log"
        with web_server(log / "web.log") as ours, web_server(log / "control.log", CONTROL) as control:
            for connections in CONNECTIONS:
                _measure(bench, ours, control, connections, options.rounds)
        result("tracking.acknowledged_minus_stored", bench.unaccounted)
        say(f"{bench.late} answers did not wait for their commit")
    if options.rows:
        with bench_database("slowdown") as (home, urls):
            slowdown.measure(home, urls, options.rows)


def _measure(bench: Bench, ours: str, control: str, connections: int, rounds: int) -> None:
    runs: dict[str, list[Load]] = {"static": [], "hits": [], "insert_per_hit": []}
    for number in range(rounds):
        runs["static"].append(bench.static(ours, connections))
        runs["hits"].append(bench.hits(ours, connections))
        runs["insert_per_hit"].append(bench.control(control, connections))
        said = ", ".join(f"{kind} {loads[-1].per_s:.0f}/s" for kind, loads in runs.items())
        say(f"{connections} connections, round {number + 1}: {said}")
    static, hits, insert = (statistics.median(run.per_s for run in loads) for loads in runs.values())
    name = f"tracking.c{connections}"
    result(f"{name}.hits_per_s", hits)
    result(f"{name}.static_per_s", static)
    result(f"{name}.ratio_to_static", hits / static, 2)
    result(f"{name}.insert_per_hit_per_s", insert)
    result(f"{name}.ratio_to_insert_per_hit", hits / insert, 2)
    result(f"{name}.p99_ms", statistics.median(run.p99_ms for run in runs["hits"]), 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=8, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="per number of connections")
    parser.add_argument("--rows", type=int, default=slowdown.ROWS, help="tracked messages and hits; 0 leaves this out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
