"""Rule U3: nothing that is shown of anonymous totals tells of fewer people than the smallest crowd."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import product

import pytest

from reporting.rules import Rate, difference, next_count_in, publish, too_small

K = 3


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_u3_no_small_number_can_be_had_by_subtraction(cells: int) -> None:
    """Every vector of totals, by what is shown of it: whoever sees only that cannot tell which small number it is."""
    shown = defaultdict(list)
    for vector in product(range(2 * K + 1), repeat=cells):
        published = publish(dict(enumerate(vector)), copies=100, k=K)
        shown[published.total, tuple(published.cells.values())].append(vector)
    for (total, visible), vectors in shown.items():
        for numbers in (total, *visible):
            assert numbers is None or numbers >= K
        for place in range(cells):
            possible = {vector[place] for vector in vectors}
            if min(possible) < K:
                assert len(possible) >= K, (total, visible, place, possible)


def test_u3_two_points_in_time_differ_by_a_crowd_or_not_at_all() -> None:
    before = publish({1: 24, 2: 31}, copies=100)
    after = publish({1: 25, 2: 31}, copies=100)
    assert before == after
    assert before.total == 50
    assert publish({1: 39, 2: 31}, copies=100) != before
    for hits in range(200):
        assert (publish({0: hits}, copies=500).total or 0) % 10 == 0


def test_u3_too_few_people_are_shown_nothing_of() -> None:
    assert publish({0: 4000}, copies=9).total is None
    assert publish({0: 9}, copies=4000).total is None
    assert publish({0: 10}, copies=10).total == 10


def test_u3_what_is_small_is_not_shown_and_small_groups_take_another_along() -> None:
    assert publish({1: 54, 2: 30, 3: 4}, copies=90).cells == {1: 50, 2: 30, 3: None}
    assert publish({1: 54, 2: 30, 3: 4}, copies=90).total == 80
    assert publish({1: 54} | dict.fromkeys(range(2, 12), 5), copies=90).total == 100
    assert too_small([50, 30, 12]) == set()
    assert too_small([50, 30, 4, 3]) == {1, 2, 3}
    assert too_small([5]) == {0}


def test_u2_an_estimate_is_a_stretch_and_needs_a_hundred_people() -> None:
    assert Rate(30, 99).estimate(1000) is None
    low, high = Rate(50, 200).estimate(1000) or (0, 0)
    assert low < 250 < high
    assert Rate(0, 0).estimate(1000) is None


def test_newcombe_as_published() -> None:
    """Newcombe 1998, table II (a): 56 of 70 against 48 of 80 lie 0.0524 to 0.3339 apart."""
    assert difference(Rate(56, 70), Rate(48, 80)) == (5.2, 33.4)
    assert difference(Rate(3, 9), Rate(48, 80)) is None


def test_old_mailings_are_counted_ever_less_often() -> None:
    assert next_count_in(timedelta(0), seconds=0.01) == timedelta(seconds=15)
    assert next_count_in(timedelta(0), seconds=4) == timedelta(seconds=80)
    assert next_count_in(timedelta(hours=8), seconds=4) == timedelta(hours=2)
    assert next_count_in(timedelta(days=40), seconds=4) == timedelta(days=1)
    assert next_count_in(timedelta(days=61), seconds=4) is None
