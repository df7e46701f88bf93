"""How often somebody may do something, counted in Redis under hashes that mean something else every day."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import redis
from django.conf import settings
from django.http import HttpRequest

from common.crypto import keyed_hash

logger = logging.getLogger(__name__)

# A person waits for the answer: a counter that is slow is as good as one that is away.
_PATIENCE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` times in each window of ``seconds``."""

    name: str
    most: int
    seconds: int


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS)


def within_limit(limit: Limit, value: str, *, now: datetime, when_away: bool = True) -> bool:
    """Count one more for ``value``, and say whether it is still within the limit.

    ``when_away`` is the answer without Redis. It is yes wherever a person makes use of a right: nobody may be kept from
    refusing or unsubscribing because a counter is missing.
    """
    moment = int(now.timestamp())
    day = now.astimezone(UTC).date().isoformat()
    # Neither the value nor anything that could be compared across days stands in Redis.
    name = f"limit:{limit.name}:{keyed_hash(f'rate limit {day}', limit.name, value)}:{moment // limit.seconds}"
    try:
        pipeline = _client(settings.REDIS_URL).pipeline(transaction=False)
        pipeline.incr(name)
        pipeline.expire(name, limit.seconds)
        count = int(pipeline.execute()[0])
    except (redis.RedisError, OSError) as error:
        logger.warning("rate limit not counted: %s (%s)", limit.name, type(error).__name__)
        return when_away
    return count <= limit.most


def client_prefix(request: HttpRequest) -> str:
    """The network that a request comes from, never the address itself: /24 of IPv4, /56 of IPv6."""
    try:
        address = ipaddress.ip_address(_client_address(request))
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = 24 if address.version == 4 else 56
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))


def _client_address(request: HttpRequest) -> str:
    """What the outermost of our own proxies saw. What stands further left, anybody can write."""
    direct = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    proxies = settings.TRUSTED_PROXIES
    return forwarded[-proxies] if 0 < proxies <= len(forwarded) else direct
