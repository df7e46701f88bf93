"""Who caused a hit, and what does its address say? Plain functions of what the request brought; nothing is kept.

A header or an address never leaves memory (H5): what is stored of them is one word of ``Actor``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus

# --- Who caused it --------------------------------------------------------------------------------------------------


class Actor(IntEnum):
    """The values of ``tracking.models.Actor``."""

    HUMAN = 1
    MACHINE = 2
    UNSURE = 3


class AgentKind(StrEnum):
    """What a program listed in known_agents.toml does."""

    RELAY = "relay"
    PREFETCHER = "prefetcher"
    SCANNER = "scanner"
    PREVIEW = "preview"
    CRAWLER = "crawler"
    TOOL = "tool"


# What is known of a hit beside the word, and is not stored: added to its number on the way to the statement.
# Whoever asked was surely not a person who read: no last open day (S8).
NOBODY_READ = 4
# The same program asked for the same just before: a total that nobody stands behind is not raised again (S9).
REPEATED = 8
# Another link of the message was followed at the same moment, which is one of the signals of the word already.
AT_ONCE = 16


def judge(
    agent: AgentKind | None,
    *,
    names_itself: bool,
    names_language: bool,
    fetches_ahead: bool,
    looked_first: bool = False,
    links_at_once: bool = False,
    every_link: bool = False,
) -> Actor:
    """Human, machine, or unsure. Two signals make a machine, one makes us unsure.

    A relay fetches for somebody who reads, so by itself it never makes a machine. A missing language counts only
    beside another signal: some mail programs on desktops name none, and no relay does.
    """
    signals = (agent is not None) + fetches_ahead + looked_first + links_at_once + every_link
    if agent is not AgentKind.RELAY:
        signals += not names_itself
        if signals and not names_language:
            signals += 1
    return Actor.MACHINE if signals >= 2 else Actor.UNSURE if signals else Actor.HUMAN


def one_more_signal(actor: Actor) -> Actor:
    """The word after one more signal was found."""
    return Actor.UNSURE if actor is Actor.HUMAN else Actor.MACHINE


def may_have_read(agent: AgentKind | None, actor: Actor, *, fetches_ahead: bool) -> bool:
    """Whether an open may leave a day (S8): a person's, and one by a relay, which fetches when somebody reads.

    Whatever else is unsure leaves none. A prefetch says itself that nobody reads, even where it is its only signal.
    """
    return actor is Actor.HUMAN or (actor is Actor.UNSURE and agent is AgentKind.RELAY and not fetches_ahead)


@dataclass(frozen=True, slots=True)
class KnownAgents:
    """The list, ready to be searched: (text in lower case, kind)."""

    whole: dict[str, AgentKind]
    parts: tuple[tuple[str, AgentKind], ...]

    def kind_of(self, user_agent: str) -> AgentKind | None:
        """The first entry that fits."""
        text = user_agent.strip().lower()
        if text in self.whole:
            return self.whole[text]
        return next((kind for part, kind in self.parts if part in text), None)


KNOWN_AGENTS = Path(__file__).with_name("known_agents.toml")


def load_agents(path: Path = KNOWN_AGENTS) -> KnownAgents:
    """Read the list; an entry without a source or of an unknown kind is refused."""
    with path.open("rb") as file:
        data: dict[str, Any] = tomllib.load(file)
    for entry in data["agents"]:
        if entry["source"] not in data["sources"]:
            message = f"{entry['name']} in {path.name} names no source that the file lists"
            raise ValueError(message)
    return KnownAgents(
        whole={entry["equals"].lower(): AgentKind(entry["what"]) for entry in data["agents"] if "equals" in entry},
        parts=tuple(
            (entry["contains"].lower(), AgentKind(entry["what"])) for entry in data["agents"] if "contains" in entry
        ),
    )


# --- Totals that nobody stands behind ---------------------------------------------------------------------------------

# How often a copy is opened, and one of its links followed, at the very most on average: forwarded mail, several
# devices and preview panes included. What is beyond has been replayed, or the address was published.
MOST_OPENS_PER_COPY = 20
MOST_CLICKS_PER_COPY = 5


def is_plausible(*, opens: int, most_clicks_on_a_link: int, copies: int) -> bool:
    """Whether an anonymous total can come from the people of so many copies. Everybody knows its address (S9)."""
    return opens <= MOST_OPENS_PER_COPY * copies and most_clicks_on_a_link <= MOST_CLICKS_PER_COPY * copies


# --- What the address says ------------------------------------------------------------------------------------------

PIXEL_PREFIX = "/o/"
CLICK_PREFIX = "/c/"


@dataclass(frozen=True, slots=True)
class ClickAddress:
    """``/c/<key>/<link number>/<signature>``: three texts that nobody has verified yet."""

    key: str
    number: int
    signature: str


def read_click(path: str) -> ClickAddress | None:
    """The parts of a click's path; None for anything that we would not have written."""
    parts = path.split("/")
    if len(parts) != 5 or parts[0] or f"/{parts[1]}/" != CLICK_PREFIX:
        return None
    _, _, key, number, signature = parts
    # Only digits as we write them: int() would take "+1", " 1", "1_0" and digits of other scripts too.
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and not number.startswith("0")):
        return None
    return ClickAddress(key, int(number), signature)


def readings(query: str) -> Iterator[str]:
    """What ``to=`` may have meant, likeliest first; the signature tells which one it was.

    Mail gateways rewrite addresses: they add parameters of their own, write spaces as "+", or undo the percent signs,
    so that the destination's own "&" ends up bare.
    """
    query = f"&{query}"
    _, found, rest = query.partition("&to=")
    if not found:
        return
    value = rest.partition("&")[0]
    seen: set[str] = set()
    for text in (unquote(value), unquote_plus(value), unquote(rest), rest):
        if text not in seen:
            seen.add(text)
            yield text


def is_web_address(destination: str) -> bool:
    """Whether a browser may be sent there (H4): http or https, and nothing that could break out of a header."""
    if any(ord(character) < 32 or ord(character) == 127 for character in destination):
        return False
    scheme, separator, rest = destination.partition("://")
    return bool(separator) and scheme.lower() in ("http", "https") and bool(rest)
