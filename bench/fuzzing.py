"""What the fuzzing of hits asks, and how it judges the answers. tests/tracking/test_fuzz.py uses the judge too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

from common.keys import decode_key_digits, encode_key, link_secrets, new_key, sign_link, verify_link
from config.asgi import Application, django_application
from config.hosts import KnownHosts
from tracking.recorder import Recorder
from tracking.rules import read_click, readings

AT_ONCE = 200
DESTINATIONS = (
    "https://shop.example/bread?size=L&fresh=yes#order",
    "https://bücher.example/größe 1?q=é",
    "http://shop.example",
    "https://shop.example/" + "x" * 1979,
    "javascript:alert(1)",
    "//evil.example",
    "https://evil.example/\r\nset-cookie: a=b",
    "",
)
type Request = tuple[str, str, bytes, list[tuple[bytes, bytes]]]
METHODS = ("GET",) * 8 + ("HEAD", "POST", "\x00", "get")


async def answer_to(application: Any, scope: dict[str, Any]) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


def scope_of(method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    """As granian gives it."""
    return {
        "type": "http", "method": method, "path": path, "raw_path": quote(path).encode(), "query_string": query,
        "headers": [(b"host", b"127.0.0.1"), *headers], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip


def is_signed(path: str, query: bytes) -> bool:
    """Whether the address is one of ours for anything that it may say."""
    address = read_click(path)
    if address is None:
        return False
    digits = decode_key_digits(address.key)
    return digits is not None and any(
        verify_link(UUID(digits), address.number, text, address.signature, secrets=link_secrets())
        for text in readings(query.decode("utf-8", "replace"))
    )


class Fuzzer:
    """Addresses that are nearly right: parts of real ones, cut, swapped, turned and filled with rubbish."""

    def __init__(self, chance: random.Random, keys: Sequence[UUID]) -> None:
        self._chance = chance
        self._keys = keys
        self._real = {key.hex for key in keys}
        self.errors: list[Any] = []
        self.unsigned: list[Any] = []
        # What a real key with nothing wrong about it has left.
        self.genuine = 0

    async def run(self, url: str, tries: int) -> None:
        recorder = Recorder(url)
        application = Application(django_application, recorder, KnownHosts(["127.0.0.1"], frozenset))
        try:
            for done in range(0, tries, AT_ONCE):
                requests = [self._request() for _ in range(min(AT_ONCE, tries - done))]
                asked = (answer_to(application, scope_of(*request)) for request in requests)
                for request, answer in zip(requests, await asyncio.gather(*asked, return_exceptions=True), strict=True):
                    self._judge(request, answer)
        finally:
            await recorder.close(seconds=60)

    def _request(self) -> Request:
        method = self._chance.choice(METHODS)
        path, query = self._open() if self._chance.random() < 0.3 else self._click()
        headers = [(self._header_name(), self._rubbish(60)) for _ in range(self._chance.randrange(4))]
        return method, path, query, headers

    def _judge(self, request: Request, answer: tuple[int, dict[bytes, bytes]] | BaseException) -> None:
        if isinstance(answer, BaseException):
            self.errors.append((request, answer))
            return
        method, path, query, _headers = request
        status, answered = answer
        if status >= 500:
            self.errors.append((request, status))
        signed = is_signed(path, query)
        if (300 <= status < 400 or b"location" in answered) and not signed:
            self.unsigned.append(request)
        if method == "GET":
            opened = decode_key_digits(path[3:]) if path.startswith("/o/") else None
            clicked = decode_key_digits(path.split("/")[2]) if signed and status == 302 else None
            self.genuine += (opened or clicked) in self._real

    # --- What is asked

    def _open(self) -> tuple[str, bytes]:
        return f"/o/{self._spoilt(self._key())}", self._rubbish(20)

    def _click(self) -> tuple[str, bytes]:
        key, number = self._any_key(), self._chance.randrange(1, 4)
        destination = self._chance.choice(DESTINATIONS)
        signature = sign_link(key, number, destination, secrets=link_secrets())
        written, shown = encode_key(key), quote(destination, safe="")
        # One part of five is spoilt, or exchanged for the right part of another link.
        spoil = self._chance.randrange(7)
        if spoil == 0:
            written = self._spoilt(encode_key(self._any_key()))
        elif spoil == 1:
            signature = self._spoilt(signature)
        elif spoil == 2:
            shown = quote(self._spoilt(self._chance.choice(DESTINATIONS)), safe="")
        number_text = self._spoilt(str(number)) if spoil == 3 else str(number)
        path = f"/c/{written}/{number_text}/{signature}"
        query = b"to=" + shown.encode()
        if spoil == 4:
            path = self._spoilt(path)
        elif spoil == 5:
            query = self._rubbish(30) + query + self._rubbish(30)
        return unquote(path) if path.startswith("/c/") else "/c/" + path, query

    def _any_key(self) -> UUID:
        return self._chance.choice(self._keys) if self._chance.random() < 0.5 else new_key()

    def _key(self) -> str:
        return encode_key(self._any_key())

    def _spoilt(self, text: str) -> str:
        where = self._chance.randrange(len(text) + 1)
        ways: tuple[Callable[[], str], ...] = (
            lambda: text[:where],
            lambda: text[:where] + self._rubbish(5).decode("latin-1") + text[where:],
            lambda: text[:where] + self._chance.choice("AZaz09-_=/%+. \x00é٣") + text[where + 1 :],
            lambda: text.swapcase(),
            lambda: text * 2,
            lambda: "",
            lambda: text,
        )
        return self._chance.choice(ways)()

    def _rubbish(self, most: int) -> bytes:
        return self._chance.randbytes(self._chance.randrange(most))

    def _header_name(self) -> bytes:
        return self._chance.choice(
            (b"user-agent", b"accept-language", b"purpose", b"sec-purpose", b"x-forwarded-for", b"cookie", b"range")
        )
