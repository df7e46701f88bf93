"""Start and stop child processes so that none outlives us, not even after `kill -9`."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path(__file__).resolve().parent
LOG_BYTES_KEPT = 5_000_000


@dataclass(frozen=True)
class Account:
    """A user of the machine that a child becomes."""

    uid: int
    gid: int


class Watcher:
    """The small process that ends everything we started once we are gone, however we went."""

    def __init__(self) -> None:
        self._watched: dict[int, int] = {}
        self._process, self._pipe = start_watcher(self._watched)

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, pid: int, stop_signal: int) -> None:
        self._watched[pid] = stop_signal
        self._tell(watch_line(pid, stop_signal))

    def forget(self, pid: int) -> None:
        if self._watched.pop(pid, None) is not None:
            self._tell(f"forget {pid}\n")

    def revive(self) -> None:
        """Should somebody have killed it: it knew nothing that we do not know, so a new one takes over."""
        if self._process.poll() is None:
            return
        os.close(self._pipe)
        self._process, self._pipe = start_watcher(self._watched)

    def close(self) -> None:
        """Let the watcher end; what is still watched ends with it."""
        os.close(self._pipe)
        self._process.wait()

    def _tell(self, line: str) -> None:
        """Hand over one whole line."""
        with contextlib.suppress(BrokenPipeError):
            # Killed just now: `revive` tells the next one everything.
            os.write(self._pipe, line.encode())


def watch_line(pid: int, stop_signal: int) -> str:
    return f"watch {pid} {stop_signal}\n"


def start_watcher(watched: Mapping[int, int]) -> tuple[subprocess.Popen[bytes], int]:
    """The process, and the pipe whose end it waits for. It watches these (number of the process: what stops it)."""
    theirs, ours = os.pipe()
    # Before it starts: were we killed between its start and these words, it would watch nobody.
    os.write(ours, "".join(watch_line(*one) for one in watched.items()).encode())
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(CONFIG / "watcher.py")],
        stdin=theirs,
        # It lives a little longer than we do, and must not keep anybody waiting for the end of our output.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    os.close(theirs)
    return process, ours


@dataclass(frozen=True)
class Program:
    """What to run, where its output goes, and how it wants to be stopped."""

    command: Sequence[str]
    log: Path
    environ: Mapping[str, str]
    folder: Path = Path("/")
    account: Account | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0


class Child:
    """One running program, leader of its own session and process group.

    Start it from the main thread: Linux ends it when the *thread* that started it ends.
    """

    def __init__(self, program: Program, *, watcher: Watcher | None = None) -> None:
        self.program = program
        self._watcher = watcher
        self._buried = False
        account = program.account or Account(-1, -1)
        launcher = [sys.executable, "-I", "-S", str(CONFIG / "launcher.py")]
        fate = [os.getpid(), int(program.stop_signal), account.uid, account.gid]
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*launcher, *map(str, fate), *program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=program.folder,
                env=dict(program.environ),
                start_new_session=True,
            )
        if watcher is not None:
            watcher.watch(self.process.pid, program.stop_signal)

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self) -> int | None:
        """None while it runs. Once it has ended, whatever it left in its group is killed too."""
        code = self.process.poll()
        if code is not None:
            self._bury()
        return code

    def ask_to_stop(self, stop_signal: int | None = None) -> None:
        if self.process.poll() is None:
            # Only the leader: it stops its own children in its own order.
            self.process.send_signal(stop_signal or self.program.stop_signal)

    def wait(self, seconds: float) -> bool:
        """Whether it ended in that time."""
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        self._bury()
        return True

    def stop(self, stop_signal: int | None = None) -> bool:
        """Whether it stopped when asked; otherwise it was killed."""
        self.ask_to_stop(stop_signal)
        if self.wait(self.program.stop_seconds):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        kill_group(self.process.pid)
        self.process.wait()
        self._bury()

    def _bury(self) -> None:
        # Once: later the number may belong to somebody else.
        if self._buried:
            return
        self._buried = True
        kill_group(self.process.pid)
        if self._watcher is not None:
            self._watcher.forget(self.process.pid)


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Nobody left in it. macOS answers with PermissionError when only zombies are.
        return


def rotate(log: Path) -> None:
    """Keep one older log, so that a long life does not fill the disk."""
    if log.exists() and log.stat().st_size > LOG_BYTES_KEPT:
        log.replace(log.with_suffix(".log.1"))


def tail(log: Path, *, lines: int = 20, offset: int = 0) -> str:
    """The last lines written after offset."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(offset, log.stat().st_size - 64_000))
        text = file.read().decode(errors="replace")
    return "\n".join(text.rstrip().splitlines()[-lines:])


def wait_for_end(pid: int, seconds: float) -> bool:
    """Wait for a process that is not our child."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
