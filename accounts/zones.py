"""The time zones that people choose from."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def zone_names() -> tuple[str, ...]:
    """Every zone that somebody can be in: those with a place in their name."""
    return tuple(sorted(name for name in available_timezones() if "/" in name))


def zone_choices() -> list[tuple[str, str]]:
    """They, as they are read."""
    return [(name, name.replace("_", " ")) for name in zone_names()]
