"""Nothing is ever recorded that the decision forbids at that moment, whatever happens (rules.md: H1)."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from consent.rules import ChoiceValue, Kind
from tests.support.cast import Cast
from tests.support.histories import run_histories
from tests.support.history import History, Step
from tests.support.history_words import Tally
from tests.support.hits import forget_hits

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

# A few here; ``make prove-consent`` runs as many as it is asked for.
EXAMPLES = int(os.environ.get("PLI_HISTORIES", "7"))
SEED = int(os.environ.get("PLI_HISTORIES_SEED", "20261122"))


def test_h1_no_history_records_what_is_forbidden(cast: Cast) -> None:
    forget_hits()
    print(f"seed {SEED}")  # noqa: T201 - for whoever has to repeat it
    tally = run_histories(cast.bakery, examples=EXAMPLES, chosen_by=SEED)
    assert tally.forbidden == []
    assert tally.histories >= EXAMPLES
    assert tally.recorded > 0
    print(tally)  # noqa: T201 - what it was worth


YES, NO, BOTH = ChoiceValue.YES, ChoiceValue.NO, tuple(Kind)
TO_SIGN_IN = [("launch", "authentication"), ("send", 2)]
# What few random stories come across. Each round begins with a launch of news, and ends with hits of all that was sent.
STORIES: dict[str, tuple[str, str, Iterable[Iterable[Step]]]] = {
    "a website goes to a country that exempts the same": ("BE", "BE", [TO_SIGN_IN, [("set_country", "IT")]]),
    "the approval of an exempt purpose is taken back": ("BE", "BE", [[*TO_SIGN_IN, ("end_exempt",)], [*TO_SIGN_IN]]),
    "a website becomes French and comes back": ("CH", "CH", [[], [("set_country", "FR"), ("set_country", "CH")]]),
    "a country is declared that exempts the same": ("CH", "", [TO_SIGN_IN, [("declare_country", "BE")]]),
    "a website goes to a scope in which people said yes": (
        "CH",
        "FR",
        [[("answer", 0, BOTH, YES, "here"), ("answer", 0, BOTH, YES, "elsewhere")], [], [("set_scope", 1)]],
    ),
    "a no goes with a website into a scope with a yes": (
        "CH",
        "FR",
        [[("answer", 0, BOTH, YES, "elsewhere"), ("answer", 0, BOTH, NO, "here")], [("set_scope", 1)], []],
    ),
    "a no that was for everywhere is found in the other scope": (
        "CH",
        "CH",
        [
            [("answer", 0, BOTH, YES, "elsewhere"), ("answer", 0, BOTH, NO, "everywhere")],
            [("answer", 0, BOTH, YES, "here"), ("set_scope", 1)],
            [],
        ],
    ),
    "somebody moves to a country that exempts the same": ("BE", "BE", [TO_SIGN_IN, [("move", 0, "IT")]]),
    "somebody moves away and comes back": ("CH", "CH", [[], [("move", 0, "BE"), ("move", 0, "CH")]]),
}


@pytest.mark.parametrize("story", list(STORIES))
def test_h1_what_a_change_of_rules_takes_back_stays_gone(cast: Cast, story: str) -> None:
    country, person, rounds = STORIES[story]
    forget_hits()
    tally = Tally()
    # The second one is measured all along, so that a recorder that keeps nothing would be seen.
    History(cast.bakery, tally, country, (person, "CH"), [("answer", 1, BOTH, YES)]).run(rounds)
    assert tally.forbidden == []
    assert tally.recorded > 0
