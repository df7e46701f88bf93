"""Runs an import from where it stands to its end. May be killed at any moment and run again, by anybody."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone, translation
from psycopg.errors import DeadlockDetected, SerializationFailure

from accounts.models import Organization
from common.tenancy import tenant
from consent.imports import Answers, ChoicesChanged
from consent.rules import Source
from intake.imports.listing import list_rows
from intake.imports.participants import store_participants
from intake.imports.suppressions import store_suppressions
from intake.models import Import, ImportKind, ImportState
from intake.readers import Chunk, ParticipantReader, SuppressionReader, read_ahead, read_rows
from intake.readers.rows import RowReader, read_chunks
from intake.reasons import file_problem_sentence
from intake.rules import FileFault, FileProblem, has_provenance

logger = logging.getLogger(__name__)

# A run that has not been heard of for so long is taken to be dead, and another one goes on.
QUIET_SECONDS = 60
TRIES = 5

type Clock = Callable[[], datetime]
type Progress = Callable[[Import], None]


class _Taken(Exception):  # noqa: N818 - the ordinary end of a run that is no longer wanted
    """Another run has this import, or somebody cancelled it."""


def run_import(
    organization_id: int, import_id: int, *, clock: Clock = timezone.now, progress: Progress | None = None
) -> Import:
    """Import the rows that are not done yet, in chunks that each stand for themselves."""
    source = _claim(organization_id, import_id, now=clock())
    if source is None:
        return _load(organization_id, import_id)
    try:
        with closing(_chunks(source)) as chunks:
            for chunk in chunks:
                source = _store_chunk(source, chunk, clock)
                if progress is not None:
                    progress(source)
        _finish(source, ImportState.DONE, now=clock())
    except _Taken:
        logger.info("import is run elsewhere, or was cancelled")
    except FileProblem as problem:
        _finish(source, ImportState.FAILED, now=clock(), problem=problem)
    except OperationalError:
        # The database is away, so nothing can be written down either. Found again when it is back.
        raise
    except Exception:
        _finish(source, ImportState.FAILED, now=clock(), problem=FileProblem(FileFault.OUR_ERROR))
        raise
    return _load(organization_id, import_id)


def _load(organization_id: int, import_id: int) -> Import:
    with tenant(organization_id):
        return Import.objects.select_related("organization", "topic", "campaign", "created_by").get(
            organization=organization_id, pk=import_id
        )


def _claim(organization_id: int, import_id: int, *, now: datetime) -> Import | None:
    """Take an import that waits, or whose run is dead. None when it is not to be run."""
    with tenant(organization_id):
        current = Import.objects.select_for_update().filter(organization=organization_id, pk=import_id).first()
        if current is None or current.state not in (ImportState.QUEUED, ImportState.RUNNING):
            return None
        alive = current.heartbeat_at and now - current.heartbeat_at < timedelta(seconds=QUIET_SECONDS)
        if current.state == ImportState.RUNNING and alive:
            return None
        current.state, current.heartbeat_at = ImportState.RUNNING, now
        current.save(update_fields=["state", "heartbeat_at"])
    return _load(organization_id, import_id)


def _finish(source: Import, state: ImportState, *, now: datetime, problem: FileProblem | None = None) -> None:
    language = source.created_by.locale if source.created_by else ""
    with translation.override(language or settings.LANGUAGE_CODE):
        message = file_problem_sentence(problem) if problem else ""
    with tenant(source.organization_id):
        Import.objects.filter(organization=source.organization_id, pk=source.pk, state=ImportState.RUNNING).update(
            state=state, finished_at=now, message=message
        )


# --- From the file --------------------------------------------------------------------------------------------------


def _chunks(source: Import) -> Generator[Chunk]:
    layout = source.layout
    rows = read_rows(lambda: open_import(source), encoding=str(layout["encoding"]), delimiter=str(layout["delimiter"]))
    make: type[ParticipantReader | SuppressionReader] = (
        ParticipantReader if source.kind == ImportKind.PARTICIPANTS else SuppressionReader
    )
    reader: RowReader = make(layout["header"], source.mapping, expected_rows=source.rows_total)
    chunks = read_chunks(reader, rows, header_row=int(layout["header_row"]), skip=source.rows_done)
    yield from read_ahead(chunks)


def open_import(source: Import) -> BinaryIO:
    """The file of an import. Raises FileProblem when it is gone."""
    try:
        return cast("BinaryIO", source.file.storage.open(str(source.file.name), "rb"))
    except OSError as error:
        raise FileProblem(FileFault.UNREADABLE) from error


# --- Into the database ----------------------------------------------------------------------------------------------


def _store_chunk(source: Import, chunk: Chunk, clock: Clock) -> Import:
    """One chunk, its counts and how far the import got, all or nothing. Run again when somebody got in between."""
    for _try in range(TRIES - 1):
        try:
            return _store_chunk_once(source, chunk, clock)
        except (IntegrityError, ChoicesChanged):
            continue
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected | SerializationFailure):
                raise
    return _store_chunk_once(source, chunk, clock)


def _store_chunk_once(source: Import, chunk: Chunk, clock: Clock) -> Import:
    organization = source.organization
    with tenant(organization.pk):
        _commit_without_waiting()
        current = _lock_running(organization, source)
        now = clock()
        list_rows(organization, current, chunk.listed)
        counts: Counter[str] = Counter(chunk.counts)
        if chunk.people and current.kind == ImportKind.PARTICIPANTS:
            answers = _answers(current, now)
            counts += store_participants(organization, current, chunk, answers=answers, now=now)
        elif chunk.people:
            counts += store_suppressions(organization, current, chunk, now=now)
        for name, count in counts.items():
            current.counts[name] = current.counts.get(name, 0) + count
        current.rows_done, current.heartbeat_at = chunk.rows_done, now
        current.save(update_fields=["rows_done", "counts", "heartbeat_at"])
    return current


def _commit_without_waiting() -> None:
    """Do not wait for the disk after each chunk.

    A power cut may lose the last chunks, but with them goes how far the import got: it is run again from there. The
    end of the import waits, and whatever came before it is on the disk then too.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")


def _lock_running(organization: Organization, source: Import) -> Import:
    current = (
        Import.objects.select_for_update(of=("self",))
        .select_related("organization", "topic", "campaign", "created_by")
        .get(organization=organization, pk=source.pk)
    )
    if current.state != ImportState.RUNNING or current.rows_done != source.rows_done:
        raise _Taken
    return current


def _answers(source: Import, now: datetime) -> Answers:
    """The provenance of the import goes with each of its answers (rules C7)."""
    provenance = source.provenance
    complete = has_provenance(provenance)
    return Answers(
        source=Source.IMPORT,
        method=f"import:{source.pk}",
        happened_at=_collected_at(source, now),
        wording=str(provenance.get("wording") or ""),
        # Kept once, with the import.
        evidence={"import": source.pk} if complete else {},
        actor=source.created_by,
    )


def _collected_at(source: Import, now: datetime) -> datetime:
    """The beginning of the day of collection, where the organization is; now when nothing is said about it."""
    day = source.provenance.get("collected_at")
    if not day:
        return now
    zone = ZoneInfo(source.organization.timezone)
    return min(datetime.combine(date.fromisoformat(day), time_of_day.min, tzinfo=zone), now)
