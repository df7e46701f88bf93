"""What a participation page showed, signed and carried by the page itself: it needs no cookie and no session.

So the answer is recorded with the words that this person read, even when the form was changed while they read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.core import signing

from common.crypto import derive_keys

SALT = "intake.participation page"
# Nobody reads and fills in a page faster.
SHORTEST = timedelta(seconds=2)
LONGEST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Shown:
    """One page as one person got it."""

    form_id: int
    # Of this page alone: sent twice, it is one entry.
    nonce: UUID
    language: str
    shown_at: datetime
    # How the page asked for tracking consent, "" when it did not; and the consent text of each box.
    variant: str = ""
    texts: dict[str, int] = field(default_factory=dict)
    # The consent text beside the box of each topic, by the topic's number.
    topics: dict[int, int] = field(default_factory=dict)


class TokenFault(StrEnum):
    """Why a page cannot be taken as it was sent."""

    MISSING = "missing"
    TOO_OLD = "too_old"
    TOO_QUICK = "too_quick"


class TokenError(Exception):
    """The page was not made by us for this form, was sent too soon, or lay open too long."""

    def __init__(self, fault: TokenFault, shown: Shown | None = None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.shown = shown


def sign_page(shown: Shown) -> str:
    """The text that the page carries."""
    content: dict[str, Any] = {
        "f": shown.form_id,
        "n": shown.nonce.hex,
        "l": shown.language,
        "t": int(shown.shown_at.timestamp()),
        "v": shown.variant,
        "w": shown.texts,
        "p": {str(topic): text for topic, text in shown.topics.items()},
    }
    return signing.dumps(content, key=derive_keys("participation pages")[0].hex(), salt=SALT)


def read_page(token: str, *, form_id: int, now: datetime) -> Shown:
    """What the page showed. Raises TokenError."""
    keys: list[str | bytes] = [key.hex() for key in derive_keys("participation pages")]
    try:
        content = signing.loads(token, key=keys[0], salt=SALT, fallback_keys=keys[1:])
    except signing.BadSignature as error:
        raise TokenError(TokenFault.MISSING) from error
    if content["f"] != form_id:
        raise TokenError(TokenFault.MISSING)
    shown = Shown(
        form_id=form_id,
        nonce=UUID(hex=content["n"]),
        language=content["l"],
        shown_at=datetime.fromtimestamp(content["t"], tz=now.tzinfo),
        variant=content["v"],
        texts=content["w"],
        topics={int(topic): text for topic, text in content["p"].items()},
    )
    if now - shown.shown_at > LONGEST:
        raise TokenError(TokenFault.TOO_OLD)
    if now - shown.shown_at < SHORTEST:
        raise TokenError(TokenFault.TOO_QUICK, shown)
    return shown
