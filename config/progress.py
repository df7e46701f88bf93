"""Say what is being done, for whoever waits in front of a terminal."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.processes import tail

FIRST_WORD_SECONDS = 1.0
NEXT_WORD_SECONDS = 5.0


def say(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:
        # The terminal is gone; the work goes on.
        return


@contextmanager
def step(what: str, *, log: Path | None = None) -> Iterator[None]:
    """Print how long a step takes: nothing before a second has passed, then every few seconds, then the end."""
    began = time.monotonic()
    over = threading.Event()
    reporter = threading.Thread(target=_report, args=(what, log, over, began), daemon=True)
    reporter.start()
    try:
        yield
    finally:
        over.set()
        reporter.join()
    say(f"{what}: done ({time.monotonic() - began:.1f} s)")


def _report(what: str, log: Path | None, over: threading.Event, began: float) -> None:
    pause = FIRST_WORD_SECONDS
    while not over.wait(pause):
        latest = tail(log, lines=1).strip() if log is not None else ""
        detail = f" {latest[:100]}" if latest else ""
        say(f"{what} ... {time.monotonic() - began:.0f} s{detail}")
        pause = NEXT_WORD_SECONDS
