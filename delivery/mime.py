"""A message as bytes for a mail server, without building it anew for every recipient.

What is the same for everybody is encoded once. Parsed again, a message equals what Django's EmailMultiAlternatives
would have made of the same texts; a property test says so.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from itertools import zip_longest

LINE = 76  # of base64, and of header lines with encoded words (RFC 2045, RFC 2047)
BOUNDARY = "=_pli"  # its first character never occurs at the start of a line of base64

# Line breaks of any script, and what else has no place in a header.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ADDRESS = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([^\s@<>()\",;:\\]+)")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/?^_`{|}~-]+)*")
_TOKEN = re.compile(r" *[^ ]+")

_FRAME = (
    "MIME-Version: 1.0\r\n"
    f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"\r\n'
    "\r\n"
    f"--{BOUNDARY}\r\n"
    'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n',
    f'--{BOUNDARY}\r\nContent-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n',
    f"--{BOUNDARY}--\r\n",
)
_BEFORE_TEXT, _BEFORE_HTML, _END = (part.encode() for part in _FRAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeaders:
    """Who writes what to whom. ``message_id`` and ``unsubscribe_url`` come without angle brackets."""

    from_email: str
    to_email: str
    subject: str
    message_id: str
    date: datetime
    from_name: str = ""
    to_name: str = ""
    reply_to: str = ""
    # With it come List-Unsubscribe and List-Unsubscribe-Post (RFC 8058).
    unsubscribe_url: str = ""
    # For the feedback loops of mailbox providers; names campaign and sender, no person.
    feedback_id: str = ""


def build_message(headers: MessageHeaders, *, text: str | FilledBody, html: str | FilledBody) -> bytes:
    """The whole message. ValueError for anything that could break out of a header."""
    lines = [
        _mailbox_line("From", headers.from_name, headers.from_email),
        _mailbox_line("To", headers.to_name, headers.to_email),
        _text_line("Subject", headers.subject),
        f"Date: {format_datetime(headers.date)}",
        f"Message-ID: <{_token(headers.message_id)}>",
    ]
    if headers.reply_to:
        lines.append(_mailbox_line("Reply-To", "", headers.reply_to))
    if headers.unsubscribe_url:
        lines.append(f"List-Unsubscribe: <{_token(headers.unsubscribe_url)}>")
        lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    if headers.feedback_id:
        lines.append(f"Feedback-ID: {_token(headers.feedback_id)}")
    head = "\r\n".join([*lines, ""]).encode("ascii")
    return b"".join((head, _BEFORE_TEXT, _encode(text), _BEFORE_HTML, _encode(html), _END))


def one_line(text: str) -> str:
    """``text`` as a header can hold it: a recipient's name may bring a tab or a line break along."""
    return " ".join(_FORBIDDEN.sub(" ", text).split())


# --- Headers --------------------------------------------------------------------------------------------------------


def _token(value: str) -> str:
    """A value that must be written as it is: ASCII without spaces."""
    if not value or not value.isascii() or re.search(r"[\s<>\x00-\x1f\x7f]", value):
        message = f"not one word of a header: {value!r}"
        raise ValueError(message)
    return value


def _checked(value: str) -> str:
    if _FORBIDDEN.search(value):
        message = f"a header must be one line: {value!r}"
        raise ValueError(message)
    return value


def _text_line(name: str, value: str) -> str:
    """A header of free text, folded; as encoded words where it is not plain ASCII."""
    plain = _checked(value).isascii() and "=?" not in value and value == value.strip()
    if plain and len(name) + 2 + len(value) <= LINE:
        return f"{name}: {value}"
    tokens = _TOKEN.findall(value)
    if not plain or max(map(len, tokens)) > LINE - len(name) - 2:
        return f"{name}: " + _encoded_words(value, first=LINE - len(name) - 2)
    lines = [f"{name}:"]
    for token in [f" {tokens[0]}", *tokens[1:]]:
        if len(lines[-1]) + len(token) > LINE:
            lines.append(token)
        else:
            lines[-1] += token
    return "\r\n".join(lines)


def _encoded_words(value: str, *, first: int) -> str:
    """``value`` in as many encoded words as it takes, each on a line of its own; ``first``: room on the first line."""
    words = []
    chunk = b""
    room = _room(first)
    for character in value:
        encoded = character.encode()
        if len(chunk) + len(encoded) > room:
            words.append(chunk)
            chunk, room = b"", _room(LINE - 1)
        chunk += encoded
    words.append(chunk)
    return "\r\n ".join(f"=?utf-8?b?{b2a_base64(word, newline=False).decode()}?=" for word in words)


def _room(width: int) -> int:
    """How many bytes one encoded word can hold; it is never longer than 75 characters."""
    return (min(width, 75) - len("=?utf-8?b??=")) // 4 * 3


@lru_cache(maxsize=1_000)
def _mailbox_line(name: str, display_name: str, address: str) -> str:
    """``From: "Display name" <address>``, folded before the address where it is long."""
    spec = _address_spec(address)
    if not display_name:
        return f"{name}: {spec}"
    phrase = _phrase(_checked(display_name), room=LINE - len(name) - 2)
    last_line = len(phrase) - phrase.rfind("\n") - 1 + (0 if "\n" in phrase else len(name) + 2)
    fold = "\r\n" if last_line + len(spec) + 3 > LINE else ""
    return f"{name}: {phrase}{fold} <{spec}>"


def _phrase(display_name: str, *, room: int) -> str:
    if not display_name.isascii() or "=?" in display_name or len(display_name) > room - 10:
        return _encoded_words(display_name, first=room)
    if _PLAIN_NAME.fullmatch(display_name):
        return display_name
    escaped = display_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _address_spec(address: str) -> str:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        message = f"not an address that can stand in a header: {address!r}"
        raise ValueError(message)
    local, domain = match.groups()
    if not domain.isascii():
        domain = domain.encode("idna").decode("ascii")  # its UnicodeError is a ValueError
    return f"{_checked(local)}@{_token(domain)}"


# --- Bodies ---------------------------------------------------------------------------------------------------------


class BodyTemplate:
    """A body whose ``statics`` are the same for everybody, with one value between each two.

    Base64 encodes three bytes at a time, so a static has three encodings, by how many of its first bytes go with what
    stands before it. They are made when first needed. Lines may be shorter than 76, so that statics are pasted whole.
    """

    # Statics shorter than this are encoded with their neighbours.
    SHORT = 120

    def __init__(self, statics: Sequence[str]) -> None:
        self.statics = tuple(statics)
        self._bytes = [_canonical(static) for static in self.statics]
        self._encodings: dict[tuple[int, int], tuple[bytes, bytes, bytes]] = {}

    def join(self, values: Sequence[str]) -> str:
        """The body as text."""
        return "".join(piece for pair in zip_longest(self.statics, values, fillvalue="") for piece in pair)

    def encode(self, values: Sequence[str]) -> bytes:
        """The body in base64."""
        out: list[bytes] = []
        pending = b""
        for index, value in enumerate([*values, ""]):
            static = self._bytes[index]
            if len(static) < self.SHORT:
                pending += static
            else:
                head, middle, tail = self._encoding(index, -len(pending) % 3)
                if pending or head:
                    out.append(_base64_lines(pending + head))
                out.append(middle)
                pending = tail
            pending += _canonical(value)
        out.append(_base64_lines(pending))
        return b"".join(out)

    def _encoding(self, index: int, skip: int) -> tuple[bytes, bytes, bytes]:
        """The first ``skip`` bytes as they are, as much as possible in base64, and the bytes that are left."""
        if (index, skip) not in self._encodings:
            static = self._bytes[index]
            end = skip + (len(static) - skip) // 3 * 3
            self._encodings[index, skip] = (static[:skip], _base64_lines(static[skip:end]), static[end:])
        return self._encodings[index, skip]


@dataclass(frozen=True, slots=True)
class FilledBody:
    """A body template with the values of one recipient."""

    template: BodyTemplate
    values: Sequence[str]

    def __str__(self) -> str:
        return self.template.join(self.values)


def _encode(body: str | FilledBody) -> bytes:
    if isinstance(body, FilledBody):
        return body.template.encode(body.values)
    return _base64_lines(_canonical(body))


def _canonical(text: str) -> bytes:
    """UTF-8 with the line breaks that text has in mail (RFC 2045, 6.8)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n", "\r\n").encode()


def _base64_lines(data: bytes) -> bytes:
    encoded = b2a_base64(data, newline=False)
    if len(encoded) <= LINE:
        return encoded + b"\r\n" if encoded else b""
    return b"\r\n".join([encoded[start : start + LINE] for start in range(0, len(encoded), LINE)]) + b"\r\n"
