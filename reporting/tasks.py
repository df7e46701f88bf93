"""What Celery does for reports: it counts what is new, mails what members ordered, and forgets what may go."""

from __future__ import annotations

import time
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from reporting import counting, rollups, scheduled

# A backlog does not hold a worker for longer; the task then asks for itself again.
SECONDS_AT_A_TIME = 20.0
WITHDRAWALS_LOOKED_AT = timedelta(days=1)


@shared_task(name="reporting.count_hits")
def count_hits() -> int:
    """Count the hits that came in since. Says how many there were."""
    began, counted = time.monotonic(), 0
    while True:
        rollups.note_horizon(now=timezone.now())
        step = rollups.count_new_hits()
        counted += step.hits
        if not step.more:
            # What is handed out by now is counted the next time, once its writers have ended.
            rollups.note_horizon(now=timezone.now())
            return counted
        if time.monotonic() - began > SECONDS_AT_A_TIME:
            count_hits.delay()
            return counted


@shared_task(name="reporting.count_mailings")
def count_mailings() -> int:
    """Count the sent copies of mailings that are due. Says of how many."""
    began, counted = time.monotonic(), 0
    for organization_id, mailing_id in counting.due_mailings(now=timezone.now()):
        counted += counting.count_mailing(organization_id, mailing_id, now=timezone.now())
        if time.monotonic() - began > SECONDS_AT_A_TIME:
            count_mailings.delay()
            break
    return counted


@shared_task(name="reporting.forget_seen_copies")
def forget_seen_copies() -> int:
    """Forget which copies people opened or clicked who withdrew, or whose time is over (rules C11, U4)."""
    now = timezone.now()
    return rollups.forget_seen(since=now - WITHDRAWALS_LOOKED_AT) + rollups.forget_old_seen(now=now)


@shared_task(name="reporting.mail_reports")
def mail_reports() -> int:
    """Mail the reports that members ordered and that are due. Says how many left."""
    return scheduled.mail_due_reports(now=timezone.now())
