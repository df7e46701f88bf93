"""What recipients and their programs do with a mail: fetch its picture, follow its links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

from django.http import HttpResponse
from django.test import Client

PERSON = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept-language": "fr",
}
# Names no language, and says that nobody reads yet.
PROGRAM = {"user-agent": "", "sec-purpose": "prefetch"}

_PIXEL = re.compile(r'<img src="https?://[^/"]+(/o/[^"]+)"')
_CLICK = re.compile(r'href="https?://[^/"]+(/c/[^"]+)"')
_OWN = re.compile(r"https?://[^/\"]+/([pu])/[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Copy:
    """The HTML that somebody got."""

    html: str

    @property
    def pixels(self) -> list[str]:
        return [unescape(path) for path in _PIXEL.findall(self.html)]

    @property
    def clicks(self) -> list[str]:
        return [unescape(path) for path in _CLICK.findall(self.html)]

    @property
    def is_measured(self) -> bool:
        return bool(self.pixels or self.clicks)

    def without_own_addresses(self) -> str:
        """Without what must differ: the links to this person's choices and to unsubscribing from this message."""
        return _OWN.sub(r"\1", self.html)

    def open(self, *, by: dict[str, str] = PERSON) -> HttpResponse:
        return fetch(self.pixels[0], by=by)

    def click(self, number: int = 0, *, by: dict[str, str] = PERSON) -> HttpResponse:
        return fetch(self.clicks[number], by=by)

    def fetch_all(self, *, by: dict[str, str] = PERSON) -> None:
        for path in (*self.pixels, *self.clicks):
            fetch(path, by=by)


def fetch(path: str, *, by: dict[str, str] = PERSON) -> HttpResponse:
    return Client(headers=by).get(path)
