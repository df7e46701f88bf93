"""How many hits a second are counted into the figures of reports, and how long the page of a large launch takes.

    python -m bench.reporting [--hits N] [--people N] [--pages N]

The page is asked for as the console answers it, signed in, without a browser and without a network.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import psycopg

from bench.support import Launched, bench_database, launch_newsletter, result, say

# A launch with which the other is compared: the page of both takes the same queries.
SMALL = 1_000

# All copies left. Two thirds of the people said yes, and their copies may be measured.
SEND = """
INSERT INTO tracking_trackedmessage (organization_id, content_id, website_id, participant_id, key, country, opens,
    clicks, decided_at)
SELECT m.organization_id, s.tracked_content_id, g.website_id, m.participant_id, gen_random_uuid(), 'BE', 'individual',
       'individual', now()
  FROM delivery_message m JOIN delivery_mailing g ON g.id = m.mailing_id
  JOIN delivery_contentsnapshot s ON s.id = g.snapshot_id JOIN consent_choice c ON c.participant_id = m.participant_id
 WHERE m.mailing_id = MAILING ORDER BY m.id;

UPDATE delivery_message m
   SET status = 'sent', sent_at = now(), decided_at = now(), tracked_message_id = t.id,
       news = CASE WHEN m.id % 50 = 0 THEN 'hard_bounce' WHEN m.id % 3 > 0 THEN 'delivered' ELSE '' END,
       opens = CASE WHEN t.id IS NULL THEN 'none' ELSE 'individual' END,
       clicks = CASE WHEN t.id IS NULL THEN 'none' ELSE 'individual' END,
       opens_reason = CASE WHEN t.id IS NULL THEN 'no_answer' ELSE 'person_said_yes' END,
       clicks_reason = CASE WHEN t.id IS NULL THEN 'no_answer' ELSE 'person_said_yes' END
  FROM delivery_message o
  JOIN delivery_mailing g ON g.id = o.mailing_id JOIN delivery_contentsnapshot s ON s.id = g.snapshot_id
  LEFT JOIN tracking_trackedmessage t ON t.content_id = s.tracked_content_id AND t.participant_id = o.participant_id
 WHERE o.mailing_id = MAILING AND m.id = o.id;

UPDATE delivery_mailing SET state = 'done', finished_at = now() WHERE id = MAILING;
VACUUM ANALYZE delivery_message;
VACUUM ANALYZE tracking_trackedmessage
"""

# In the order of time, as they come in: most on the first day, a third of them clicks, one in eight by machines.
HITS = """
INSERT INTO tracking_hit (organization_id, content_id, tracked_message_id, kind, link_number, actor, received_at)
SELECT s.organization_id, s.tracked_content_id, first + floor(random() * many)::bigint,
       CASE WHEN is_click THEN 2 ELSE 1 END, CASE WHEN is_click THEN 1 + floor(40 * random() ^ 2)::int END,
       CASE WHEN dice < 0.125 THEN 2 WHEN dice < 0.25 THEN 3 ELSE 1 END,
       now() - interval '2 days' + interval '2 days' * (n / %(hits)s::float) ^ 2
  FROM generate_series(1, %(hits)s) n, LATERAL (SELECT random() < 0.33 AND n > 0 AS is_click, random() AS dice) r,
       delivery_mailing g JOIN delivery_contentsnapshot s ON s.id = g.snapshot_id,
       LATERAL (SELECT min(t.id) AS first, count(*) AS many FROM tracking_trackedmessage t
                 WHERE t.content_id = s.tracked_content_id) t
 WHERE g.id = %(mailing)s
"""


def _send(database: psycopg.Connection[Any], launched: Launched, hits: int) -> None:
    say(f"sending {launched.people:,} copies, and {hits:,} hits on them")
    for statement in SEND.replace("MAILING", str(launched.mailing)).split(";"):
        database.execute(statement)
    database.execute(HITS, {"hits": hits, "mailing": launched.mailing})
    database.execute("ANALYZE tracking_hit")


def _count(hits: int) -> None:
    """As the worker does it, from the first hit to the last."""
    from django.utils import timezone

    from reporting import counting, rollups

    rollups.note_horizon(now=timezone.now())
    counted, began = 0, time.monotonic()
    while (step := rollups.count_new_hits()).more:
        counted += step.hits
    seconds = time.monotonic() - began
    counted += step.hits
    if counted != hits:
        raise SystemExit(f"{counted} of {hits} hits were counted")
    result("reporting.rollup_hits_per_s", counted / seconds)
    began = time.monotonic()
    for organization, mailing in counting.due_mailings(now=timezone.now()):
        counting.count_mailing(organization, mailing, now=timezone.now())
    result("reporting.count_copies_seconds", time.monotonic() - began, 1)


def _check(database: psycopg.Connection[Any], launched: Launched) -> None:
    """Against the rows: people who opened."""
    asked = """SELECT (SELECT sum(human_people) FROM reporting_hitpeople p WHERE p.content_id = s.tracked_content_id
                          AND kind = 1 AND link_number = 0),
                      (SELECT count(DISTINCT tracked_message_id) FROM tracking_hit h
                        WHERE h.content_id = s.tracked_content_id AND kind = 1 AND actor = 1)
                 FROM delivery_mailing g JOIN delivery_contentsnapshot s ON s.id = g.snapshot_id WHERE g.id = %s"""
    found = database.execute(asked, [launched.mailing]).fetchone()
    if found is None or found[0] != found[1]:
        raise SystemExit(f"people who opened, in the report and in the rows: {found}")


class Reader:
    """A member of the organization who looks at reports."""

    def __init__(self, launched: Launched) -> None:
        from django.test import Client
        from django.urls import reverse

        from accounts.models import Membership
        from campaigns.models import Launch
        from common.tenancy import tenant

        self._client = Client()
        with tenant(launched.organization):
            self._client.force_login(Membership.objects.select_related("user").earliest("pk").user)
            launch = Launch.objects.get(mailing=launched.mailing)
        self._page = reverse("admin:reporting_launch", args=[launch.pk])

    def read(self) -> None:
        response = self._client.get(self._page)
        if response.status_code != 200:
            raise SystemExit(f"the report answers {response.status_code}")

    def queries(self) -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as captured:
            self.read()
        return len(captured)


def _pages(large: Launched, small: Launched, pages: int) -> None:
    readers = {large.people: Reader(large), small.people: Reader(small)}
    for reader in readers.values():
        reader.read()
    queries = {people: reader.queries() for people, reader in readers.items()}
    times = []
    for _ in range(pages):
        began = time.perf_counter()
        readers[large.people].read()
        times.append(1000 * (time.perf_counter() - began))
    result("reporting.page_p50_ms", statistics.median(times), 1)
    result("reporting.page_p95_ms", statistics.quantiles(times, n=20)[-1], 1)
    result("reporting.queries_per_page", queries[large.people])
    result("reporting.queries_per_page_of_a_small_launch", queries[small.people])


def main() -> None:
    options = _options()
    with (
        bench_database("reporting") as (_home, urls),
        psycopg.connect(urls["DATABASE_OWNER_URL"], autocommit=True) as database,
    ):
        os.environ["PLI_ALLOWED_HOSTS"] = "testserver"
        small, large = launch_newsletter(SMALL), launch_newsletter(options.people)
        _send(database, small, SMALL)
        _send(database, large, options.hits)
        import django

        django.setup()
        _count(options.hits + SMALL)
        _check(database, large)
        _pages(large, small, options.pages)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=10_000_000)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=100, help="how often the page is asked for")
    return parser.parse_args()


if __name__ == "__main__":
    main()
