"""A journal of withdrawals and erasures outside of the database, replayed after a restore (rule D3).

One line of JSON per act, in a file per month, on the disk before the caller goes on. It holds numbers and random ids,
never an address: without the database it says nothing about anybody.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction

logger = logging.getLogger(__name__)

# A backup that is older than this is not restored any more, and what happened before it is forgotten here, too.
MONTHS_KEPT = 13


class Act(StrEnum):
    """What a restored backup must not undo."""

    REFUSED = "refused"
    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"
    # An erased person came back by their own act.
    RETURNED = "returned"
    DEPARTED = "departed"


def write_acts(
    act: Act,
    organization_id: int,
    subjects: Sequence[UUID | str],
    *,
    at: datetime,
    once_committed: bool = False,
    **details: Any,
) -> None:
    """Note the same act of several people, named by ``Participant.ledger_id``. Inside the transaction of the act.

    The entry is on the disk before the act is committed, so none can be lost; one whose act was rolled back after all
    is replayed after the next start, since the person wanted it. What nobody can take back is written only
    ``once_committed``. A mark in the database tells the entries that it knows from those since a backup.
    """
    if not subjects:
        return
    entry = uuid4()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO accounts_journalmark (id, written_at) VALUES (%s, %s)", [entry, at])
    common = {"id": str(entry), "act": act.value, "organization": organization_id, "at": at.isoformat(), **details}
    lines = [json.dumps(common | {"subject": str(subject)}, separators=(",", ":")) for subject in subjects]
    write = partial(_write, _file_of(at), "".join(f"{line}\n" for line in lines).encode())
    if once_committed:
        transaction.on_commit(write)
    else:
        write()


def _write(path: Path, content: bytes) -> None:
    """A journal that cannot be written keeps nobody from withdrawing: that is a line in the log, an alarm for ops."""
    try:
        _append(path, content)
    except OSError as error:
        logger.exception("the journal of withdrawals cannot be written (%s)", type(error).__name__)


def read_acts() -> Iterator[Mapping[str, Any]]:
    """Every act that is kept, in the order in which they happened. A line cut short by a crash is left out."""
    for path in _files():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    logger.warning("a line of the journal of withdrawals cannot be read")


def forget_old_acts(*, now: datetime) -> int:
    """Remove the files of months that no backup is restored from any more. Says how many."""
    oldest = now.year * 12 + now.month - 1 - MONTHS_KEPT
    old = [path for path in _files() if int(path.stem[:4]) * 12 + int(path.stem[5:7]) - 1 < oldest]
    for path in old:
        path.unlink()
    return len(old)


def _folder() -> Path:
    return Path(settings.JOURNAL_DIR)


def _file_of(at: datetime) -> Path:
    return _folder() / f"{at:%Y-%m}.jsonl"


def _files() -> list[Path]:
    return sorted(_folder().glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl")) if _folder().is_dir() else []


def _append(path: Path, content: bytes) -> None:
    is_new = not path.exists()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # One call: lines of several processes do not mix.
        if os.write(descriptor, content) != len(content):
            raise OSError("the disk took only a part")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
