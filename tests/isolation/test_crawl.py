"""Every public address on a running server: nobody's looking, fetching ahead or scanning changes a row (H1, H2)."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.cast import Cast
from tests.support.crawl import Crawler, asgi_paths, make_world, public_patterns
from tests.support.hits import changed_rows, forget_hits, row_versions
from tests.support.servers import web_server

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def test_h1_h2_looking_leaves_nothing_but_the_hits_that_the_decision_permits(cast: Cast) -> None:
    forget_hits()
    world = make_world(cast, datetime.now(UTC) - timedelta(seconds=1))
    with web_server() as base, closing(Crawler(base)) as crawler:
        crawled = crawler.crawl(world)
    assert crawled.unexpected == []
    assert crawled.changed == {}
    assert crawled.recorded == crawled.permitted > 0
    assert crawled.addresses >= len(public_patterns() | asgi_paths())


def test_a_changed_row_would_be_seen(cast: Cast) -> None:
    world = make_world(cast, datetime.now(UTC) - timedelta(seconds=1))
    before = row_versions()
    with web_server() as base, closing(Crawler(base)) as crawler:
        crawler.ask(world.measured["tracking_hit"][0])
    changed = changed_rows(before, row_versions())
    assert [rows for table, rows in changed.items() if table.startswith("tracking_hit_")] == [1]
