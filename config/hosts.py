"""Which hosts this process answers for: its own, and the tracking domains of websites for pixels and redirects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from django.db import DatabaseError
from django.http.request import split_domain_port, validate_host

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 15.0
FIRST_LOOK_SECONDS = 3.0
MOST_KNOWN = 1000


class KnownHosts:
    """Tracking domains are read every few seconds. While the database is away, those of the last time count."""

    def __init__(self, own: Sequence[str], load_tracking_domains: Callable[[], frozenset[str]]) -> None:
        self._own = list(own)
        self._load = load_tracking_domains
        # None until they could be read once: then no host can be said to be unknown, and old links must work.
        self._tracking_domains: frozenset[str] | None = None
        # Host headers found good, as they were sent: asked at every request.
        self._good: set[bytes] = set()
        self._good_for_hits: set[bytes] = set()
        self._refresher: asyncio.Task[None] | None = None

    def serves(self, header: bytes) -> bool:
        """Whether the host is one of our own."""
        if header in self._good:
            return True
        domain = _domain(header)
        good = bool(domain) and validate_host(domain, self._own)
        if good:
            _remember(self._good, header)
        return good

    def serves_hits(self, header: bytes) -> bool:
        """Whether pixels and redirects are answered there."""
        if header in self._good_for_hits:
            return True
        if self._tracking_domains is None:
            return True
        good = self.serves(header) or _domain(header) in self._tracking_domains
        if good:
            _remember(self._good_for_hits, header)
        return good

    def may_have_certificate(self, domain: str) -> bool:
        """Whether somebody's website uses this domain for its links: then, and only then, TLS is arranged for it."""
        return domain.lower() in (self._tracking_domains or frozenset())

    async def start(self) -> None:
        """Read the tracking domains, and keep reading them."""
        first = asyncio.create_task(self.refresh())
        await asyncio.wait({first}, timeout=FIRST_LOOK_SECONDS)
        self._refresher = asyncio.create_task(self._keep_reading(first))

    async def stop(self) -> None:
        if self._refresher is not None:
            self._refresher.cancel()
            await asyncio.wait({self._refresher})

    async def refresh(self) -> None:
        try:
            domains = await asyncio.to_thread(self._load)
        except (DatabaseError, OSError) as error:
            logger.warning("tracking domains could not be read (%s)", type(error).__name__)
            return
        if domains != self._tracking_domains:
            self._tracking_domains = domains
            self._good_for_hits.clear()

    async def _keep_reading(self, first: asyncio.Task[None]) -> None:
        await first
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()


def _domain(header: bytes) -> str:
    return split_domain_port(header.decode("latin-1"))[0]


def _remember(hosts: set[bytes], header: bytes) -> None:
    # A pattern like ".example.org" fits endlessly many.
    if len(hosts) >= MOST_KNOWN:
        hosts.clear()
    hosts.add(header)
