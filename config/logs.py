"""Log lines: time, level, event, and nothing about recipients."""

from __future__ import annotations

import structlog


def line_formatter() -> structlog.stdlib.ProcessorFormatter:
    """logfmt lines of our own few fields (named in settings.LOGGING)."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.stdlib.add_log_level,
        ],
    )
