"""Which websites may show a form inside their pages. Plain functions: what they return goes into a header."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HOST = re.compile(
    r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[0-9]{1,5})?"
)


def parse_host(text: str) -> str | None:
    """A host as a header may hold it, None for anything else. People paste whole addresses: their host counts."""
    host = text.strip().lower().removeprefix("https://").removeprefix("http://").split("/")[0]
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    return host if _HOST.fullmatch(host) else None


def frame_sources(hosts: Iterable[str]) -> list[str]:
    """The hosts, each with and without "www."."""
    found: dict[str, None] = {}
    for text in hosts:
        host = parse_host(text)
        if host is None:
            continue
        found[host] = None
        if host.startswith("www."):
            found[host.removeprefix("www.")] = None
        elif not host.startswith("*.") and host.count(".") == 1:
            found[f"www.{host}"] = None
    return list(found)
