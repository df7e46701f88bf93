"""Hits per second, beside a constant answer of the same server and beside one INSERT per hit.

    python -m bench.tracking [--messages N] [--seconds S] [--rounds R]

Every hit of the bench may be recorded, so the rows that came in can be counted against the answers that went out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import psycopg

from bench.support import Load, bench_database, load, metrics_of, result, say, web_server

CONNECTIONS = (64, 512)
STATIC_PATH = "/healthz"
CONTROL = "bench.insert_per_hit:application"
ACKNOWLEDGED = 'pli_hit_answers_total{acknowledged="yes"}'
LATE = 'pli_hit_answers_total{acknowledged="no"}'

# Two organizations with five websites each, of which some are By consent and some Always, for people of 26 countries.
# Everybody gets two copies. Half of the people said yes; the others never answered, and hear from Always websites only.
FILL = """
INSERT INTO accounts_organization (id, public_id, name, legal_name, legal_address, created_at, timezone)
SELECT n, gen_random_uuid(), 'Organization ' || n, '', '', now(), 'UTC' FROM generate_series(1, 2) n;

INSERT INTO websites_consentscope (id, organization_id, name, is_default, created_at)
SELECT n, n, 'Organization ' || n, true, now() FROM generate_series(1, 2) n;

INSERT INTO websites_website (id, organization_id, name, domain, country, declared_country, tracking_domain,
    sender_name, sender_email, email_tracking, consent_scope_id, for_professionals, opens_fallback, clicks_fallback,
    created_at)
SELECT n, 1 + n % 2, 'Website ' || n, 'www.example', 'BE', '', '', '', 'news@www.example',
    CASE WHEN n <= 5 THEN 'by_consent' ELSE 'always' END, 1 + n % 2, false, 'none', 'none', now()
FROM generate_series(1, 10) n;

INSERT INTO websites_measurementpermission (organization_id, website_id, scope_id, country, opens_basis,
    opens_with_yes_since, opens_unless_no_since, clicks_basis, clicks_with_yes_since, clicks_unless_no_since)
SELECT w.organization_id, w.id, w.consent_scope_id, 'C' || chr(65 + c), '', year_ago, always, '', year_ago, always
FROM websites_website w, generate_series(0, 25) c, LATERAL (SELECT now() - interval '1 year' AS year_ago) y,
    LATERAL (SELECT CASE WHEN w.email_tracking = 'always' THEN year_ago END AS always) a;

INSERT INTO tracking_trackedcontent (id, organization_id, website_id, links)
SELECT 10 * w.id + n, w.organization_id, w.id, '[]' FROM websites_website w, generate_series(0, 9) n;

INSERT INTO participants_participant (id, organization_id, email, email_norm, country, locale, first_name, last_name,
    external_id, attributes, created_at, updated_at)
SELECT n, 1 + n % 2, n || '@www.example', n || '@www.example', '', '', '', '', '', '{}', now(), now()
FROM generate_series(1, PEOPLE) n;

INSERT INTO consent_choice (organization_id, participant_id, scope_id, opens, opens_source, opens_yes_since,
    opens_not_no_since, clicks, clicks_source, clicks_yes_since, clicks_not_no_since)
SELECT p.organization_id, p.id, p.organization_id, 'yes', 'person', since, since, 'yes', 'person', since, since
FROM participants_participant p, LATERAL (SELECT now() - interval '200 days' AS since) s
WHERE p.id / 2 % 2 = 0;

INSERT INTO tracking_trackedmessage (organization_id, content_id, website_id, participant_id, key, country, opens,
    clicks, decided_at)
SELECT p.organization_id, 10 * website + p.id / 16 % 10, website, p.id, gen_random_uuid(),
    'C' || chr(65 + (p.id % 26)::int), 'individual', 'individual', now() - make_interval(days => (p.id % 90)::int)
FROM generate_series(0, 1) copy, participants_participant p,
    LATERAL (SELECT p.id / 8 + copy AS turn) t,
    LATERAL (SELECT CASE
        WHEN p.id % 4 = 0 THEN (ARRAY[2, 4, 6, 8, 10])[1 + turn % 5]
        WHEN p.id % 4 = 1 THEN (ARRAY[1, 3, 5, 7, 9])[1 + turn % 5]
        WHEN p.id % 4 = 2 THEN (ARRAY[6, 8, 10])[1 + turn % 3]
        ELSE (ARRAY[7, 9])[1 + turn % 2] END AS website) w
"""


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


def fill(database: psycopg.Connection[Any], messages: int, keys: Path) -> None:
    say(f"making {messages} tracked messages")
    for statement in FILL.replace("PEOPLE", str(messages // 2)).split(";"):
        database.execute(statement)
    with database.cursor() as cursor, keys.open("wb") as file:
        # As common.keys.encode_key writes them.
        query = (
            "SELECT rtrim(translate(encode(uuid_send(key), 'base64'), '+/', '-_'), '=') FROM tracking_trackedmessage"
        )
        with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            for data in copy:
                file.write(data)
    database.execute("VACUUM ANALYZE")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=8, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="per number of connections")
    return parser.parse_args()


if __name__ == "__main__":
    main()
