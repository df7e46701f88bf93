"""What an address tells about the person who gets it. Plain functions."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from delivery.lint.hosts import tracker_list

_REMOTE = re.compile(r"\s*(?:https?:)?//[^\s/]", re.IGNORECASE)
_IMAGE_FILE = re.compile(r"\.(?:gif|png|jpe?g|webp|svg|avif|bmp)$", re.IGNORECASE)
# Parameters of servers that scale images; they name no person.
_SIZE_NAMES = frozenset(
    {"w", "h", "width", "height", "q", "v", "fit", "dpr", "auto", "format", "fm", "quality", "crop"}
)
_HASHES = ("md5", "sha1", "sha256", "sha512")


def is_remote(url: str) -> bool:
    """Whether a mail program would ask another machine for it."""
    return _REMOTE.match(url) is not None


def address_marks(email: str) -> frozenset[str]:
    """How an address may stand in a URL: as it is, encoded, or hashed. In lower case, but for base64."""
    marks: set[str] = set()
    for spelling in {email.strip(), email.strip().lower()}:
        data = spelling.encode()
        marks |= {spelling.lower(), data.hex()}
        marks |= {hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in _HASHES}
        encoded = base64.b64encode(data).decode().rstrip("=")
        marks |= {encoded, encoded.replace("+", "-").replace("/", "_")}
        # Digests travel as base64 too.
        for name in ("md5", "sha1", "sha256"):
            digest = base64.b64encode(hashlib.new(name, data, usedforsecurity=False).digest()).decode().rstrip("=")
            marks |= {digest, digest.replace("+", "-").replace("/", "_")}
    return frozenset(mark for mark in marks if len(mark) > 5)


def holds_address(url: str, marks: frozenset[str]) -> bool:
    """Whether one of an address's spellings stands in ``url``, however often it was percent-encoded."""
    for text in _decodings(url):
        lowered = text.lower()
        if any(mark in text or mark in lowered for mark in marks):
            return True
    return False


def _decodings(url: str) -> list[str]:
    texts = [url]
    for _time in range(3):
        decoded = unquote(texts[-1])
        if decoded == texts[-1]:
            break
        texts.append(decoded)
    return [*texts, unquote_plus(url)]


def person_parameter(url: str) -> str | None:
    """The first parameter by which another company knows a reader again."""
    try:
        query = urlsplit(url).query
        names = [name for name, value in parse_qsl(query, keep_blank_values=True) if value]
    except ValueError:
        return None
    known = tracker_list().person_parameters
    return next((name for name in names if name.lower() in known), None)


def is_plain_image(url: str, *, may_have_long_name: bool) -> bool:
    """Whether an address looks like that of a file, the same for everybody, and not like a counter's."""
    try:
        parts = urlsplit(url)
        names = {name.lower() for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        return False
    if not _IMAGE_FILE.search(parts.path) or (parts.query and not names) or names - _SIZE_NAMES:
        return False
    return may_have_long_name or not any(_is_token(piece) for piece in re.split(r"[/._]", parts.path))


def _is_token(piece: str) -> bool:
    """A long mixture of letters and digits: a name that a machine made."""
    return len(piece) >= 16 and any(map(str.isdigit, piece)) and any(map(str.isalpha, piece))
