"""The world of a mailing, and a mail server that takes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.smtp import SmtpServer

if TYPE_CHECKING:
    from tests.delivery.outside_world import Outside
    from tests.delivery.world import World
    from tests.support.cast import Cast


@pytest.fixture
def world(cast: Cast, now: datetime) -> World:
    # Models can be imported only once Django is set up, which is after this file is read.
    from tests.delivery.world import make_world

    return make_world(cast, now)


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


@pytest.fixture
def outside(world: World, settings) -> Iterator[Outside]:
    """An outside sender of the organization; every request has to be one that its endpoint understands."""
    from tests.delivery.outside_world import Outside, make_sender
    from tests.support.outside import JsonEndpoint, OutsideServer

    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://pli.example"
    with OutsideServer(JsonEndpoint()) as server:
        yield Outside(world, server, make_sender(world, server))
        assert server.problems == []
