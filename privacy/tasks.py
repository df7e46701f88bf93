"""What Celery does for people's own pages."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.models import JournalMark, Organization
from common.jobs import one_by_one
from common.journal import MONTHS_KEPT, forget_old_acts
from common.tenancy import call_door, tenant
from privacy.models import InactivityRule
from privacy.services import departure, inactivity, organization_export, receipts, retention
from privacy.services.departure import DELETE_TASK
from privacy.services.organization_export import EXPORT_TASK

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

    def keep_retention(number: int) -> None:
        if organization := _organization(number):
            retention.apply_retention(organization, now=now)

    one_by_one(_numbers(), keep_retention)
    forget_old_acts(now=now)
    JournalMark.objects.filter(written_at__lt=now - JOURNAL_MARKS_KEPT).delete()


@shared_task(name="privacy.apply_inactivity_rules")
def apply_inactivity_rules() -> int:
    """Ask who has been silent for long, end what nobody answered for (rule U6). Returns how many were asked."""
    return one_by_one([rule for numbers in _numbers() for rule in _rules_of(*numbers)], _apply_rule)


def _rules_of(organization_id: int) -> list[tuple[int, int]]:
    with tenant(organization_id):
        rules = InactivityRule.objects.filter(organization=organization_id)
        return [(organization_id, number) for number in rules.values_list("pk", flat=True)]


def _apply_rule(organization_id: int, rule_id: int) -> int:
    organization = _organization(organization_id)
    with tenant(organization_id):
        rules = InactivityRule.objects.select_related("website").filter(organization=organization_id, pk=rule_id)
        rule = rules.first()
    if organization is None or rule is None:
        return 0
    return inactivity.apply_rule(organization, rule, now=timezone.now()).asked


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
    one_by_one(_numbers(), _finish_departure)


def _finish_departure(organization_id: int) -> None:
    now = timezone.now()
    with tenant(organization_id):
        exports = list(organization_export.waiting_exports(organization_id, now=now).values_list("pk", flat=True))
    for export in exports:
        organization_export.make_organization_export(organization_id, export, now=now)
    departure.delete_organization(organization_id, now=now)


def _numbers() -> list[tuple[int]]:
    """Of all organizations, as rows."""
    return sorted((number,) for (number,) in call_door("door_organizations"))


def _organization(number: int) -> Organization | None:
    with tenant(number):
        return Organization.objects.filter(pk=number).first()
