"""The one door for side effects: they leave after the transaction that asked for them has been committed."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import kombu.exceptions
import redis.exceptions
from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)


URGENT_QUEUE = "urgent"


def after_commit(task_name: str, *, in_queue: str | None = None, **kwargs: Any) -> None:
    """Ask Celery to run a task once this transaction stands, in the queue that the settings say or in ``in_queue``.

    A broker that is away loses nothing: the row that made the work due is found again by the beat schedule.
    """

    def send() -> None:
        try:
            current_app.send_task(task_name, kwargs=kwargs, queue=in_queue)
        except (kombu.exceptions.OperationalError, redis.exceptions.RedisError, OSError) as error:
            logger.warning("broker away, beat will find the work: %s (%s)", task_name, type(error).__name__)

    transaction.on_commit(send)


def one_by_one(rows: Iterable[Sequence[Any]], step: Callable[..., object]) -> int:
    """Do a step for each row of a scheduled task: whatever one organization has, no other waits for it.

    The next beat tries again. Returns the sum of what the steps returned, where those are numbers.
    """
    done = 0
    for row in rows:
        try:
            result = step(*row)
        except Exception as error:  # noqa: BLE001 - see above
            # Not what the error says: an address may stand in it.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("a scheduled task failed for %s: %s\n%s", row, type(error).__name__, where)
        else:
            done += result if isinstance(result, int) else 0
    return done
