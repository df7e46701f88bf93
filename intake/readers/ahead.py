"""Reads the next chunk while the database is busy with this one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class _End:
    pass


def read_ahead[T](source: Generator[T], *, items: int = 1) -> Generator[T]:
    """The items of ``source``, which runs in a thread of its own, at most ``items`` ahead.

    The source must not touch the database: connections belong to the thread that reads here.
    """
    ready: queue.Queue[T | _Failed | _End] = queue.Queue(maxsize=items)
    stopped = threading.Event()

    def hand_over(item: T | _Failed | _End) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=WAIT_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            with closing(source):
                if all(hand_over(item) for item in source):
                    hand_over(_End())
        except BaseException as error:  # noqa: BLE001 - raised again where the items are read
            hand_over(_Failed(error))

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stopped.set()
        thread.join()
