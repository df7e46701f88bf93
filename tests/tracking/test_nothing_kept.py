"""Who asked is judged in memory: afterwards neither the database nor any log knows an address or a program (H5)."""

from __future__ import annotations

import http.client
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.test import Client
from psycopg import sql

from bench.torture_tracking import Web
from common.keys import new_key
from tests.support.hits import LONG_AGO, Copies
from tests.support.ports import free_port
from tests.support.wait import wait_until
from tests.tracking.asking import edited, link_of, pixel_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

# Nowhere else in the database, and in no program's name.
PROGRAM, ADDRESS = "Quetzalcoatl", "203.0.113.77"
THUNDERBIRD = f"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Thunderbird/145.0 {PROGRAM}/1"
KINDS: dict[str, dict[str, str]] = {
    "reader": {"User-Agent": THUNDERBIRD, "Accept-Language": "fr"},
    "machine": {"User-Agent": f"curl/8.5.0 {PROGRAM}"},
    "relay": {"User-Agent": f"GoogleImageProxy {PROGRAM}"},
    "prefetch": {"User-Agent": THUNDERBIRD, "Accept-Language": "fr", "Sec-Purpose": "prefetch"},
}
_TABLES = """
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""


@pytest.fixture
def targets(copies: Copies) -> list[str]:
    """Everything that somebody can ask for: measured by name, by day, in a total, by nobody; forged and broken."""
    copies.permit("IT", opens_anonymous_since=LONG_AGO, clicks_anonymous_since=LONG_AGO)
    copies.permit("FR", last_open_day_since=LONG_AGO)
    keys = [
        copies.copy().key,
        copies.shared("IT").key,
        copies.copy(country="FR", opens="last_open_day", subscribed=True).key,
        new_key(),
    ]
    broken = ["/o/nonsense", "/c/", "/c/x/1/y?to=javascript:1"]
    return [*(pixel_of(key) for key in keys), *(link_of(key) for key in keys), *edited(keys[0]), *broken]


def texts_of_all_tables() -> Iterator[tuple[str, str]]:
    """Every row of every table, as text."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as database:
        for (table,) in database.execute(_TABLES).fetchall():
            query = sql.SQL("SELECT row::text FROM {} AS row").format(sql.Identifier(table))
            for (text,) in database.execute(query):
                yield table, text


def tables_that_know() -> list[tuple[str, str]]:
    return [row for row in texts_of_all_tables() if PROGRAM.lower() in row[1].lower() or ADDRESS in row[1]]


def ask_as_everybody(base: str, targets: list[str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    for headers in KINDS.values():
        for target in targets:
            for method in ("GET", "HEAD", "POST"):
                connection.request(method, target, headers={**headers, "X-Forwarded-For": ADDRESS})
                connection.getresponse().read()
    connection.close()


def test_h5_a_web_process_leaves_no_program_and_no_address(copies: Copies, targets: list[str], tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    web = Web(log)
    try:
        # Whatever is said at all is to be seen here.
        web.start(PLI_LOG_LEVEL="DEBUG")
        ask_as_everybody(web.base, targets)
        wait_until(lambda: len(copies.hits()) >= 2 * len(KINDS), what="the hits")
        # What is kept in memory while the database is away is said in a log, too.
        web.kill()
        web.start(DATABASE_RECORDER_URL=f"postgres://pli_recorder:x@127.0.0.1:{free_port()}/pli")
        ask_as_everybody(web.base, targets[:2])
    finally:
        web.close()
    assert copies.totals()
    assert copies.last_open_days()
    assert tables_that_know() == []
    written = log.read_text()
    assert "wait for the database" in written
    assert PROGRAM.lower() not in written.lower()
    assert ADDRESS not in written


def test_h5_the_views_of_runserver_leave_no_program_and_no_address(
    copies: Copies, targets: list[str], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for headers in KINDS.values():
        for target in targets:
            client.get(target, headers=headers, REMOTE_ADDR=ADDRESS)
    assert len(copies.hits()) == 2 * len(KINDS)
    assert PROGRAM.lower() not in caplog.text.lower()
    assert ADDRESS not in caplog.text
    assert tables_that_know() == []
