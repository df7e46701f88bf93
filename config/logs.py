"""Log lines: time, level, event, and nothing about recipients."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest

logger = logging.getLogger(__name__)

# PostgreSQL says here what stood in the row or statement: an address, say. What went wrong stands in the line before.
_VALUES_OF_ROWS = re.compile(r"^(DETAIL|CONTEXT|LINE \d+):.*$", re.MULTILINE)


def without_values(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in ("event", "exception"):
        if isinstance(event.get(name), str):
            event[name] = _VALUES_OF_ROWS.sub(r"\1: (not written down)", event[name])
    return event


def line_formatter() -> structlog.stdlib.ProcessorFormatter:
    """logfmt lines of our own few fields (named in settings.LOGGING)."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            without_values,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.stdlib.add_log_level,
        ],
    )


class WithoutWords(logging.Filter):
    """Of a task that failed: which one, what kind of error, and where. What it says may hold a key or an address."""

    def filter(self, record: logging.LogRecord) -> bool:
        told = record.args if isinstance(record.args, Mapping) else {}
        if record.exc_info and record.exc_info[0] is not None:
            where = "".join(traceback.format_tb(record.exc_info[2]))
            record.msg, record.args = "task %s failed: %s\n%s", (told.get("name"), record.exc_info[0].__name__, where)
            record.exc_info = None
        elif "exc" in told:
            record.args = {**told, "exc": "(not written down)"}
        return True


def note_failed_request(sender: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Where an answer failed. Neither the path nor what the error says: both may hold a key or an address."""
    error = sys.exception()
    match = getattr(request, "resolver_match", None)
    where = "".join(traceback.format_tb(error.__traceback__)) if error is not None else ""
    logger.error("no answer from %s: %s\n%s", match.view_name if match else "?", type(error).__name__, where)
