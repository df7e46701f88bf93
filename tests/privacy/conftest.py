from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.privacy.pages import Home
    from tests.support.cast import Cast


@pytest.fixture
def moment() -> datetime:
    """The pages look at the real clock, so what is prepared for them lies a moment before."""
    return datetime.now(UTC) - timedelta(seconds=1)


@pytest.fixture
def home(cast: Cast, moment: datetime) -> Home:
    # Models can be imported only once Django is set up, which is after this file is read.
    from tests.privacy.pages import make_home

    return make_home(cast, moment)
