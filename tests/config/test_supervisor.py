"""Children that die are started again, and none outlives whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.processes import CONFIG, Child, Program, Watcher
from config.supervisor import Supervisor
from tests.config.processes import ROOT, clean_environ, processes_of, start_python
from tests.support.wait import wait_until

PATIENT = "import signal\nwhile True: signal.pause()"
# A service that will not stop, with a child of its own that will not either.
STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print("up", flush=True)
while True: signal.pause()
"""
# A supervisor in a process of its own, so that it can be killed.
SUPERVISE = f"""
import os, sys, time
from pathlib import Path
from config.processes import Program, Watcher
from config.supervisor import Supervisor
home = Path(os.environ["PLI_HOME"])
watcher = Watcher()
supervisor = Supervisor(watcher, print)
program = Program([sys.executable, "-c", {STUBBORN!r}], home / "stubborn.log", dict(os.environ))
supervisor.start("stubborn", program)
print(watcher.pid, flush=True)
while True:
    supervisor.tick()
    time.sleep(0.05)
"""


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    one = Watcher()
    yield one
    one.close()


def program(home: Path, name: str, code: str, *, stop_seconds: float = 10.0) -> Program:
    environ = clean_environ(PLI_HOME=str(home))
    command = [sys.executable, "-c", code]
    return Program(command, home / f"{name}.log", environ, folder=ROOT, stop_seconds=stop_seconds)


def test_who_dies_is_started_again_and_it_is_said(tmp_path: Path, watcher: Watcher) -> None:
    said: list[str] = []
    supervisor = Supervisor(watcher, said.append)
    supervisor.start("clerk", program(tmp_path, "clerk", "import sys; sys.exit(3)"))
    service = supervisor.services["clerk"]

    def dies(times: int) -> bool:
        supervisor.tick()
        return service.deaths == times

    wait_until(lambda: dies(2))
    assert said == [
        f"The clerk ended with exit code 3; it is started again in {pause} s. See {tmp_path / 'clerk.log'}."
        for pause in (1, 2)
    ]
    supervisor.stop(["clerk"])


def test_who_is_killed_is_started_again_at_once_but_for_a_second(tmp_path: Path, watcher: Watcher) -> None:
    said: list[str] = []
    supervisor = Supervisor(watcher, said.append)
    supervisor.start("clerk", program(tmp_path, "clerk", PATIENT))
    service = supervisor.services["clerk"]
    first = service.child
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)

    def is_back() -> bool:
        supervisor.tick()
        return service.child is not None and service.child is not first

    wait_until(is_back)
    assert "was killed by SIGKILL" in said[0]
    supervisor.stop(["clerk"])
    assert processes_of(tmp_path) == {}


def test_services_stop_one_after_the_other_in_the_order_asked(tmp_path: Path, watcher: Watcher) -> None:
    order = tmp_path / "order"
    code = """
import signal, sys
def leave(number, frame):
    with open(sys.argv[2], "a") as file: file.write(sys.argv[1] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
while True: signal.pause()
"""
    supervisor = Supervisor(watcher, print)
    for name in ("first", "second", "third"):
        service = program(tmp_path, name, code)
        arguments = Program([*service.command, name, str(order)], service.log, service.environ, folder=ROOT)
        supervisor.start(name, arguments)
        wait_until(lambda log=service.log: "up" in log.read_text())
    supervisor.stop(["third", "first", "second"])
    assert order.read_text().split() == ["third", "first", "second"]


@pytest.mark.parametrize("in_a_hurry", [False, True])
def test_who_does_not_stop_is_killed_with_its_children(tmp_path: Path, watcher: Watcher, *, in_a_hurry: bool) -> None:
    said: list[str] = []
    supervisor = Supervisor(watcher, said.append)
    supervisor.start("clerk", program(tmp_path, "clerk", STUBBORN, stop_seconds=600.0 if in_a_hurry else 0.2))
    wait_until(lambda: len(processes_of(tmp_path)) == 2)
    supervisor.stop(["clerk"], hurry=lambda: in_a_hurry)
    wait_until(lambda: not processes_of(tmp_path))
    assert said == ["The clerk did not stop in time and was killed."]


def test_children_left_by_who_died_are_ended(tmp_path: Path, watcher: Watcher) -> None:
    child = Child(program(tmp_path, "clerk", STUBBORN), watcher=watcher)
    wait_until(lambda: len(processes_of(tmp_path)) == 2)
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: child.exit_code() is not None)
    wait_until(lambda: not processes_of(tmp_path))


def test_kill_9_of_the_supervisor_leaves_no_process(tmp_path: Path) -> None:
    with start_python(tmp_path, "-c", SUPERVISE) as supervisor:
        wait_until(lambda: len(processes_of(tmp_path)) == 4, what="supervisor, watcher, service and its child")
        supervisor.kill()
    wait_until(lambda: not processes_of(tmp_path))


def test_a_killed_watcher_is_replaced_by_one_that_knows_as_much(tmp_path: Path) -> None:
    with start_python(tmp_path, "-c", SUPERVISE) as supervisor:
        assert supervisor.stdout is not None
        watcher = int(supervisor.stdout.readline())
        wait_until(lambda: len(processes_of(tmp_path)) == 4)
        os.kill(watcher, signal.SIGKILL)
        wait_until(lambda: len(processes_of(tmp_path).keys() - {watcher}) == 4)
        supervisor.kill()
    wait_until(lambda: not processes_of(tmp_path))


def test_a_child_that_comes_too_late_for_its_parent_does_not_start(tmp_path: Path) -> None:
    made = tmp_path / "made"
    nobody = "1"
    launcher = [sys.executable, "-I", "-S", str(CONFIG / "launcher.py")]
    command = [*launcher, nobody, str(int(signal.SIGTERM)), "-1", "-1", "touch", str(made)]
    assert subprocess.run(command, check=False).returncode == 1
    assert not made.exists()
