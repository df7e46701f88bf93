"""People who withdraw while their mail is being opened: a running server takes the hits, a worker deletes them."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

from django.utils import timezone

from common.keys import encode_key
from common.tenancy import tenant
from consent.rules import ChoiceValue
from participants.models import Participant
from tests.support.crawl import PERSON, Crawler
from tests.support.hits import Copies
from tests.support.wait import wait_until
from tests.support.world import choose
from tracking.models import Hit, HitKind, HitsForgotten

CLIENTS = 4


@dataclass
class Race:
    """What was seen of people who withdrew under load, and of those who did not."""

    withdrawn: int = 0
    # How many of them had hits at that moment: else there was no race.
    had_hits: int = 0
    answers: int = 0
    left: int = 0
    of_others: int = 0
    errors: list[str] = field(default_factory=list)


class _Load:
    """Clients that open everybody's mail in turn until they are told to stop."""

    def __init__(self, base: str, paths: Sequence[str]) -> None:
        self.answers = 0
        self.errors: list[str] = []
        self._netloc, self._paths = urlsplit(base).netloc, paths
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._open, args=[turn]) for turn in range(CLIENTS)]

    def __enter__(self) -> _Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait for so many answers from now on."""
        until = self.answers + count
        wait_until(lambda: self.answers >= until or self.errors, 60, f"{count} answers")

    def _open(self, turn: int) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=60)
        paths = cycle([*self._paths[turn:], *self._paths[:turn]])
        try:
            while not self._over.is_set():
                connection.request("GET", next(paths), headers=PERSON)
                connection.getresponse().read()
                with self._lock:
                    self.answers += 1
        except (OSError, http.client.HTTPException) as error:
            self.errors.append(str(error))
        finally:
            connection.close()


def race(copies: Copies, base: str, *, people: int) -> Race:
    """So many people withdraw one after another under load, and as many do not. Needs a worker beside the server."""
    everybody = [copies.person() for _ in range(2 * people)]
    paths = [f"/o/{encode_key(copies.copy(person).key)}" for person in everybody]
    result = Race(withdrawn=people)
    with _Load(base, paths) as load:
        load.more(5 * len(paths))
        for person in everybody[:people]:
            result.had_hits += _hits(copies, [person]) > 0
            choose(copies.organization, person, now=timezone.now(), opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
            load.more(len(paths))
        # The worker did its part while the mail was still being opened; nothing may come after it.
        wait_until(lambda: _forgotten(copies, everybody[:people]) == people, 120, "the worker to forget their hits")
        load.more(5 * len(paths))
    with closing(Crawler(base)) as crawler:
        crawler.settle()
    result.answers, result.errors = load.answers, load.errors
    result.left = _left(copies, everybody[:people])
    result.of_others = _hits(copies, everybody[people:])
    return result


def _left(copies: Copies, people: Sequence[Participant]) -> int:
    """Nobody opens anything any more; the worker gets the time that it needs."""
    with suppress(AssertionError):
        wait_until(lambda: _hits(copies, people) == 0, 60)
    return _hits(copies, people)


def _forgotten(copies: Copies, people: Sequence[Participant]) -> int:
    """How many people's opens the worker has been at."""
    with tenant(copies.organization.pk):
        done = HitsForgotten.objects.filter(participant__in=people, kind=HitKind.OPEN)
        return done.values("participant").distinct().count()


def _hits(copies: Copies, people: Sequence[Participant]) -> int:
    with tenant(copies.organization.pk):
        return Hit.objects.filter(content=copies.content, tracked_message__participant__in=people).count()
