"""Do tenants never meet? On engines of their own, gone afterwards.

    python -m proofs.tenants

Prints `name value`, one line per count; what each means is in docs/proofs.md. Ends with 1 when one is wrong.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import django
from django.test.utils import setup_test_environment

from bench.support import bench_database, result, say

if TYPE_CHECKING:
    from tests.isolation.attacks import Stage
    from tests.isolation.matrix import Found


class TenantProofs:
    """One run against one database: what is counted, and what is wrong."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._wrong: list[str] = []

    def walk(self) -> None:
        """Every address and action for everybody, each answer searched for what belongs to another organization."""
        from tests.isolation.matrix import ROLES, differences, walk, walk_as_nobody, walk_as_stranger

        house = self._stage.house
        walks: list[Found] = []
        for who in ROLES:
            say(f"walking through the console: {who}")
            walks.append(walk(house, who))
            self._wrong += differences(who, walks[-1])
        say("walking through the console: a stranger, and nobody")
        walks += [walk_as_stranger(house), walk_as_nobody(house)]
        markers = [line for found in walks for line in found.markers]
        self._wrong += [line for found in walks for line in (*found.problems, *found.markers)]
        result("proof.matrix_cells", sum(found.cells for found in walks))
        result("proof.foreign_markers_found", len(markers))

    def attack(self) -> None:
        """Each attack twice: with its guard, and with that guard patched away."""
        from tests.isolation.attacks import all_attacks

        attacks = all_attacks()
        toothless, working = [], []
        for attack in attacks:
            say(f"attacking: {attack.name}")
            if not attack.works(self._stage, guarded=False):
                toothless.append(attack.name)
            if attack.works(self._stage, guarded=True):
                working.append(attack.name)
        self._wrong += [f"proves nothing, since it fails without its guard: {name}" for name in toothless]
        self._wrong += [f"works: {name}" for name in working]
        result("proof.attacks_tried", len(attacks))
        result("proof.attacks_that_work_without_the_guard", len(attacks) - len(toothless))
        result("proof.attacks_that_work", len(working))

    def conclude(self) -> int:
        """The status of the command."""
        for sentence in self._wrong:
            say(f"WRONG: {sentence}")
        say("something is wrong" if self._wrong else "everything is as it should be")
        return 1 if self._wrong else 0


def main() -> int:
    # Pages are asked for in this process, so that guards can be taken away.
    os.environ["PLI_ALLOWED_HOSTS"] = "127.0.0.1,testserver"
    with bench_database("proofs-tenants"):
        django.setup()
        # No mail leaves.
        setup_test_environment()
        # Models can be imported only now.
        from tests.isolation.attacks import Stage, prepare
        from tests.support.cast import make_cast

        now = datetime.now(UTC) - timedelta(seconds=1)
        stage = Stage(make_cast(now), now)
        prepare(stage)
        proofs = TenantProofs(stage)
        proofs.walk()
        proofs.attack()
        return proofs.conclude()


if __name__ == "__main__":
    sys.exit(main())
