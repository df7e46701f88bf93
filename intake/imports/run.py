"""Runs an import from where it stands to its end. May be killed at any moment and run again, by anybody.

Three chunks are under way at a time, each in a transaction of its own: the server has more than one core, and a single
connection uses one. They are committed in the order of the file, so how far the import got is one number.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import BinaryIO, cast

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone, translation
from psycopg.errors import DeadlockDetected, SerializationFailure

from accounts.models import Organization
from common.tenancy import tenant
from consent.imports import Answers, ChoicesChanged, prepare_answers
from intake.imports.informed import store_informed
from intake.imports.listing import list_rows
from intake.imports.participants import store_participants
from intake.imports.suppressions import store_suppressions
from intake.imports.writers import Writers
from intake.models import Import, ImportKind, ImportState
from intake.proven import answers_of
from intake.readers import Chunk, ParticipantReader, SuppressionReader, read_ahead, read_rows
from intake.readers.rows import Listed, RowReader, read_chunks
from intake.reasons import file_problem_sentence
from intake.rules import FileFault, FileProblem
from participants.models import Participant

logger = logging.getLogger(__name__)

# A run that has not been heard of for so long is taken to be dead, and another one goes on.
QUIET_SECONDS = 60
TRIES = 5
WRITERS = 3
# A chunk that is written, but not the one before it, lets go of its locks after so long: that one may wait for them.
PATIENCE_SECONDS = 2.0

_RELATED = ("organization", "topic", "campaign", "created_by", "scope", "informed_notice__website")

type Clock = Callable[[], datetime]
type Progress = Callable[[Import], None]


class _Taken(Exception):  # noqa: N818 - the ordinary end of a run that is no longer wanted
    """Another run has this import, or somebody cancelled it."""


class _TooEarly(Exception):  # noqa: N818 - nobody's fault: run the transaction again
    """The chunk before has not been committed yet."""


def run_import(
    organization_id: int, import_id: int, *, clock: Clock = timezone.now, progress: Progress | None = None
) -> Import:
    """Import the rows that are not done yet, in chunks that each stand for themselves."""
    source = _claim(organization_id, import_id, now=clock())
    if source is None:
        return _load(organization_id, import_id)
    try:
        all_new = _is_first(source)
        with closing(_chunks(source)) as chunks, closing(_store_chunks(source, chunks, clock, all_new)) as stored:
            for current in stored:
                if progress is not None:
                    progress(current)
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
        return Import.objects.select_related(*_RELATED).get(organization=organization_id, pk=import_id)


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


def _is_first(source: Import) -> bool:
    """Whether the organization has nobody yet, so that every person of the file can be expected to be new."""
    with tenant(source.organization_id):
        return not Participant.objects.filter(organization=source.organization_id).exists()


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
    yield from read_ahead(chunks, items=WRITERS)


def open_import(source: Import) -> BinaryIO:
    """The file of an import. Raises FileProblem when it is gone."""
    try:
        return cast("BinaryIO", source.file.storage.open(str(source.file.name), "rb"))
    except OSError as error:
        raise FileProblem(FileFault.UNREADABLE) from error


# --- Into the database ----------------------------------------------------------------------------------------------


def _store_chunks(source: Import, chunks: Iterable[Chunk], clock: Clock, all_new: bool) -> Generator[Import]:
    """The import as it stands after each chunk."""
    if source.kind == ImportKind.PARTICIPANTS:
        with tenant(source.organization_id):
            prepare_answers(source.organization, _answers(source, clock()), now=clock())
    if not connection.in_atomic_block:
        yield from _store_side_by_side(source, chunks, clock, all_new)
        return
    # Other connections do not see what the caller's transaction did.
    for chunk in chunks:
        source = _store_chunk(source, chunk, clock, all_new)
        yield source


def _store_side_by_side(source: Import, chunks: Iterable[Chunk], clock: Clock, all_new: bool) -> Generator[Import]:
    under_way: deque[Future[Import]] = deque()
    with closing(Writers[Import](WRITERS)) as writers:
        for chunk in chunks:
            before = under_way[-1] if under_way else None
            under_way.append(writers.submit(partial(_store_chunk, source, chunk, clock, all_new, before)))
            if len(under_way) == WRITERS:
                source = under_way.popleft().result()
                yield source
        for future in under_way:
            yield future.result()


def _store_chunk(
    source: Import, chunk: Chunk, clock: Clock, all_new: bool, before: Future[Import] | None = None
) -> Import:
    """One chunk, its counts and how far the import got, all or nothing. Run again when somebody got in between."""
    if before is not None and not chunk.apart:
        # It has people of the chunk before, and is to find them.
        wait([before])
    tries = 1
    while True:
        try:
            return _store_chunk_once(source, chunk, clock, before, all_new=all_new and tries == 1)
        except _TooEarly:
            wait([cast("Future[Import]", before)])
            continue
        except (IntegrityError, ChoicesChanged):
            if tries == TRIES:
                raise
        except OperationalError as error:
            if tries == TRIES or not isinstance(error.__cause__, DeadlockDetected | SerializationFailure):
                raise
        tries += 1


def _store_chunk_once(
    source: Import, chunk: Chunk, clock: Clock, before: Future[Import] | None, *, all_new: bool
) -> Import:
    organization = source.organization
    with tenant(organization.pk):
        _commit_without_waiting()
        now = clock()
        counts, listed = _store_people(source, chunk, now, all_new=all_new)
        if before is not None and not wait([before], PATIENCE_SECONDS).done:
            raise _TooEarly
        # Only now: whoever holds the import keeps the other chunk from ending.
        current = _lock_running(organization, source, rows_done=chunk.rows_before)
        list_rows(organization, current, [*chunk.listed, *listed])
        for name, count in (chunk.counts + counts).items():
            current.counts[name] = current.counts.get(name, 0) + count
        current.rows_done, current.heartbeat_at = chunk.rows_done, now
        current.save(update_fields=["rows_done", "counts", "heartbeat_at"])
    return current


def _store_people(source: Import, chunk: Chunk, now: datetime, *, all_new: bool) -> tuple[Counter[str], list[Listed]]:
    """What was done, and what is to be listed about rows."""
    if not chunk.people:
        return Counter(), []
    if source.kind == ImportKind.PARTICIPANTS:
        answers = _answers(source, now)
        counts, listed = store_participants(
            source.organization, source, chunk, answers=answers, now=now, all_new=all_new
        )
        if source.informed_notice is not None:
            more, stay_unknown = store_informed(source.organization, source, source.informed_notice, chunk, now=now)
            counts, listed = counts + more, [*listed, *stay_unknown]
        return counts, listed
    return store_suppressions(source.organization, source, chunk, now=now), []


def _commit_without_waiting() -> None:
    """Do not wait for the disk after each chunk.

    A power cut may lose the last chunks, but with them goes how far the import got: it is run again from there. What
    is on the disk is always a beginning of the file, since a chunk is committed after the one before it. The end of
    the import waits, and whatever came before it is on the disk then too.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")


def _lock_running(organization: Organization, source: Import, *, rows_done: int) -> Import:
    current = (
        Import.objects.select_for_update(of=("self",))
        .select_related(*_RELATED)
        .get(organization=organization, pk=source.pk)
    )
    if current.state != ImportState.RUNNING or current.rows_done != rows_done:
        raise _Taken
    return current


def _answers(source: Import, now: datetime) -> Answers:
    return answers_of(
        source.organization,
        source.provenance,
        kept_with=("import", source.pk),
        author=source.created_by,
        now=now,
        scope=source.scope,
    )
