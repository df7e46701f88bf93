"""Real engines for the tests: started once per run, one database and one Valkey number per xdist worker."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from config.embedded import THROWAWAY_PREFIX, Engines, sweep_throwaways

NAMES = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_RECORDER_URL", "REDIS_URL")


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


def _start() -> dict[str, str]:
    """Engines of the run. Started by the first process; xdist's workers find their addresses in the environment."""
    inherited = {name: os.environ.get(f"PLI_TEST_{name}", "") for name in NAMES}
    if all(inherited.values()):
        return inherited
    sweep_throwaways()
    home = Path(tempfile.mkdtemp(prefix=THROWAWAY_PREFIX))
    # As root the engines run as another user, who has to pass through.
    home.chmod(0o711)
    engines = Engines(home, durable=False)
    urls = engines.start()

    def stop(owner: int = os.getpid()) -> None:
        if os.getpid() == owner:
            engines.stop()
            shutil.rmtree(home, ignore_errors=True)

    atexit.register(stop)
    os.environ.update({f"PLI_TEST_{name}": urls[name] for name in NAMES})
    return urls


def prepare_environment() -> str:
    """Point the settings at a fresh database of this process, before anything reads them. Returns its name."""
    urls = _start()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    database = f"pli_test_{worker}"
    with psycopg.connect(urls["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {database}")
    for name in NAMES[:3]:
        os.environ[name] = _with_path(urls[name], database)
    # Tests are emptied by the owner of the tables, who else may not touch the consent history.
    os.environ["DATABASE_OWNER_URL"] += "?options=-c%20app.ledger_maintenance%3Don"
    os.environ["REDIS_URL"] = _with_path(urls["REDIS_URL"], str(int(worker.removeprefix("gw")) % 16))
    home = Path(tempfile.mkdtemp(prefix=f"pli-home-{worker}-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    # WhiteNoise warns when it is missing, and warnings are errors.
    (home / "static").mkdir()
    os.environ.update(
        {
            "PLI_HOME": str(home),
            "PLI_SECRET_KEY": "a-secret-for-the-tests-that-is-long-enough-0123456789",
            "PLI_ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
    )
    return database
