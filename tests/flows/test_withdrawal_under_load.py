"""Rules C9 and C11: people withdraw while their mail is being opened, on a running server with its worker."""

from __future__ import annotations

import pytest

from tests.support.cast import Cast
from tests.support.hits import forget_hits, make_copies
from tests.support.servers import celery_worker, web_server
from tests.support.withdrawals import race

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def test_c11_a_withdrawal_that_races_with_hits_leaves_none_behind(cast: Cast) -> None:
    forget_hits()
    copies = make_copies(cast.bakery)
    with celery_worker(), web_server() as base:
        seen = race(copies, base, people=4)
    assert seen.errors == []
    assert seen.left == 0
    assert seen.had_hits == seen.withdrawn == 4
    assert seen.of_others > 0, "the control: whoever said nothing is measured on"
