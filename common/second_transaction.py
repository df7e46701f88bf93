"""A transaction beside this one, over a connection of its own: a server has several cores, a connection uses one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from django.db import connection, transaction

from common.tenancy import tenant

# PostgreSQL does not know that one of the two waits for the other, so it finds no deadlock in which both stand.
LOCK_TIMEOUT = "30s"


class SecondTransaction:
    """What is asked of it is done in a thread, one after the other. It sees what has been committed, and its own."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        # What is to be ended, in the thread to which the connection belongs.
        self._open = ExitStack()

    def do[T](self, step: Callable[[], T]) -> Future[T]:
        return self._thread.submit(step)

    def commit(self) -> None:
        """The last that is asked of it, just before the first transaction's own commit."""
        self.do(self._open.close).result()

    def begin(self, organization_id: int) -> None:
        self._open.callback(connection.close)
        self._open.enter_context(tenant(organization_id))
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])

    def end(self) -> None:
        if connection.in_atomic_block:
            transaction.set_rollback(True)
        self._open.close()


@contextmanager
def second_transaction(organization_id: int) -> Iterator[SecondTransaction]:
    """Rolled back at the end of the block, unless it was committed. Blind to what the first has not committed."""
    with ThreadPoolExecutor(1, "second-transaction") as thread:
        second = SecondTransaction(thread)
        try:
            second.do(lambda: second.begin(organization_id)).result()
            yield second
        finally:
            second.do(second.end).result()
