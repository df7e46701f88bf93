"""What Celery does for people's own pages."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from privacy.services import receipts


@shared_task(name="privacy.send_due_receipts")
def send_due_receipts() -> int:
    """Send the receipts that had to wait for their hour. Returns how many."""
    return receipts.send_due_receipts(now=timezone.now())
