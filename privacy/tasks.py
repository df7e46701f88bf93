"""What Celery does for people's own pages."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.models import JournalMark, Organization
from common.journal import MONTHS_KEPT, forget_old_acts
from common.tenancy import call_door, tenant
from privacy.models import InactivityRule
from privacy.services import departure, inactivity, organization_export, receipts, retention
from privacy.services.departure import DELETE_TASK
from privacy.services.organization_export import EXPORT_TASK

logger = logging.getLogger(__name__)

# Longer than the journal itself: an entry whose mark is gone would be replayed.
JOURNAL_MARKS_KEPT = timedelta(days=31 * (MONTHS_KEPT + 2))


@shared_task(name="privacy.send_due_receipts")
def send_due_receipts() -> int:
    """Send the receipts that had to wait for their hour. Returns how many."""
    return receipts.send_due_receipts(now=timezone.now())


# --- Duties of organizations, each of them apart: one that fails leaves the others alone ------------------------------


@shared_task(name="privacy.apply_retention")
def apply_retention() -> None:
    """Every night, in every organization (rule U4); old months of the journal go, too (rule D3)."""
    now = timezone.now()
    for organization in _organizations():
        with _noting_failure():
            retention.apply_retention(organization, now=now)
    forget_old_acts(now=now)
    JournalMark.objects.filter(written_at__lt=now - JOURNAL_MARKS_KEPT).delete()


@shared_task(name="privacy.apply_inactivity_rules")
def apply_inactivity_rules() -> int:
    """Ask who has been silent for long, end what nobody answered for (rule U6). Returns how many were asked."""
    asked = 0
    for organization in _organizations():
        with tenant(organization.pk):
            rules = list(InactivityRule.objects.filter(organization=organization).select_related("website"))
        for rule in rules:
            with _noting_failure():
                asked += inactivity.apply_rule(organization, rule, now=timezone.now()).asked
    return asked


@shared_task(name=EXPORT_TASK)
def export_organization(organization_id: int, export_id: int) -> None:
    """Make the file of an organization that asked for everything (rule D4)."""
    organization_export.make_organization_export(organization_id, export_id, now=timezone.now())


@shared_task(name=DELETE_TASK)
def delete_organization(organization_id: int) -> None:
    """Delete an organization whose departure was confirmed (rule D4)."""
    departure.delete_organization(organization_id, now=timezone.now())


@shared_task(name="privacy.finish_departures")
def finish_departures() -> None:
    """Exports and departures that a lost broker or a killed worker left undone."""
    for organization in _organizations():
        with tenant(organization.pk):
            waiting = organization_export.waiting_exports(organization.pk, now=timezone.now())
            exports = list(waiting.values_list("pk", flat=True))
        with _noting_failure():
            for export in exports:
                organization_export.make_organization_export(organization.pk, export, now=timezone.now())
            departure.delete_organization(organization.pk, now=timezone.now())


def _organizations() -> Iterator[Organization]:
    for (number,) in sorted(call_door("door_organizations")):
        with tenant(number):
            organization = Organization.objects.filter(pk=number).first()
        if organization is not None:
            yield organization


@contextmanager
def _noting_failure() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever one of them has, the others are not kept waiting for it
        # Without its words, in which an address may stand.
        logger.error("a duty of an organization failed, and is tried again next time: %s", type(error).__name__)
