"""What this process was asked in the last seconds, so that one request can be judged beside the others (H5).

It is in memory only, for ten to twenty seconds, and bounded. Who asked is known as a number that Python makes with a
secret of the process; from it nobody can tell an address or a program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

KEPT_SECONDS = 10.0
MOST_KEPT = 50_000
# Two links in a second or two: nobody read in between.
AT_ONCE_SECONDS = 2.0
# More than somebody opens in tabs of their own one after the other.
EVERY_LINK = 4


class Fading[K: Hashable, V]:
    """A dictionary that forgets what is older than ``KEPT_SECONDS`` to twice as much. Full, it takes in nothing."""

    def __init__(self, clock: Callable[[], float], most: int) -> None:
        self._clock, self._most = clock, most
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._since = clock()

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def get(self, key: K) -> V | None:
        self._forget()
        found = self._newer.get(key)
        return self._older.get(key) if found is None else found

    def put(self, key: K, value: V) -> None:
        self._forget()
        if len(self._newer) < self._most:
            self._newer[key] = value

    def _forget(self) -> None:
        age = self._clock() - self._since
        if age >= KEPT_SECONDS:
            self._older = self._newer if age < 2 * KEPT_SECONDS else {}
            self._newer = {}
            self._since += age


class Recent:
    """The last seconds of one process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._looked_at: Fading[str, bool] = Fading(clock, most)
        self._clicked: Fading[str, dict[int, float]] = Fading(clock, most)
        self._asked: Fading[int, bool] = Fading(clock, most)

    def __len__(self) -> int:
        return len(self._looked_at) + len(self._clicked) + len(self._asked)

    def look_at(self, key: str) -> None:
        """Somebody sent HEAD for an address of this key."""
        self._looked_at.put(key, True)

    def was_looked_at(self, key: str) -> bool:
        return self._looked_at.get(key) is not None

    def click(self, key: str, link_number: int) -> tuple[bool, bool]:
        """Note a click. Whether another link of the message was followed at once, and whether nearly all were soon."""
        now = self._clock()
        links = self._clicked.get(key)
        if links is None:
            links = {}
            self._clicked.put(key, links)
        # What was stale is gone with the rest of the message at the latest; a few links more or less cost nothing.
        recent = [at for number, at in links.items() if number != link_number and now - at < KEPT_SECONDS]
        links[link_number] = now
        at_once = any(now - at < AT_ONCE_SECONDS for at in recent)
        return at_once, len(recent) + 1 >= EVERY_LINK

    def is_repeated(self, *who_and_what: Hashable) -> bool:
        """Whether the same was asked by the same just before."""
        mark = hash(who_and_what)
        if self._asked.get(mark) is not None:
            return True
        self._asked.put(mark, True)
        return False
