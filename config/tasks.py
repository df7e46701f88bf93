"""The worker's sign of life."""

from __future__ import annotations

from celery import shared_task
from celery.signals import worker_ready
from django.core.cache import cache
from django.utils import timezone

from config.views import HEARTBEAT_KEY


@shared_task(name="config.record_heartbeat")
def record_heartbeat() -> None:
    """Beat asks, a worker answers: both live."""
    cache.set(HEARTBEAT_KEY, timezone.now(), timeout=3600)


@worker_ready.connect
def record_start(**details: object) -> None:
    """A worker that has just come up need not wait for beat's first word."""
    record_heartbeat()
