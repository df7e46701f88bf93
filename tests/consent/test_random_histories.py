"""Nothing is ever recorded that the decision forbids at that moment, whatever happens (rules.md: H1)."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support.cast import Cast
from tests.support.histories import HISTORIES, run_history
from tests.support.history import Tally
from tests.support.hits import forget_hits

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

# A few here; ``make prove-consent`` runs as many as it is asked for.
EXAMPLES = int(os.environ.get("PLI_HISTORIES", "12"))
SEED = int(os.environ.get("PLI_HISTORIES_SEED", "20261122"))


def test_h1_no_history_records_what_is_forbidden(cast: Cast) -> None:
    forget_hits()
    tally = Tally()

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(history=HISTORIES)
    def histories(history: tuple) -> None:
        run_history(cast.bakery, tally, history)

    print(f"seed {SEED}")  # noqa: T201 - for whoever has to repeat it
    histories()
    assert tally.forbidden == []
    assert tally.histories >= EXAMPLES
    assert tally.recorded > 0
    print(tally)  # noqa: T201 - what it was worth
