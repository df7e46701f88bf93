"""Nothing is ever recorded that the decision forbids at that moment, whatever happens (rules.md: H1)."""

from __future__ import annotations

import os

import pytest

from tests.support.cast import Cast
from tests.support.histories import run_histories
from tests.support.hits import forget_hits

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

# A few here; ``make prove-consent`` runs as many as it is asked for.
EXAMPLES = int(os.environ.get("PLI_HISTORIES", "12"))
SEED = int(os.environ.get("PLI_HISTORIES_SEED", "20261122"))


def test_h1_no_history_records_what_is_forbidden(cast: Cast) -> None:
    forget_hits()
    print(f"seed {SEED}")  # noqa: T201 - for whoever has to repeat it
    tally = run_histories(cast.bakery, examples=EXAMPLES, chosen_by=SEED)
    assert tally.forbidden == []
    assert tally.histories >= EXAMPLES
    assert tally.recorded > 0
    print(tally)  # noqa: T201 - what it was worth
