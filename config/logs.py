"""Log lines: time, level, event, and nothing about recipients."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest

logger = logging.getLogger(__name__)

# PostgreSQL says here what stood in the row: an address, say. What went wrong stands in the line before.
_VALUES_OF_ROWS = re.compile(r"^(DETAIL|CONTEXT):.*$", re.MULTILINE)


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


def note_failed_request(sender: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Where an answer failed. Neither the path nor what the error says: both may hold a key or an address."""
    error = sys.exception()
    match = getattr(request, "resolver_match", None)
    where = "".join(traceback.format_tb(error.__traceback__)) if error is not None else ""
    logger.error("no answer from %s: %s\n%s", match.view_name if match else "?", type(error).__name__, where)
