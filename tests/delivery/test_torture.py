"""Everything that takes part in sending is killed while it works; ``make torture-sending`` does it at full size.

On engines of its own, since PostgreSQL is restarted: bench/torture_sending.py says what happens, and judges.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PLAN = {
    "messages": 600, "kills": 4, "server-kills": 1, "restarts": 1, "flushes": 1, "pauses": 0, "lease": 10,
    "seconds-per-message": 0.05,
}  # fmt: skip


def test_nobody_is_lost_and_nobody_gets_two_whatever_is_killed() -> None:
    arguments = [part for name, value in PLAN.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, "-m", "bench.torture_sending", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    found = dict(line.split() for line in done.stdout.splitlines() if line.startswith("torture."))
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert {name: found[f"torture.{name}"] for name in ("messages", "lost", "sent_twice_unlisted", "stuck")} == {
        "messages": "600", "lost": "0", "sent_twice_unlisted": "0", "stuck": "0"
    }  # fmt: skip
    assert int(found["torture.unknown_most_per_kill"]) <= 40
