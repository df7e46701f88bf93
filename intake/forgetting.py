"""Takes a person out of imports: files, what was shown of them, and what is listed of their rows (rule D2)."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from django.core.files.storage import Storage
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower

from accounts.models import Organization
from intake.models import Import, ImportIssue, ImportState, PeopleExport
from participants.models import Participant

ENDED = (ImportState.DONE, ImportState.FAILED, ImportState.CANCELLED)
PIECE = 1 << 20


def forget_imported(organization: Organization, participant: Participant) -> int:
    """Remove what imports still hold of a person. Inside a transaction. Says how many files went.

    The file of an import that has not ended stays until it has: the person's row is refused there.
    """
    address = participant.email_norm
    issues = ImportIssue.objects.filter(organization=organization)
    listed = issues.alias(text=Lower("value")).filter(text__contains=address).values_list("source_id", "row")
    for source_id, row in set(listed):
        issues.filter(source=source_id, row=row).delete()
    imports = Import.objects.filter(organization=organization)
    forget_samples(imports.filter(layout__icontains=address))
    exports = PeopleExport.objects.filter(organization=organization)
    # What is being written is of a moment at which they were here: it begins anew.
    unfinished = exports.filter(state__in=(ImportState.QUEUED, ImportState.RUNNING))
    unfinished.update(state=ImportState.QUEUED, heartbeat_at=None)
    remove_exports(exports)
    return remove_files(source for source in imports.filter(state__in=ENDED).exclude(file="") if holds(source, address))


def forget_samples(sources: QuerySet[Import]) -> None:
    """Remove the rows of files that were shown while they were planned."""
    for source in sources.filter(layout__sample__0__isnull=False):
        source.layout = source.layout | {"sample": []}
        source.save(update_fields=["layout"])


def holds(source: Import, address: str) -> bool:
    """Whether an address stands in the file of an import."""
    decoder = codecs.getincrementaldecoder(str(source.layout.get("encoding") or "utf-8"))(errors="replace")
    try:
        with source.file.storage.open(str(source.file.name), "rb") as file:
            tail = ""
            while piece := file.read(PIECE):
                text = tail + decoder.decode(piece).lower()
                if address in text:
                    return True
                tail = text[-len(address) :]
    except OSError:
        return False  # gone already
    return False


def remove_files(sources: Iterable[Import]) -> int:
    """Remove the files of imports, once this transaction stands."""
    removed = 0
    for source in sources:
        storage: Storage = source.file.storage
        transaction.on_commit(partial(storage.delete, str(source.file.name)))
        Import.objects.filter(organization=source.organization_id, pk=source.pk).update(file="")
        removed += 1
    return removed


def remove_exports(exports: QuerySet[PeopleExport]) -> int:
    """Remove the files of exports, which can be made again, once this transaction stands."""
    made = exports.exclude(file="")
    for export in made:
        transaction.on_commit(partial(export.file.storage.delete, str(export.file.name)))
    return made.update(file="")


def old_exports(organization: Organization, *, before: datetime) -> QuerySet[PeopleExport]:
    """Exports that were made long ago and still have their file."""
    return PeopleExport.objects.filter(organization=organization, created_at__lt=before).exclude(file="")


def old_imports(organization: Organization, *, before: datetime) -> QuerySet[Import]:
    """Imports that ended long ago and still have their file, or something listed."""
    return Import.objects.filter(organization=organization, state__in=ENDED, finished_at__lt=before)
