"""The longest tests first, so that no worker is left alone with one of them at the end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Protocol


class Item(Protocol):
    nodeid: str


# The longest first. The second of two workers begins without our database, which the first is making meanwhile.
LONG = (
    "tests/websites/test_french_migration.py",
    "tests/delivery/test_torture.py",
    "tests/flows/test_main_job.py",
    "tests/config/test_run.py",
    "tests/consent/test_ledger_migration.py",
    "tests/isolation/test_crawl.py",
    "tests/delivery/test_workers.py",
    "tests/delivery/test_mailbox.py",
    "tests/flows/test_urgent_mail.py",
    "tests/consent/test_random_histories.py",
)


def long_first[T: Item](items: Sequence[T], workers: int) -> list[T]:
    """As xdist hands them out: to each worker an equal share in this order, of which others steal from the end."""
    starts: list[list[T]] = [[] for _ in range(workers)]
    for place, file in enumerate(LONG):
        starts[place % workers] += [item for item in items if _file(item) == file]
    rest = (item for item in items if _file(item) not in LONG)
    ordered: list[T] = []
    for worker, start in enumerate(starts):
        share = (len(items) - len(ordered)) // (workers - worker)
        ordered += [*start, *islice(rest, max(0, share - len(start)))]
    return [*ordered, *rest]


def _file(item: Item) -> str:
    return item.nodeid.partition("::")[0]
