"""The control of bench.tracking: the same answers, but a statement and a commit of its own for every hit."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any, cast

from django.conf import settings
from psycopg_pool import AsyncConnectionPool

from config.asgi import Application, django_application
from config.hosts import KnownHosts
from tracking.batch import CLICK
from tracking.recorder import CHOICE, CONNECTION, OPEN, Recorder, may_measure_sql

CONNECTIONS = 16

# The joins and the insert of tracking.recorder, without the batch that a retry would need.
RECORD_HIT = f"""
INSERT INTO tracking_hit (organization_id, content_id, tracked_message_id, kind, link_number, actor, received_at)
SELECT m.organization_id, m.content_id, m.id, a.kind, a.link_number, a.actor, to_timestamp(a.at)
FROM (SELECT %s::uuid AS key, %s::smallint AS kind, %s::smallint AS link_number, %s::smallint AS actor,
    %s::float8 AS at) a
JOIN tracking_trackedmessage m ON m.key = a.key
JOIN websites_measurementpermission p ON p.website_id = m.website_id AND p.country = m.country
{CHOICE}
WHERE CASE a.kind WHEN {OPEN} THEN {may_measure_sql("opens")} WHEN {CLICK} THEN {may_measure_sql("clicks")} END
"""


class InsertPerHit:
    """Stands in for the recorder."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: AsyncConnectionPool[Any] | None = None

    def take(self, key: str, kind: int, link_number: int, actor: int) -> Coroutine[Any, Any, None]:
        return self._insert((key, kind, link_number, actor, time.time()))

    async def _insert(self, values: tuple[Any, ...]) -> None:
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._url, kwargs=CONNECTION, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False, timeout=60
            )
            await self._pool.open()
        async with self._pool.connection() as connection:
            await connection.execute(RECORD_HIT, values, prepare=True)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


application = Application(
    django_application,
    # It answers to all that the application asks of a recorder.
    cast("Recorder", InsertPerHit(settings.RECORDER_DATABASE_URL)),
    KnownHosts(settings.ALLOWED_HOSTS, frozenset),
)
