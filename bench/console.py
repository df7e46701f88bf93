"""How long the console's main pages take beside a million participants and 200 campaigns, and what its walls cost.

    python -m bench.console [--people N] [--campaigns N] [--rounds N]

Two web servers answer in turn: one as it is, one as a role that row-level security does not bind. A worker runs beside
them, as it does in production. Questions to the database are counted per page for this organization and for a small
one.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import django
import psycopg

from bench.support import Launched, bench_database, launch_newsletter, result, say, web_server, worker

if TYPE_CHECKING:
    from accounts.models import User

# Beside which the number of questions may not grow.
SMALL_PEOPLE, SMALL_CAMPAIGNS = 2_000, 20
WARM_UP = 3
# The next pages of a list: where people narrow down, and far into it.
LISTS = {
    "people": "/console/participants/participant/",
    "people, page 20": "/console/participants/participant/?p=20",
    "people by address": "/console/participants/participant/?q=person12",
    "people of a country": "/console/participants/participant/?country=NL",
    "people who said yes": "/console/participants/participant/?opens=yes",
    "campaigns": "/console/campaigns/campaign/",
    "emails": "/console/campaigns/email/",
    "reports": "/console/campaigns/launch/",
    "segments": "/console/campaigns/segment/",
    "topics": "/console/consent/topic/",
    "websites": "/console/websites/website/",
    "imports": "/console/intake/import/",
    "members": "/console/accounts/membership/",
}
OVERVIEW = {"overview": "/console/"}


@dataclass(frozen=True)
class Place:
    """An organization with its pages, and the cookie of its owner."""

    pages: Mapping[str, str]
    owner: int
    cookie: str


def main() -> None:
    options = _options()
    with bench_database("console") as (home, urls):
        large = _furnish(options.people, options.campaigns)
        small = _furnish(SMALL_PEOPLE, SMALL_CAMPAIGNS)
        with psycopg.connect(urls["DATABASE_OWNER_URL"], autocommit=True) as database:
            database.execute("VACUUM ANALYZE")
        django.setup()
        _count_as_beat_does()
        here, there = _enter(large), _enter(small)
        _count_queries(here, there)
        with ExitStack() as stack:
            # Pages have it count what they showed and was old.
            stack.enter_context(worker(home / "worker.log"))
            bound = stack.enter_context(web_server(home / "web.log"))
            with _as_owner(urls):
                free = stack.enter_context(web_server(home / "control.log"))
            _measure(here, bound, free, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=30, help="how often each page is asked for on each server")
    return parser.parse_args()


@contextmanager
def _as_owner(urls: Mapping[str, str]) -> Iterator[None]:
    """For the control: the web connects as the role that owns the tables, which row-level security does not bind."""
    os.environ["DATABASE_URL"] = urls["DATABASE_OWNER_URL"]
    try:
        yield
    finally:
        os.environ["DATABASE_URL"] = urls["DATABASE_URL"]


# --- What is there ----------------------------------------------------------------------------------------------------

MORE_CAMPAIGNS = """
WITH made AS (
    INSERT INTO campaigns_campaign ({campaign}) SELECT {campaign_values}
      FROM campaigns_campaign c, generate_series(2, %(campaigns)s) n WHERE c.organization_id = %(organization)s
    RETURNING id
)
INSERT INTO campaigns_email ({email}) SELECT {email_values}
  FROM made, campaigns_email e WHERE e.organization_id = %(organization)s
"""


def _furnish(people: int, campaigns: int) -> Launched:
    """A launched newsletter to that many people, and more campaigns with an email each that copy the first."""
    say(f"making {people:,} people with a copy each, and {campaigns} campaigns")
    launched = launch_newsletter(people)
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as database:
        campaign = _columns(database, "campaigns_campaign")
        email = _columns(database, "campaigns_email")
        database.execute(
            MORE_CAMPAIGNS.format(
                campaign=", ".join(campaign),
                campaign_values=", ".join("c.name || ' ' || n" if name == "name" else f"c.{name}" for name in campaign),
                email=", ".join(email),
                email_values=", ".join("made.id" if name == "campaign_id" else f"e.{name}" for name in email),
            ),
            {"campaigns": campaigns, "organization": launched.organization},
        )
    return launched


def _columns(database: psycopg.Connection[tuple[object, ...]], table: str) -> list[str]:
    """Every column of a table but its key."""
    rows = database.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attname <> 'id' AND attgenerated = '' ORDER BY attnum",
        [table],
    )
    return [str(name) for (name,) in rows]


def _count_as_beat_does() -> None:
    """A worker counts the copies of a launch every few seconds to minutes; pages show what it counted."""
    from reporting.tasks import count_mailings

    if not count_mailings():
        raise SystemExit("no launch was counted")


def _enter(launched: Launched) -> Place:
    """Sign the owner in, and find the pages of one person, campaign, email and launch."""
    from django.conf import settings
    from django.test import Client

    from accounts.models import Membership
    from campaigns.models import Campaign, Email, Launch
    from common.tenancy import tenant
    from participants.models import Participant

    with tenant(launched.organization):
        owner: User = Membership.objects.select_related("user").get(role="owner").user
        person = Participant.objects.order_by("pk").values_list("pk", flat=True)[launched.people // 2]
        rows = {
            "one person": f"/console/participants/participant/{person}/change/",
            "one campaign": f"/console/campaigns/campaign/{Campaign.objects.earliest('pk').pk}/change/",
            "one email": f"/console/campaigns/email/{Email.objects.earliest('pk').pk}/change/",
            "one report": f"/console/reports/{Launch.objects.get().pk}/",
        }
    client = Client()
    client.force_login(owner)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    return Place({**OVERVIEW, **LISTS, **rows}, owner.pk, cookie)


# --- What it takes ----------------------------------------------------------------------------------------------------


def _count_queries(large: Place, small: Place) -> None:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext, setup_test_environment

    setup_test_environment()

    def count(place: Place) -> dict[str, int]:
        client = Client(headers={"cookie": place.cookie})
        counts = {}
        for name, address in place.pages.items():
            with CaptureQueriesContext(connection) as captured:
                answer = client.get(address)
            if answer.status_code != 200:
                raise SystemExit(f"{name}: {address} answers {answer.status_code}")
            counts[name] = len(captured)
        return counts

    few, many = count(small), count(large)
    grown = {name: (few[name], many[name]) for name in many if many[name] > few[name]}
    result("console.queries_max", max(many.values()))
    result("console.queries_of_a_small_organization_max", max(few.values()))
    result("console.pages_with_more_queries", len(grown))
    for name, (before, after) in grown.items():
        say(f"{name}: {before} questions for a small organization, {after} for a large one")


def _measure(place: Place, bound: str, free: str, rounds: int) -> None:
    """Each page from each server in turn, so that whatever else the machine does slows both."""
    seconds: dict[tuple[str, str], list[float]] = {}
    connections = {base: http.client.HTTPConnection(urlsplit(base).netloc, timeout=120) for base in (bound, free)}
    for turn in range(rounds + WARM_UP):
        for name, address in place.pages.items():
            for base in (bound, free) if turn % 2 else (free, bound):
                took = _ask(connections[base], address, place.cookie)
                if turn >= WARM_UP:
                    seconds.setdefault((base, name), []).append(took)
    slowest = {name: statistics.quantiles(seconds[bound, name], n=20)[-1] * 1000 for name in place.pages}
    for name, milliseconds in sorted(slowest.items(), key=lambda item: -item[1]):
        middle = {base: statistics.median(seconds[base, name]) * 1000 for base in (bound, free)}
        say(f"{name}: p95 {milliseconds:.0f} ms, median {middle[bound]:.0f} ms, without walls {middle[free]:.0f} ms")
    result("console.pages", len(slowest))
    result("console.page_p95_ms", max(slowest.values()))
    medians = [sum(statistics.median(seconds[base, name]) for name in place.pages) for base in (bound, free)]
    result("console.rls_overhead_ratio", medians[0] / medians[1], 3)


def _ask(connection: http.client.HTTPConnection, address: str, cookie: str) -> float:
    began = time.perf_counter()
    connection.request("GET", address, headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{address} answers {answer.status}")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
