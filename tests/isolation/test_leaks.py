"""The second wall stands by itself: a query that forgets the organization leaks without it, and not with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.isolation.walls import behind_pooler, unfiltered_list, without_row_security
from tests.support.cast import Cast
from tests.support.world import make_participant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

MARKER = "bakery-secret-7f3a"


def test_u5_a_query_that_forgets_the_organization(cast: Cast, now: datetime) -> None:
    """Shown by a page of the console whose own filter is gone."""
    make_participant(cast.bakery, f"{MARKER}@home.example", now=now)
    assert MARKER not in unfiltered_list(cast.cleo)
    with without_row_security():
        assert MARKER in unfiltered_list(cast.cleo)
    assert MARKER not in unfiltered_list(cast.cleo)


@pytest.mark.skipif(
    shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") is None
    and os.environ.get("PLI_REQUIRE_BROWSER") != "1",
    reason="pgbouncer is not installed here",
)
def test_u5_behind_a_pooler_that_hands_connections_on(cast: Cast, now: datetime, tmp_path: Path) -> None:
    """pgbouncer in transaction mode: an organization that is set for longer than a transaction is the next one's."""
    for organization in (cast.bakery, cast.cinema):
        make_participant(organization, f"of-{organization.pk}@home.example", now=now)
    with behind_pooler(tmp_path) as urls:
        seen = {scope: _read(urls, scope, [cast.bakery.pk, cast.cinema.pk]) for scope in ("transaction", "session")}
    assert seen["transaction"]["reads"] > 300
    assert seen["transaction"]["foreign"] == 0
    assert seen["transaction"]["own"] == seen["transaction"]["reads"]
    assert seen["session"]["foreign"] > 0, "the control does not show the leak that this test is about"


def _read(urls: dict[str, str], scope: str, organizations: list[int]) -> dict[str, int]:
    """In a process of its own, which connects to the pooler as Pli does."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.isolation.pooled_reads", scope, *map(str, organizations)],
        env={**os.environ, **urls},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found
