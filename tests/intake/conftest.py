"""A participation page of Bakery."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.intake.forms_world import FormWorld
    from tests.support.cast import Cast


@pytest.fixture
def form_world(cast: Cast, now: datetime) -> FormWorld:
    # Models can be imported only once Django is set up, which is after this file is read.
    from tests.intake.forms_world import make_form_world

    return make_form_world(cast, now)
