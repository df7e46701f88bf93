"""Hits that are stored together, and whoever waits for them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict

from common import metrics
from tracking.rules import AT_ONCE, Actor, one_more_signal

CLICK = 2
_WORD = 3


class Batch:
    """Hits that are stored together."""

    __slots__ = ("done", "hits", "id", "joined", "timer", "tried")

    def __init__(self) -> None:
        # Begins with the time, so that the index of the batches grows at one end; the rest is random.
        self.id = f"{time.time_ns():016x}{secrets.token_hex(8)}"
        # Key, kind, number of the link or 0, who was seen (the word and the marks of tracking.rules), microseconds
        # since 1970.
        self.hits: list[tuple[str, int, int, int, int]] = []
        self.done: asyncio.Future[bool] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.joined: list[Batch] = []
        self.tried = False

    def __len__(self) -> int:
        return len(self.hits) + sum(len(other.hits) for other in self.joined)

    def add(self, key: str, kind: int, link_number: int, seen: int) -> None:
        """``key`` as 32 hexadecimal digits; ``link_number`` 0 for an open."""
        self.hits.append((key, kind, link_number, seen, time.time_ns() // 1000))

    def join(self, other: Batch) -> None:
        """Store another one with this one, which was not tried yet: a batch that is repeated has to be the same."""
        self.joined.append(other)

    def parameters(self) -> list[str]:
        """The columns of the statement, as text: PostgreSQL reads it faster than Python could take them apart."""
        self.tried = True
        hits = [hit for batch in (self, *self.joined) for hit in batch.hits]
        keys, *numbers = zip(*_judged_together(hits), strict=True)
        columns = (",".join(keys), *(",".join(map(str, column)) for column in numbers))
        return [*("{" + column + "}" for column in columns), self.id]

    def answer(self, *, stored: bool) -> None:
        """Let everybody go who waits for this batch, unless that was done before."""
        for other in self.joined:
            other.answer(stored=stored)
        if self.done is None or self.timer is None or self.timer.cancelled():
            return
        self.timer.cancel()
        waited = not self.done.done()
        metrics.HIT_ANSWERS.labels("yes" if stored and waited else "no").inc(len(self.hits))
        if waited:
            self.done.set_result(stored)


def _judged_together(hits: list[tuple[str, int, int, int, int]]) -> list[tuple[str, int, int, int, int]]:
    """Links of one message that are followed at the same moment tell about each other, about the first one too."""
    clicks = [index for index, hit in enumerate(hits) if hit[1] == CLICK]
    if len(clicks) < 2:
        return hits
    links: defaultdict[str, set[int]] = defaultdict(set)
    for index in clicks:
        links[hits[index][0]].add(hits[index][2])
    judged = list(hits)
    for index in clicks:
        key, kind, link_number, seen, at = hits[index]
        if len(links[key]) > 1 and not seen & AT_ONCE:
            word = one_more_signal(Actor(seen & _WORD))
            judged[index] = (key, kind, link_number, seen & ~_WORD | word | AT_ONCE, at)
    return judged
