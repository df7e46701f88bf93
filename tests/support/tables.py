"""The tables of the tests' database: migrated once, and taken from there as long as nothing changed that makes them.

A fresh checkout, and so continuous integration, has nothing to take and migrates, as ops do.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from config.engine_postgres import find_postgres

ROOT = Path(__file__).resolve().parents[2]
# `make clean` deletes it.
FOLDER = ROOT / ".pytest_cache" / "tables"
# Whatever a table, a right or a row of a fresh database follows from.
SOURCES = (
    "*/migrations/*.py",
    "*/*models.py",
    "*/models/*.py",
    "common/rls.py",
    "config/grants.py",
    "requirements.txt",
)
KEPT = 4


def make_tables() -> None:
    """In the database of this process; of several processes one migrates while the others wait."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _alone():
        wanted = _made_of()
        if not wanted.exists():
            call_command("migrate", verbosity=0)
            # Somebody may have been writing a migration meanwhile.
            if _made_of() == wanted:
                _keep(wanted)
            return
        # In use, so not among the old ones that go.
        wanted.touch()
    _run("psql", "--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", f"--file={wanted}")


def _made_of() -> Path:
    """Where the tables made of these sources are. Months have tables too, so none is older than a day."""
    said = [datetime.now(UTC).date().isoformat(), *settings.INSTALLED_APPS, _run("postgres", "--version").decode()]
    digest = sha256("\n".join(said).encode())
    for path in sorted(found for pattern in SOURCES for found in ROOT.glob(pattern)):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return FOLDER / f"{digest.hexdigest()[:32]}.sql"


def _keep(wanted: Path) -> None:
    unfinished = wanted.with_suffix(f".{os.getpid()}")
    _run("pg_dump", f"--file={unfinished}")
    unfinished.rename(wanted)
    for old in sorted(FOLDER.glob("*.sql"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)


def _run(program: str, *arguments: str) -> bytes:
    owner = settings.DATABASES["owner"]
    places = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    environ = os.environ | {variable: str(owner[name]) for variable, name in places.items()}
    done = subprocess.run([find_postgres() / program, *arguments], env=environ, check=True, capture_output=True)
    return done.stdout


@contextmanager
def _alone() -> Iterator[None]:
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
