"""`make run`, in a home and on ports of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import Engines
from tests.config.processes import processes_of, start_python
from tests.support.ports import free_port
from tests.support.wait import wait_until

# Two cores may be busy with the rest of the suite.
LONG = 120.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    for pid in processes_of(tmp_path / "home"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(tmp_path / "home"))
    Engines(tmp_path / "home", environ={}).remove()


@pytest.fixture
def port() -> int:
    return free_port()


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """What it says up to and including the line with this word."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(said)


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_taken_port_is_said_before_anything_starts(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with start_python(home, "-m", "config.run", PORT=str(port)) as run:
            said, _ = run.communicate(timeout=LONG)
    assert run.returncode == 2
    assert said.startswith(f"Port {port} on 127.0.0.1 cannot be used (Address already in use).")
    assert f"PORT={port + 1} make run" in said
    assert not (home / "engines.json").exists()


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_a_port_that_is_none_is_said(home: Path, port: str) -> None:
    with start_python(home, "-m", "config.run", PORT=port) as run:
        said, _ = run.communicate(timeout=LONG)
    assert run.returncode == 2
    assert said == f"PORT is {port!r}, which is not a port: give a number between 1 and 65535.\n"


def test_a_second_run_in_the_same_home_is_told_of_the_first(home: Path) -> None:
    with start_python(home, "-m", "config.run", "--engines-only") as first:
        read_until(first, "The engines run")
        with start_python(home, "-m", "config.run") as second:
            said, _ = second.communicate(timeout=LONG)
        assert second.returncode == 2
        assert said == f"Pli already runs in {home} (process {first.pid}, engines only).\n"
        first.send_signal(signal.SIGINT)
        said, _ = first.communicate(timeout=LONG)
    assert first.returncode == 0
    assert said.endswith("Stopped.\n")
    wait_until(lambda: not processes_of(home))


def test_kill_9_of_what_make_starts_leaves_no_process(home: Path) -> None:
    # `make` is the parent here: when it is killed, what it started stops by itself.
    code = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'config.run', *sys.argv[1:]])"
    with start_python(home, "-c", code, "--engines-only", "--stop-with-parent") as parent:
        read_until(parent, "The engines run")
        parent.kill()
    wait_until(lambda: not processes_of(home))


def test_everything_runs_and_a_kill_9_leaves_nothing_but_the_data(home: Path, port: int) -> None:
    with start_python(home, "-m", "config.run", "--no-seed", PORT=str(port)) as first:
        said = read_until(first, "Ctrl-C stops everything")
        assert f"http://127.0.0.1:{port}/console/" in said
        assert [status(port, path) for path in ("/healthz", "/readyz")] == [200, 200]
        beat = next(pid for pid, command in processes_of(home).items() if "celery" in command and " beat " in command)
        os.kill(beat, signal.SIGKILL)
        read_until(first, "The beat was killed by SIGKILL; it is started again in 1 s.")
        first.kill()
    wait_until(lambda: not processes_of(home))
    before = json.loads((home / "engines.json").read_text())

    with start_python(home, "-m", "config.run", "--no-seed", PORT=str(port)) as second:
        read_until(second, "Ctrl-C stops everything")
        assert json.loads((home / "engines.json").read_text())["passwords"] == before["passwords"]
        # As `timeout` does: once to it and once to all.
        second.send_signal(signal.SIGTERM)
        second.send_signal(signal.SIGTERM)
        said, _ = second.communicate(timeout=LONG)
    assert second.returncode == 0
    assert "killed" not in said
    assert not processes_of(home)
