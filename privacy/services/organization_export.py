"""Everything of an organization in one file, for the day on which it leaves (rule D4)."""

from __future__ import annotations

import tempfile
import zipfile
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from psycopg import sql

from accounts import audit
from accounts.models import Organization, User
from common.jobs import after_commit
from common.keys import encode_key, new_key
from common.tenancy import tenant
from privacy.models import ExportState, OrganizationExport

EXPORT_TASK = "privacy.export_organization"
DAYS_KEPT = 7
# Longer than the largest file takes.
GIVEN_UP = timedelta(hours=6)
ROWS_AT_ONCE = 2000
# Keys of this installation, which open nothing elsewhere, and the list of exports itself.
LEFT_OUT = ("delivery_addresskey", "consent_ledgerkey", "privacy_organizationexport", "privacy_freshlink")

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE a.attname = 'organization_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relnamespace = 'public'::regnamespace ORDER BY 1"""


def ask_organization_export(organization: Organization, *, actor: User | None, now: datetime) -> OrganizationExport:
    """Have a worker make the file."""
    audit.record(organization, actor=actor, action="organization:export", now=now)
    export = OrganizationExport.objects.create(organization=organization, asked_by=actor, asked_at=now)
    after_commit(EXPORT_TASK, organization_id=organization.pk, export_id=export.pk)
    return export


def waiting_exports(organization_id: int, *, now: datetime) -> QuerySet[OrganizationExport]:
    """Files that nobody is making: not begun, or begun so long ago that whoever made them was killed."""
    abandoned = Q(state=ExportState.RUNNING, started_at__lt=now - GIVEN_UP)
    return OrganizationExport.objects.filter(abandoned | Q(state=ExportState.QUEUED), organization=organization_id)


def make_organization_export(organization_id: int, export_id: int, *, now: datetime) -> OrganizationExport | None:
    """Make the file of an export that waits. None when somebody else has it, or it has to be made anew."""
    with tenant(organization_id):
        mine = waiting_exports(organization_id, now=now).filter(pk=export_id)
        if not mine.update(state=ExportState.RUNNING, started_at=now):
            return None
        organization = Organization.objects.get(pk=organization_id)
    name = f"exports/{organization_id}/{encode_key(new_key())}.zip"
    try:
        with tempfile.TemporaryFile() as file:
            write_export(organization, file, now=now)
            size = file.tell()
            file.seek(0)
            kept = default_storage.save(name, File(file))
    except Exception:
        _finish(organization_id, export_id, now, state=ExportState.FAILED)
        raise
    expires_at = now + timedelta(days=DAYS_KEPT)
    if _finish(organization_id, export_id, now, state=ExportState.DONE, file=kept, size=size, expires_at=expires_at):
        with tenant(organization_id):
            return OrganizationExport.objects.get(organization=organization_id, pk=export_id)
    default_storage.delete(kept)
    return None


def _finish(organization_id: int, export_id: int, started_at: datetime, **values: Any) -> bool:
    """Say what became of it. Not where somebody was erased meanwhile, who would stand in the file."""
    with tenant(organization_id):
        mine = OrganizationExport.objects.filter(pk=export_id, state=ExportState.RUNNING, started_at=started_at)
        return bool(mine.update(finished_at=started_at, **values))


def begin_exports_anew(organization: Organization) -> None:
    """Files that are being made show a moment that is over."""
    unfinished = (ExportState.QUEUED, ExportState.RUNNING)
    exports = OrganizationExport.objects.filter(organization=organization, state__in=unfinished)
    exports.update(state=ExportState.QUEUED, started_at=None)


def remove_organization_exports(exports: QuerySet[OrganizationExport]) -> int:
    """Remove the files of exports, which can be made again, once this transaction stands."""
    made = exports.exclude(file="")
    for name in made.values_list("file", flat=True):
        transaction.on_commit(partial(default_storage.delete, name))
    return made.update(file="")


def write_export(organization: Organization, file: IO[bytes], *, now: datetime) -> None:
    """A zip with a file of JSON lines per table, as of one moment, written as it is read."""
    with tenant(organization.pk), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _readme(organization, now))
        with connection.cursor() as cursor:
            cursor.execute(_TABLES)
            tables = [name for (name,) in cursor.fetchall() if name not in LEFT_OUT]
        for table in ["accounts_organization", *tables]:
            with archive.open(f"{table}.jsonl", "w", force_zip64=True) as entry:
                _write_table(organization, table, entry)


def _write_table(organization: Organization, table: str, entry: IO[bytes]) -> None:
    column = "id" if table == "accounts_organization" else "organization_id"
    query = sql.SQL("SELECT to_jsonb(t)::text FROM {} t WHERE {} = %s").format(
        sql.Identifier(table), sql.Identifier(column)
    )
    with connection.chunked_cursor() as cursor:
        cursor.execute(query, [organization.pk])
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            entry.write("".join(f"{row}\n" for (row,) in rows).encode())


def _readme(organization: Organization, now: datetime) -> str:
    lines = [
        _("Everything that Pli keeps for %(name)s") % {"name": organization.name},
        _("Made on %(day)s (UTC).") % {"day": now.strftime("%Y-%m-%d %H:%M")},
        "",
        _("Each file holds one table, one row in JSON on each line. Numbers that end in _id point to other tables."),
        _("Left out are the keys of this installation, and passwords of members: they open nothing elsewhere."),
    ]
    return "\n".join(lines) + "\n"
