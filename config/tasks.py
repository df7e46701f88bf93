"""The worker's sign of life, and what pages ask it to count."""

from __future__ import annotations

from celery import shared_task
from celery.signals import worker_ready
from django.core.cache import cache
from django.utils import timezone

from common import seldom
from config.views import HEARTBEAT_KEY


@shared_task(name="config.record_heartbeat")
def record_heartbeat() -> None:
    """Beat asks, a worker answers: both live."""
    cache.set(HEARTBEAT_KEY, timezone.now(), timeout=3600)


@shared_task(name="config.count_again")
def count_again(path: str, organization_id: int, numbers: list[int]) -> None:
    """Somebody looks at a page whose numbers were counted a while ago."""
    seldom.count_again(path, organization_id, numbers)


@worker_ready.connect
def record_start(**details: object) -> None:
    """A worker that has just come up need not wait for beat's first word."""
    record_heartbeat()
