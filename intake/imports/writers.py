"""Threads that write, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

from django.db import connection


class Writers[T]:
    """Does what is handed in, beginning in that order, as many things at once as there are threads."""

    def __init__(self, count: int) -> None:
        self._work: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="writer", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._work.put((future, work))
        return future

    def close(self) -> None:
        """Finish what has been handed in."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            while (item := self._work.get()) is not None:
                _fulfil(*item)
                # Not to keep a chunk while waiting for the next.
                del item
        finally:
            connection.close()


def _fulfil[T](future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
        future.set_exception(error)
