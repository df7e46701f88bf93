"""Who gets no mail of which purpose, and when a message is tried again. Plain functions."""

from __future__ import annotations

import random
import re
from datetime import timedelta

MOST_ATTEMPTS = 10
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=4)
# Servers and services repeat the address in their words.
# Of RFC 3463, behind the answer's own code: no such mailbox or domain, no address, moved away, takes no mail. Not
# 5.2.1, a mailbox that is disabled: servers say that, too, of one that lives and gets more mail than they let it.
_DEAD = re.compile(r"5\d\d[ -]5\.1\.(?:1|2|3|6|10)\b")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")


def needs_subscription(purpose: str) -> bool:
    """Whether an email goes only to people who are subscribed when it leaves; if it has a topic at all."""
    return purpose == "marketing"


def blocking_reasons(purpose: str) -> tuple[str, ...]:
    """The suppressions that keep an email of this purpose from an address.

    Unsubscribing ends marketing mail, not what a person needs to get. An address that accepts no mail gets none.
    """
    return ("bounced", "unsubscribed", "complained") if purpose == "marketing" else ("bounced",)


def retry_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts: twice as long each time, and not the same for all messages."""
    pause = min(FIRST_RETRY * 2 ** min(attempts - 1, 16), LONGEST_RETRY)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing


def without_addresses(words: str) -> str:
    """A server's words without the recipient's address, which stands in the participant's row alone."""
    return _ADDRESS.sub("…", words)


def names_dead_address(words: str) -> bool:
    """Whether a mail server refused a message because nobody can be reached at its address, and never will be."""
    return _DEAD.match(words) is not None


def is_spike(bad: int, of: int, *, percent: float, least: int) -> bool:
    """Whether so many of so many are too many; of a few copies nothing can be said."""
    return of >= least and bad * 100 > percent * of
