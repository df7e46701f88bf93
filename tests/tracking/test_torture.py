"""Web processes are killed and the database is away under load; ``make torture-tracking`` does it at full size.

The engines belong to all tests, so a gate is shut here in place of PostgreSQL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from bench.torture_tracking import Plan, Torture, Web, requests_of
from bench.tracked import fill
from tests.support.gate import Gate
from tests.support.hits import forget_hits

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

PLAN = Plan(kills=2, seconds=0.7, outage=2.0, connections=32, kept=60, messages=30_000, control=False)


class Door(Gate):
    start = Gate.reopen
    stop = Gate.shut


@pytest.fixture
def case(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Torture]:
    forget_hits()
    door, owner = Door(settings.RECORDER_DATABASE_URL), os.environ["DATABASE_OWNER_URL"]
    monkeypatch.setenv("DATABASE_RECORDER_URL", door.url)
    with psycopg.connect(owner, autocommit=True) as database:
        fill(database, PLAN.messages, tmp_path / "keys")
        keys = [key for (key,) in database.execute("SELECT key FROM tracking_trackedmessage").fetchall()]
    web = Web(tmp_path / "web.log")
    try:
        yield Torture(PLAN, web, door, owner, requests_of(keys))
    finally:
        web.close()
        door.close()
        forget_hits()


def test_no_answered_hit_is_lost_and_none_stored_twice_whatever_ends(
    case: Torture, capsys: pytest.CaptureFixture[str]
) -> None:
    passed = case.passes()
    lines = capsys.readouterr().out.splitlines()
    found = {name.removeprefix("torture.tracking."): int(value) for name, value in map(str.split, lines)}
    assert passed, found
    nothing = ("missing", "stored_twice", "outage_unanswered", "outage_wrong_answers", "outage_unaccounted")
    assert [name for name in nothing if found[name]] == []
    # More came than the process may keep while the database is away.
    assert found["outage_dropped"] > 0
