"""What sending services can do, and whether mail may be trusted to them (rule S11). Plain functions over dated data.

The data: ``providers.toml`` beside this file, each entry with its source and how sure it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

# The leak guard looks every day; what it saw longer ago says nothing about today.
GUARD_FRESH = timedelta(hours=48)


class Tracking(StrEnum):
    """Where a service's own tracking can be switched off."""

    MESSAGE = "message"
    PARTLY = "partly"
    ACCOUNT = "account"


class Sureness(StrEnum):
    DOCUMENTED = "documented"
    OUR_READING = "our reading"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Provider:
    """A sending service as the table knows it."""

    key: str
    name: str
    tracking: Tracking
    signs: str
    reports: bool
    sends_id: bool
    sureness: Sureness
    checked: date
    source: str
    secrets: tuple[str, ...]
    hook_secrets: tuple[str, ...]
    options: tuple[str, ...]
    # Those of ``secrets`` and ``options`` that may stay empty.
    optional: frozenset[str]
    smtp_hosts: tuple[str, ...]

    @property
    def is_switched_per_message(self) -> bool:
        return self.tracking == Tracking.MESSAGE


@cache
def providers() -> Mapping[str, Provider]:
    """All of them, by key."""
    table = tomllib.loads((Path(__file__).parent / "providers.toml").read_text(encoding="utf-8"))
    return {key: _read(key, entry) for key, entry in table.items()}


def _read(key: str, entry: Mapping[str, Any]) -> Provider:
    named = [*entry["secrets"], *entry["options"]]
    return Provider(
        key=key,
        name=entry["name"],
        tracking=Tracking(entry["tracking"]),
        signs=entry["signs"],
        reports=entry["reports"],
        sends_id=entry["id"],
        sureness=Sureness(entry["sureness"]),
        checked=entry["checked"],
        source=entry["source"],
        secrets=tuple(name.rstrip("?") for name in entry["secrets"]),
        hook_secrets=tuple(entry.get("hook_secrets", ())),
        options=tuple(name.rstrip("?") for name in entry["options"]),
        optional=frozenset(name.rstrip("?") for name in named if name.endswith("?")),
        smtp_hosts=tuple(entry.get("smtp_hosts", ())),
    )


def provider_of_host(host: str) -> Provider | None:
    """The sending service that a mail server belongs to: its SMTP door tracks like its API."""
    name = host.lower().rstrip(".")
    for provider in providers().values():
        if any(name == suffix or name.endswith(f".{suffix}") for suffix in provider.smtp_hosts):
            return provider
    return None


class Trust(StrEnum):
    """Why mail of websites that do not track everybody may, or may not, take a connection."""

    NOTHING_ADDED = "nothing_added"
    SWITCHED = "switched"
    PROVEN = "proven"
    ATTESTED = "attested"
    # --- may not
    LEAKS = "leaks"
    UNPROVEN = "unproven"

    @property
    def is_given(self) -> bool:
        return self not in (Trust.LEAKS, Trust.UNPROVEN)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a connection. ``guard_clean``: what the newest judged canary showed, None without one."""

    provider: Provider | None
    is_api: bool
    attested: bool
    guard_clean: bool | None = None
    guard_at: datetime | None = None


def judge_trust(evidence: Evidence, *, now: datetime) -> Trust:
    """Whether a connection does what it is told. What a canary showed outweighs what anybody says."""
    if evidence.guard_clean is False:
        return Trust.LEAKS
    if evidence.provider is None:
        return Trust.NOTHING_ADDED
    if evidence.is_api and evidence.provider.is_switched_per_message:
        return Trust.SWITCHED
    if evidence.guard_clean and evidence.guard_at is not None and now - evidence.guard_at <= GUARD_FRESH:
        return Trust.PROVEN
    return Trust.ATTESTED if evidence.attested else Trust.UNPROVEN


# The settings that let everybody be measured who did not say no; all others keep a promise to somebody.
def needs_trust(email_tracking: str) -> bool:
    """Whether mail of a website with this setting takes only connections that are trusted."""
    return email_tracking != "always"


# --- Warm-up and the circuit breaker ----------------------------------------------------------------------------------

FAILURES_UNTIL_BROKEN = 5
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
WARMUP_DAYS = 30
WARMUP_GROWTH = 1.5


def warmup_quota(first: int, since: date, today: date) -> int | None:
    """How many messages a new connection takes today; None when it is warm."""
    day = (today - since).days
    if day >= WARMUP_DAYS:
        return None
    return int(first * WARMUP_GROWTH ** max(0, day))


def next_probe(failures: int, now: datetime) -> datetime:
    """When a broken connection may try again: later after each failure."""
    doubled = FIRST_PAUSE * 2 ** min(max(0, failures - FAILURES_UNTIL_BROKEN), 10)
    return now + min(doubled, LONGEST_PAUSE)
