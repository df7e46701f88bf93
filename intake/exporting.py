"""All participants as a CSV file with their tracking consent, as an import reads it back without changing a choice."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import TextIOWrapper
from typing import IO, Any

from django.core.files import File
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from common.jobs import after_commit
from common.safe_csv import safe_cell
from common.tenancy import tenant
from consent.columns import COLUMNS, COMBINED, write_choices
from consent.rules import ChoiceValue
from intake.models import ImportState, PeopleExport
from intake.rules import EXPORTED_SCOPE
from websites.models import ConsentScope

PEOPLE_AT_ONCE = 10_000
# A file is written in one go, which takes minutes where there are millions: only then was a run cut short.
QUIET = timedelta(hours=1)
FIELDS = ("email", "first_name", "last_name", "country", "locale", "external_id")


class ExportRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A file that is not written; the message is for the person who asked."""


def start_export(
    organization: Organization, *, scope: ConsentScope, author: User | None, now: datetime
) -> PeopleExport:
    """Have a worker write the file."""
    export = PeopleExport.objects.create(organization=organization, scope=scope, created_by=author, created_at=now)
    audit.record(organization, actor=author, action="people:export", target=f"export {export.pk}", now=now)
    after_commit("intake.run_export", organization_id=organization.pk, export_id=export.pk)
    return export


def retry_export(organization: Organization, export: PeopleExport, *, now: datetime) -> PeopleExport:
    """Write a file anew that an error stopped."""
    with transaction.atomic():
        current = PeopleExport.objects.select_for_update(of=("self",)).get(organization=organization, pk=export.pk)
        if current.state != ImportState.FAILED:
            raise ExportRefused(_("This file was not stopped by an error."))
        current.state, current.finished_at, current.heartbeat_at = ImportState.QUEUED, None, now
        current.save(update_fields=["state", "finished_at", "heartbeat_at"])
        audit.record(organization, actor=None, action="people:export", target=f"export {export.pk}", now=now)
    after_commit("intake.run_export", organization_id=organization.pk, export_id=export.pk)
    return current


def run_export(organization_id: int, export_id: int, *, clock: Callable[[], datetime] = timezone.now) -> PeopleExport:
    """Write the file from its beginning; a run that was cut short leaves nothing."""
    claimed_at = clock()
    if not _claim(organization_id, export_id, now=claimed_at):
        return _load(organization_id, export_id)
    export = _load(organization_id, export_id)
    try:
        with tempfile.TemporaryFile() as file:
            rows = _write(export, file)
            file.seek(0)
            export.file.save("participants.csv", File(file), save=False)
        finished = {"state": ImportState.DONE, "file": export.file.name, "rows": rows}
        if not _finish(export, claimed_at, now=clock(), **finished):
            export.file.delete(save=False)
    except OperationalError:
        # The database is away, so nothing can be written down either. Found again when it is back.
        raise
    except Exception:
        # It would fail again: somebody has to know, and it is not tried for ever.
        _finish(export, claimed_at, now=clock(), state=ImportState.FAILED)
        raise
    return _load(organization_id, export_id)


def _finish(export: PeopleExport, claimed_at: datetime, *, now: datetime, **values: Any) -> bool:
    """Say what became of a run. Not where the file is to be written anew, since somebody was erased meanwhile."""
    with tenant(export.organization_id):
        mine = PeopleExport.objects.filter(pk=export.pk, state=ImportState.RUNNING, heartbeat_at=claimed_at)
        return bool(mine.update(finished_at=now, **values))


def _load(organization_id: int, export_id: int) -> PeopleExport:
    with tenant(organization_id):
        return PeopleExport.objects.select_related("scope").get(organization=organization_id, pk=export_id)


def _claim(organization_id: int, export_id: int, *, now: datetime) -> bool:
    with tenant(organization_id):
        export = PeopleExport.objects.select_for_update(of=("self",)).filter(pk=export_id).first()
        if export is None or export.state not in (ImportState.QUEUED, ImportState.RUNNING):
            return False
        if export.state == ImportState.RUNNING and export.heartbeat_at and now - export.heartbeat_at < QUIET:
            return False
        export.state, export.heartbeat_at = ImportState.RUNNING, now
        export.save(update_fields=["state", "heartbeat_at"])
    return True


def _write(export: PeopleExport, file: IO[bytes]) -> int:
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
    try:
        with tenant(export.organization_id):
            names = _attribute_names(export.organization_id)
            writer = csv.writer(text)
            writer.writerow([*FIELDS, *map(safe_cell, names), COMBINED, *COLUMNS.values(), EXPORTED_SCOPE])
            rows = 0
            for row in _people(export):
                writer.writerow(_line(row, names, export.scope.name))
                rows += 1
    finally:
        text.detach()
    return rows


def _attribute_names(organization_id: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT jsonb_object_keys(attributes) FROM participants_participant WHERE organization_id = %s"
            " ORDER BY 1",
            [organization_id],
        )
        return [name for (name,) in cursor.fetchall()]


_PEOPLE = """
SELECT p.email, p.first_name, p.last_name, p.country, p.locale, p.external_id, p.attributes::text,
       coalesce(c.opens, 'unknown'), coalesce(c.clicks, 'unknown')
  FROM participants_participant p
  LEFT JOIN consent_choice c ON c.participant_id = p.id AND c.scope_id = %s
 WHERE p.organization_id = %s ORDER BY p.id"""


def _people(export: PeopleExport) -> Iterator[tuple[Any, ...]]:
    """Read as one moment has them, a part at a time."""
    with connection.cursor() as cursor:
        cursor.execute(f"DECLARE exported NO SCROLL CURSOR FOR {_PEOPLE}", [export.scope_id, export.organization_id])
        while True:
            cursor.execute(f"FETCH {PEOPLE_AT_ONCE} FROM exported")
            rows = cursor.fetchall()
            if not rows:
                break
            yield from rows
        cursor.execute("CLOSE exported")


def _line(row: tuple[Any, ...], names: list[str], scope: str) -> list[str]:
    *fields, attributes, opens, clicks = row
    known = json.loads(attributes)
    answers = write_choices(_answer(opens), _answer(clicks))
    return [
        *(safe_cell(value) for value in fields),
        *(safe_cell(_as_text(known.get(name))) for name in names),
        answers[COMBINED],
        *(answers[column] for column in COLUMNS.values()),
        safe_cell(scope),
    ]


def _answer(value: str) -> ChoiceValue:
    """*Informed, did not refuse* is no answer, and never written as one (C10)."""
    return ChoiceValue(value) if value in (ChoiceValue.YES, ChoiceValue.NO) else ChoiceValue.UNKNOWN


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
