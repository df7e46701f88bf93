"""Each attack fails, and works once its guard is patched away: so it is an attack, and that guard stops it."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.isolation.attacks import Stage, all_attacks, prepare
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def test_every_attack_fails_and_works_without_its_guard(cast: Cast, now: datetime) -> None:
    stage = Stage(cast, now)
    prepare(stage)
    attacks = all_attacks()
    # Without its guard first, so that a guard that is not put back shows.
    toothless = [attack.name for attack in attacks if not attack.works(stage, guarded=False)]
    worked = [attack.name for attack in attacks if attack.works(stage, guarded=True)]
    assert toothless == [], "these prove nothing"
    assert worked == []
    assert len(attacks) > 25
