from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.cast import Cast
    from tests.support.hits import Copies


@pytest.fixture
def copies(transactional_db: None, cast: Cast) -> Copies:
    """Committed rows, which the recorder's own connection can see."""
    from tests.support.hits import forget_hits, make_copies

    forget_hits()
    return make_copies(cast.bakery)
