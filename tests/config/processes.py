"""Which processes belong to a home: all of them carry it in their environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from config.engine_home import State

ROOT = Path(__file__).resolve().parent.parent.parent
# What the test run itself has set must not reach a Pli that stands on its own.
OURS = re.compile(r"(PLI_|DATABASE_|REDIS_|DJANGO_|PYTEST_)|PORT\Z")


def clean_environ(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not OURS.match(name)} | more


def start_python(home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """A Python of its own in the checkout, whose output can be read line by line."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean_environ(PLI_HOME=str(home), PYTHONUNBUFFERED="1", **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(home: Path) -> dict[int, str]:
    """Number and command line of everything that runs for this home."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if belongs_to(home, folder):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            # It ended while we looked, or is somebody else's.
            continue
    return found


def belongs_to(home: Path, folder: Path) -> bool:
    if f"PLI_HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
        return True
    # Engines write a title over their environment, but they work in their data.
    state = State.load(home)
    places = (home, Path(state.place)) if state is not None else (home,)
    return any((folder / "cwd").readlink().is_relative_to(place) for place in places)


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid
