"""The world of a mailing, and a mail server that takes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.smtp import SmtpServer

if TYPE_CHECKING:
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
