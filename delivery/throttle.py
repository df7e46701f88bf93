"""How fast messages may leave: per connection and per recipient domain in Redis, per day in the database.

Buckets are shared by all workers. When Redis is away each worker keeps buckets of its own at a quarter of the rate:
rather slower than what was promised to a provider than faster.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import redis
from django.conf import settings

from common.tenancy import tenant
from delivery.connection_models import Connection, ConnectionDay
from delivery.providers import warmup_quota

logger = logging.getLogger(__name__)

WITHOUT_REDIS = 0.25
EVERY_DOMAIN = "*"
# One of so many messages of a day while a connection warms up.
KEPT_FOR_URGENT = 10
_PATIENCE_SECONDS = 0.5

# Takes as many tokens as there are, up to what is wanted. For the rest, if asked to, it hands out the moments at which
# they may come back, one after the other, so that they do not all come back at once.
# ``debt``: how many tokens may be taken that are not there yet; whoever asks without waits until they are.
_BUCKET = """
local rate, burst, want, reserve = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local debt = tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'next')
local tokens, at, slot = tonumber(state[1] or burst), tonumber(state[2] or now), tonumber(state[3] or now)
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local granted = math.max(0, math.min(want, math.floor(tokens + debt)))
tokens = tokens - granted
local answer = {granted, tostring(math.max(0, (1 - debt - tokens) / rate))}
if reserve and debt > 0 then
  for number = 1, want - granted do
    answer[#answer + 1] = tostring((number - debt - tokens) / rate)
  end
elseif reserve then
  if slot < now then slot = now end
  for _ = 1, want - granted do
    slot = slot + 1 / rate
    answer[#answer + 1] = tostring(slot - now)
  end
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now), 'next', tostring(slot))
redis.call('PEXPIRE', KEYS[1], math.ceil(((burst + debt) / rate + math.max(0, slot - now)) * 1000) + 60000)
return answer
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """``granted`` tokens; after how many seconds there is the next one; when each of the others may come back."""

    granted: int
    wait: float
    later: Sequence[float] = ()


@dataclass(slots=True)
class _LocalBucket:
    tokens: float
    at: float
    slot: float = 0.0


_local: dict[str, _LocalBucket] = {}


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS)


def take(name: str, *, rate: float, want: int, reserve: bool = False, urgent: bool = False) -> Taken:
    """Tokens of one bucket that fills at ``rate`` a second and holds a second's worth.

    Urgent mail may take another second's worth before it is there. What is not urgent waits until that has come in, so
    that the rate holds over any few seconds, and somebody's confirmation passes a launch that uses all of it.
    """
    burst = max(1.0, rate)
    debt = burst if urgent else 0.0
    try:
        client = _client(settings.REDIS_URL)
        answer = client.eval(_BUCKET, 1, f"pli:rate:{name}", rate, burst, want, int(reserve), debt)
    except (redis.RedisError, OSError) as error:
        logger.warning("Redis is away, messages leave at a quarter of their rate: %s", type(error).__name__)
        return _take_locally(name, rate=rate * WITHOUT_REDIS, want=want, reserve=reserve, urgent=urgent)
    granted, wait, *later = answer
    return Taken(int(granted), float(wait), tuple(float(moment) for moment in later))


def _take_locally(name: str, *, rate: float, want: int, reserve: bool, urgent: bool) -> Taken:
    now = time.monotonic()
    burst = max(1.0, rate)
    debt = burst if urgent else 0.0
    bucket = _local.setdefault(name, _LocalBucket(burst, now))
    bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
    bucket.at = now
    granted = max(0, min(want, math.floor(bucket.tokens + debt)))
    bucket.tokens -= granted
    later: list[float] = []
    if reserve and urgent:
        later = [(number - debt - bucket.tokens) / rate for number in range(1, want - granted + 1)]
    elif reserve:
        bucket.slot = max(bucket.slot, now)
        for _one in range(want - granted):
            bucket.slot += 1 / rate
            later.append(bucket.slot - now)
    return Taken(granted, max(0.0, (1 - debt - bucket.tokens) / rate), tuple(later))


@dataclass(slots=True)
class Admission:
    """Which of the messages that asked may leave, and which ones come back after how many seconds.

    Whoever is in neither list may ask again after ``wait``.
    """

    leaving: list[int] = field(default_factory=list)
    put_off: list[tuple[int, float]] = field(default_factory=list)
    wait: float = 0.0


class Limits:
    """The limits of one connection."""

    def __init__(self, connection: Connection, *, urgent: bool = False) -> None:
        self._connection = connection
        self._urgent = urgent
        self._domains = {str(name).lower(): float(rate) for name, rate in connection.per_domain.items()}

    @property
    def are_set(self) -> bool:
        return bool(self._connection.per_second or self._domains or self._connection.warmup_from)

    @property
    def rate(self) -> float | None:
        return self._connection.per_second

    def admit(self, domains: Sequence[str], *, today: date) -> Admission:
        """``domains``: of the recipients, in the order in which they wait."""
        admission = Admission()
        room = self._room(len(domains), admission, today=today)
        by_domain: dict[str, list[int]] = defaultdict(list)
        for position, domain in enumerate(domains[:room]):
            by_domain[domain.lower()].append(position)
        for domain, positions in by_domain.items():
            rate = self._domains.get(domain, self._domains.get(EVERY_DOMAIN))
            if rate is None:
                admission.leaving += positions
                continue
            taken = take(
                f"{self._connection.pk}:{domain}", rate=rate, want=len(positions), reserve=True, urgent=self._urgent
            )
            admission.leaving += positions[: taken.granted]
            admission.put_off += list(zip(positions[taken.granted :], taken.later, strict=True))
        admission.leaving.sort()
        return admission

    def _room(self, want: int, admission: Admission, *, today: date) -> int:
        if self._connection.per_second:
            taken = take(str(self._connection.pk), rate=self._connection.per_second, want=want, urgent=self._urgent)
            want, admission.wait = taken.granted, taken.wait
        if want and self._connection.warmup_from is not None:
            want = take_from_day(self._connection, want, today=today, urgent=self._urgent)
        return want


def _quota(connection: Connection, *, today: date, urgent: bool) -> int | None:
    """A tenth of the day's number is kept for urgent mail: a launch must not use up what people wait for."""
    if connection.warmup_from is None:
        return None
    quota = warmup_quota(connection.warmup_first, connection.warmup_from, today)
    return quota if quota is None or urgent else quota - quota // KEPT_FOR_URGENT


def quota_left(connection: Connection, *, today: date, urgent: bool = False) -> int | None:
    """How many messages a connection that warms up still takes today; None when it is warm."""
    quota = _quota(connection, today=today, urgent=urgent)
    if quota is None:
        return None
    with tenant(connection.organization_id):
        row = ConnectionDay.objects.filter(connection=connection, day=today).first()
    return max(0, quota - (row.sent if row is not None else 0))


def take_from_day(connection: Connection, want: int, *, today: date, urgent: bool = False) -> int:
    """Count messages against the day's number while a connection warms up; how many of them still fit."""
    quota = _quota(connection, today=today, urgent=urgent)
    if quota is None:
        return want
    with tenant(connection.organization_id):
        row, _new = ConnectionDay.objects.get_or_create(
            organization_id=connection.organization_id, connection=connection, day=today
        )
        row = ConnectionDay.objects.select_for_update(no_key=True).get(pk=row.pk)
        fits = min(want, max(0, quota - row.sent))
        row.sent += fits
        row.save(update_fields=["sent"])
    return fits
