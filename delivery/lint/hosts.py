"""The list of known trackers: data, dated, with its sources (``trackers.toml``)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

_PATH = Path(__file__).with_name("trackers.toml")


@dataclass(frozen=True, slots=True)
class Tracker:
    """A company whose addresses measure, and what they count."""

    name: str
    hosts: tuple[str, ...]
    counts: frozenset[str]
    source: str


@dataclass(frozen=True, slots=True)
class TrackerList:
    as_of: date
    sources: dict[str, str]
    trackers: tuple[Tracker, ...]
    person_parameters: frozenset[str]


@lru_cache(maxsize=1)
def tracker_list() -> TrackerList:
    """The list as it came with this version. A tracker without a known source is a fault of the file."""
    stored = tomllib.loads(_PATH.read_text(encoding="utf-8"))
    sources = dict(stored["sources"])
    trackers = tuple(
        Tracker(one["name"], tuple(one["hosts"]), frozenset(one["counts"]), sources[one["source"]])
        for one in stored["tracker"]
    )
    return TrackerList(stored["as_of"], sources, trackers, frozenset(stored["person_parameters"]["names"]))


@lru_cache(maxsize=4096)
def tracker_of(url: str, counts: str) -> Tracker | None:
    """Whose address this is, if it counts ``opens`` or ``clicks``."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    return next(
        (
            tracker
            for tracker in tracker_list().trackers
            if counts in tracker.counts and any(_covers(entry, host, parts.path) for entry in tracker.hosts)
        ),
        None,
    )


def _covers(entry: str, host: str, path: str) -> bool:
    known, _slash, below = entry.partition("/")
    if host != known and not host.endswith(f".{known}"):
        return False
    return not below or path.lstrip("/").startswith(below)
