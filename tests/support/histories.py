"""Random histories through the services and the recorder's role: is anything recorded that the rules forbid?

Each begins with a website and two people and goes on with settings, countries, consent scopes, notices, stops,
justifications, answers, objections, moves, sends and hits. The tests run a few, ``make prove-consent`` many;
``Tally`` counts them.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from accounts.models import Organization
from consent.rules import ChoiceValue, InformedGround, Kind
from tests.support.history import MACHINE, History
from tests.support.history_website import EVERYTHING
from tests.support.history_words import SCOPES, Tally

# --- Steps ------------------------------------------------------------------------------------------------------------

WHO = st.integers(0, 1)
WHERE = st.sampled_from(["here", "here", "elsewhere", "everywhere"])
KINDS = st.sampled_from([(Kind.OPENS,), (Kind.CLICKS,), tuple(Kind)])
STEPS = st.one_of(
    st.tuples(st.just("set_tracking"), st.sampled_from(["always", "always", "by_consent", "never"])),
    st.tuples(
        st.just("set_fallbacks"),
        st.sampled_from(["anonymous", "last_open_day", "none"]),
        st.sampled_from(["anonymous", "none"]),
    ),
    st.tuples(
        st.just("tell"), st.sampled_from([EVERYTHING, EVERYTHING, EVERYTHING - {"anonymous"}, EVERYTHING - {"opens"}])
    ),
    st.tuples(st.just("stop")),
    st.tuples(st.just("undo_stop")),
    st.tuples(st.just("set_professionals"), st.booleans()),
    st.tuples(st.just("set_country"), st.sampled_from(["CH", "CH", "FR", "IT", "BE"])),
    st.tuples(st.just("declare_country"), st.sampled_from(["CH", "FR", "IT", "BE"])),
    st.tuples(st.just("set_scope"), st.integers(0, SCOPES - 1)),
    st.tuples(st.just("justify"), st.sampled_from([("FR",), ("FR", "BE"), ("CH", "FR", "IT")])),
    st.tuples(st.just("withdraw_justifications")),
    st.tuples(
        st.just("answer"),
        WHO,
        KINDS,
        st.sampled_from([ChoiceValue.YES, ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN]),
        WHERE,
    ),
    st.tuples(st.just("inform"), WHO, st.sampled_from(list(InformedGround)), st.booleans()),
    st.tuples(st.just("object"), WHO, st.booleans(), WHERE),
    st.tuples(st.just("move"), WHO, st.sampled_from(["CH", "FR", "IT", "BE", ""])),
    st.tuples(st.just("launch"), st.sampled_from(["marketing", "marketing", "authentication", "legal_notice"])),
    st.tuples(st.just("end_exempt")),
    st.tuples(st.just("send"), st.integers(1, 2)),
    st.tuples(st.just("hit"), st.integers(0, 7), st.sampled_from(list(Kind)), st.sampled_from([1, 1, MACHINE, 3])),
)
# Changes are worth nothing without copies before them and hits after them.
FALLBACKS = st.tuples(
    st.just("set_fallbacks"),
    st.sampled_from(["anonymous", "last_open_day", "none"]),
    st.sampled_from(["anonymous", "none"]),
)
FIRST_ANSWER = st.tuples(st.just("answer"), WHO, KINDS, st.just(ChoiceValue.YES))
HISTORIES = st.tuples(
    st.sampled_from(["CH", "CH", "CH", "IT", "FR"]),
    st.lists(st.sampled_from(["CH", "CH", "FR", "IT", ""]), min_size=2, max_size=2),
    st.tuples(FALLBACKS, FIRST_ANSWER),
    st.lists(st.lists(STEPS, min_size=1, max_size=5), min_size=2, max_size=5),
)


def run_history(organization: Organization, tally: Tally, history: tuple[Any, ...]) -> None:
    """One of ``HISTORIES``. AssertionError where something was recorded that the rules forbid."""
    country, people, first, rounds = history
    History(organization, tally, country, people, first).run(rounds)


def run_histories(organization: Organization, *, examples: int, chosen_by: int) -> Tally:
    """So many histories, always the same ones for the same seed. They end at the first forbidden record."""
    tally = Tally()

    @seed(chosen_by)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(history=HISTORIES)
    def histories(history: tuple[Any, ...]) -> None:
        run_history(organization, tally, history)

    try:
        histories()
    except AssertionError:
        # Whatever else is wrong is for whoever asked; what was forbidden is in the tally.
        if not tally.forbidden:
            raise
        # The failing one is played once more to see whether it fails again.
        del tally.forbidden[1:]
    return tally
