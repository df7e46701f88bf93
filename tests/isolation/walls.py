"""Taking the walls down, in tests only: what would be seen without them?"""

from __future__ import annotations

import copy
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit

from django.contrib.admin.options import ModelAdmin
from django.db import connection, connections
from django.test import Client

from accounts.admin import TenantAdmin
from accounts.models import User
from tests.support.ports import free_port
from tests.support.wait import wait_until

PARTICIPANTS = "/console/participants/participant/"


@contextmanager
def without_row_security() -> Iterator[None]:
    """The web connects as a role that walls do not bind. Only between transactions."""
    settings = connections["default"].settings_dict
    kept = copy.deepcopy({name: settings[name] for name in ("USER", "PASSWORD")})
    _connect_as({name: connections["owner"].settings_dict[name] for name in kept})
    try:
        yield
    finally:
        _connect_as(kept)


def _connect_as(role: dict[str, str]) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict.update(role)


def unfiltered_list(member: User) -> str:
    """The list of participants, if it forgot to ask for those of one organization."""
    client = Client()
    client.force_login(member)
    with patch.object(TenantAdmin, "get_queryset", ModelAdmin.get_queryset):
        response = client.get(PARTICIPANTS)
    assert response.status_code == 200
    return response.content.decode()


@contextmanager
def behind_pooler(home: Path) -> Iterator[dict[str, str]]:
    """pgbouncer in transaction mode with two connections for everybody. Yields the variables that lead there."""
    url = urlsplit(os.environ["DATABASE_URL"])
    port = free_port()
    (home / "users.txt").write_text(f'"{url.username}" "{url.password}"\n')
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "plain",
        "auth_file": home / "users.txt",
        "pool_mode": "transaction",
        "default_pool_size": 2,
        "logfile": home / "log",
    }
    lines = ["[databases]", f"{url.path[1:]} = host={url.hostname} port={url.port}", "[pgbouncer]"]
    (home / "pgbouncer.ini").write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]))
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "pgbouncer is not installed"
    command = [program, *_as_somebody_else(home), str(home / "pgbouncer.ini")]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        log = home / "log"
        wait_until(lambda: log.exists() and "process up" in log.read_text(), what="pgbouncer to answer")
        yield {"DATABASE_URL": urlunsplit(url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}"))}
    finally:
        child.terminate()
        child.wait(timeout=60)


def _as_somebody_else(home: Path) -> list[str]:
    """It refuses to run as root."""
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    for path in (home, *home.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    for parent in home.parents:
        if parent.stat().st_uid == os.getuid() and str(parent) not in ("/", "/tmp"):  # noqa: S108
            parent.chmod(parent.stat().st_mode | 0o011)
    return ["-u", "nobody"]
