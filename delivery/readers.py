"""Opens a caught message for a member: readable, and without anything that would pass for an act of the recipient.

The stored bytes stay what the recipient's client would get; the pixel and the tracked links are taken out of the copy
that is shown (rule S14).
"""

from __future__ import annotations

import email
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from html import escape, unescape
from urllib.parse import unquote

from delivery.models import CaughtMessage

_KEY = r"[A-Za-z0-9_-]{22}"
_PIXEL = re.compile(rf"""<img\b[^>]*\bsrc\s*=\s*["']?[^"'\s>]*/o/{_KEY}(?=["'?\s>/])[^>]*>""", re.IGNORECASE)
_ANY_PIXEL = re.compile(rf"""https?://[^"'\s<>()]+/o/{_KEY}""")
_TRACKED = re.compile(
    rf"""https?://[^"'\s<>/]+/c/{_KEY}/(?P<number>\d{{1,5}})/[A-Za-z0-9_=-]+\?to=(?P<to>[^"'\s<>&]*)"""
)
_HREF = re.compile(r"""\bhref\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""", re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
# Links of the shown copy leave the frame, which may not navigate itself.
_NEW_TAB = '<base target="_blank">'


@dataclass(frozen=True, slots=True)
class SeenLink:
    """A link as it was sent and where it goes in the end."""

    address: str
    destination: str
    tracked: bool


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """What the mailbox shows of a message."""

    headers: list[tuple[str, str]]
    html: str
    text: str
    links: list[SeenLink]
    has_pixel: bool

    @property
    def tracked_links(self) -> int:
        return sum(link.tracked for link in self.links)


def raw_of(caught: CaughtMessage) -> bytes:
    """The bytes that came over the wire."""
    return zlib.decompress(bytes(caught.raw))


def open_caught(caught: CaughtMessage) -> OpenedMessage:
    """The parts of a caught message, safe to look at."""
    message = email.message_from_bytes(raw_of(caught), policy=default)
    html = _part(message, "html")
    return OpenedMessage(
        headers=[(name, readable_header(str(value))) for name, value in message.raw_items()],
        html=without_measuring(html),
        text=_part(message, "plain"),
        links=links_in(html),
        has_pixel=_ANY_PIXEL.search(html) is not None,
    )


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    if body is None or body.get_content_type() != f"text/{kind}":
        return ""
    with suppress(LookupError):
        return str(body.get_content())
    payload = body.get_payload(decode=True)  # a character set that nobody knows
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def readable_header(value: str) -> str:
    """A header as people read it: unfolded and decoded."""
    text = re.sub(r"\r?\n[ \t]*", " ", value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    with suppress(HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        text = str(make_header(decode_header(text)))
    return text.replace("\x00", "").strip()


def without_measuring(html: str) -> str:
    """The HTML with no pixel, and with links that go straight to where they lead."""
    plain = _ANY_PIXEL.sub("about:blank", _PIXEL.sub("", html))
    plain = _TRACKED.sub(lambda link: escape(unquote(link["to"])), plain)
    opened = _HEAD.sub(lambda head: head[0] + _NEW_TAB, plain, count=1)
    return opened if opened != plain else _NEW_TAB + plain


def links_in(html: str) -> list[SeenLink]:
    """All links of the HTML in their order, those of Outlook's conditional comments included."""
    links = []
    for href in _HREF.finditer(html):
        address = unescape(href["double"] if href["double"] is not None else href["single"])
        tracked = _TRACKED.fullmatch(address)
        links.append(SeenLink(address, unquote(tracked["to"]) if tracked else address, tracked is not None))
    return links
