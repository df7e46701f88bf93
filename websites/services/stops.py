"""Stop measuring now: the emergency switch of a website, and its undo (rules H1)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Organization, User
from websites.models import MeasurementPermission, VersionSource, Website, WebsiteStop
from websites.services.settings import NEVER_PERMITTED, lock_website, record_version


def stop_measuring(
    organization: Organization, website: Website, *, author: User, reason: str, now: datetime
) -> WebsiteStop:
    """The emergency switch (rules H1): nothing is measured from now on, on mail already delivered too."""
    with transaction.atomic():
        current = lock_website(organization, website.pk)
        running = WebsiteStop.objects.filter(organization=organization, website=current, undone_at=None).first()
        if running is not None:
            return running
        current.stopped_at = website.stopped_at = now
        current.save(update_fields=["stopped_at"])
        MeasurementPermission.objects.filter(website=current).update(**NEVER_PERMITTED)
        record_version(
            current, previous=current.email_tracking, source=VersionSource.STOP, author=author, reason=reason, now=now
        )
        return WebsiteStop.objects.create(
            organization=organization, website=current, reason=reason, stopped_by=author, stopped_at=now
        )


def undo_stop(
    organization: Organization, website: Website, *, author: User, proposed_by: User, reason: str, now: datetime
) -> None:
    """Measure again, but only copies decided from now on; the author is the second person (rules H1, D5)."""
    with transaction.atomic():
        current = lock_website(organization, website.pk)
        running = WebsiteStop.objects.filter(organization=organization, website=current, undone_at=None)
        if not running.update(undone_by=author, undone_at=now, undo_reason=reason):
            return
        current.stopped_at = website.stopped_at = None
        current.save(update_fields=["stopped_at"])
        record_version(
            current,
            previous=current.email_tracking,
            source=VersionSource.UNDO_STOP,
            author=author,
            proposed_by=proposed_by,
            reason=reason,
            now=now,
        )
