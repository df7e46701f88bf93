"""Several connections to one server, side by side."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from delivery.transports.accounts import Account, EspAccount
from delivery.transports.esp import EspConnection
from delivery.transports.smtp import (
    CONNECT_SECONDS,
    Outcome,
    Outgoing,
    Result,
    SmtpConnection,
    SmtpTroubleError,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupSent:
    """What a connection reports about a group that it was given."""

    outcomes: list[Outcome]
    trouble: SmtpTroubleError | None
    seconds: float


class Courier(Protocol):
    """A connection that takes messages, whatever it speaks."""

    def open(self) -> None: ...

    def send(self, group: Sequence[Outgoing]) -> tuple[list[Outcome], SmtpTroubleError | None]: ...

    def close(self) -> None: ...


def courier_for(account: Account) -> Courier:
    """A connection of the kind that the account asks for; not opened yet."""
    return EspConnection(account) if isinstance(account, EspAccount) else SmtpConnection(account)


class SmtpPool:
    """Connections that work side by side, each in a thread of its own. The threads know nothing of the database."""

    def __init__(self, account: Account, *, size: int, dress: Callable[[Outgoing], Outgoing] | None = None) -> None:
        """``dress`` has the last word on a message, in the thread that sends it: signing takes as long as writing."""
        self.size = size
        self.busy = 0
        self._account = account
        self._dress = dress
        self._groups: queue.SimpleQueue[Sequence[Outgoing] | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[GroupSent] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._opened: Courier | None = None

    def open(self) -> None:
        """Make sure that the server talks to us before anything is prepared for it; raises SmtpTroubleError."""
        self._opened = courier_for(self._account)
        self._opened.open()

    @property
    def idle(self) -> int:
        return self.size - self.busy

    def submit(self, group: Sequence[Outgoing]) -> None:
        self.busy += 1
        if len(self._threads) < self.busy:
            connection, self._opened = self._opened or courier_for(self._account), None
            thread = threading.Thread(target=self._work, args=(connection,), name="smtp", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._groups.put(group)

    def collect(self, *, seconds: float) -> list[GroupSent]:
        """The groups that are finished; waits for one if none is, but no longer than that."""
        done: list[GroupSent] = []
        try:
            done.append(self._finished.get(timeout=seconds))
            while True:
                done.append(self._finished.get_nowait())
        except queue.Empty:
            self.busy -= len(done)
        return done

    def close(self) -> None:
        """Say goodbye to the servers. Collect what is busy first: its outcomes would be lost."""
        if self._opened is not None:
            self._opened.close()
        for _thread in self._threads:
            self._groups.put(None)
        for thread in self._threads:
            thread.join(timeout=CONNECT_SECONDS)

    def _work(self, connection: Courier) -> None:
        while (group := self._groups.get()) is not None:
            started = time.monotonic()
            dressed, kept_back = self._dressed(group)
            outcomes: list[Outcome] = []
            trouble = None
            try:
                if dressed:
                    outcomes, trouble = connection.send(dressed)
            except Exception:
                # Without an answer the sender would wait for this group for ever.
                logger.exception("a connection failed in a way that we did not foresee")
                outcomes = [Outcome(message.id, Result.UNCERTAIN, "internal error") for message in dressed]
                trouble = SmtpTroubleError("internal error")
                connection.close()
            self._finished.put(GroupSent(outcomes + kept_back, trouble, time.monotonic() - started))
        connection.close()

    def _dressed(self, group: Sequence[Outgoing]) -> tuple[Sequence[Outgoing], list[Outcome]]:
        """What can be sent, and what cannot be signed: nothing of that leaves, and it is tried again like others."""
        if self._dress is None:
            return group, []
        dressed, kept_back = [], []
        for message in group:
            try:
                dressed.append(self._dress(message))
            except Exception:
                logger.exception("a message could not be made ready to leave")
                kept_back.append(Outcome(message.id, Result.DEFERRED, "internal error"))
        return dressed, kept_back
