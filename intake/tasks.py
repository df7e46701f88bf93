"""What Celery does for imports and forms."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.models import Organization
from common.jobs import after_commit
from common.tenancy import call_door, tenant
from intake import confirmations
from intake.exporting import run_export as run_one_export
from intake.imports import QUIET_SECONDS
from intake.imports import run_import as run_one
from intake.moving import run_move as run_one_move


@shared_task(name="intake.run_import")
def run_import(organization_id: int, import_id: int) -> None:
    """Run an import to its end."""
    run_one(organization_id, import_id)


@shared_task(name="intake.run_move")
def run_move(organization_id: int, move_id: int) -> None:
    """Move answers into the native tracking consent."""
    run_one_move(organization_id, move_id)


@shared_task(name="intake.run_export")
def run_export(organization_id: int, export_id: int) -> None:
    """Write the people of an organization to a file."""
    run_one_export(organization_id, export_id)


@shared_task(name="intake.resume_imports")
def resume_imports() -> int:
    """Find imports, moves and exports that wait though nobody was told, or whose run died, and have them run."""
    quiet_since = timezone.now() - timedelta(seconds=QUIET_SECONDS)
    waiting = call_door("door_waiting_imports", [quiet_since])
    for organization_id, import_id in waiting:
        after_commit("intake.run_import", organization_id=organization_id, import_id=import_id)
    for organization_id, move_id in call_door("door_waiting_moves", [quiet_since]):
        after_commit("intake.run_move", organization_id=organization_id, move_id=move_id)
    for organization_id, export_id in call_door("door_waiting_exports", [quiet_since]):
        after_commit("intake.run_export", organization_id=organization_id, export_id=export_id)
    return len(waiting)


@shared_task(name="intake.look_after_confirmations")
def look_after_confirmations() -> None:
    """Remind people once of what waits for them to confirm their address, and end what nobody confirmed."""
    for (organization_id,) in call_door("door_open_confirmations"):
        with tenant(organization_id):
            organization = Organization.objects.get(pk=organization_id)
        confirmations.look_after_confirmations(organization, now=timezone.now())
