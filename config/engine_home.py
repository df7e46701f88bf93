"""Where the embedded engines keep their data, ports and passwords, and as whom they run."""

import dataclasses
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from config.processes import Account, Watcher, kill_group, wait_for_end

CHECKOUT = Path(__file__).resolve().parent.parent
STATE_FILE = "engines.json"
LOCK_FILE = "engines.lock"
ROLES = ("postgres", "pli_owner", "pli_app", "pli_recorder")
# Where root keeps data that another user must reach; the second for when the first is read-only.
PLACES_FOR_ROOT = (Path("/var/lib"), Path("/opt"))


class EngineError(RuntimeError):
    """An engine cannot be started or reached. The message is for the operator."""


class EnginesNeverStartedError(EngineError):
    """Nothing says where the engines of this home are."""


class AlreadyRunningError(EngineError):
    """Another process runs the engines of this home."""


def home_folder(environ: Mapping[str, str]) -> Path:
    """PLI_HOME, by default `.pli` in the checkout."""
    return Path(environ.get("PLI_HOME") or CHECKOUT / ".pli").absolute()


@dataclasses.dataclass
class State:
    """What `engines.json` says; readable by nobody else."""

    place: str
    passwords: dict[str, str]
    postgres_port: int = 0
    valkey_port: int = 0
    mailbox_port: int = 0

    @classmethod
    def load(cls, home: Path) -> "State | None":
        path = home / STATE_FILE
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except PermissionError as error:
            message = f"{path} belongs to another user. Run Pli as that user, or set PLI_HOME to a folder of yours."
            raise EngineError(message) from error
        except (ValueError, TypeError) as error:
            message = f"{path} is damaged ({error}). It holds the passwords of the data: restore it from a backup."
            raise EngineError(message) from error

    @classmethod
    def of(cls, home: Path) -> "State":
        """That of a home whose engines have been started."""
        state = cls.load(home)
        if state is None:
            message = (
                f"No engines have been started in {home} yet. Start Pli with `make run`, or the engines alone with "
                "`make engines`; or set DATABASE_URL, DATABASE_OWNER_URL, DATABASE_RECORDER_URL and REDIS_URL."
            )
            raise EnginesNeverStartedError(message)
        return state

    def save(self, home: Path) -> None:
        # In one step, so that a reader never sees half of it. mkstemp makes it 0600.
        handle, name = tempfile.mkstemp(dir=home, prefix=STATE_FILE)
        with os.fdopen(handle, "w") as file:
            json.dump(dataclasses.asdict(self), file, indent=2)
        Path(name).replace(home / STATE_FILE)


class HomeLock:
    """Held as long as somebody runs the engines of a home. The kernel lets go of it, however that process ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / LOCK_FILE
        self._file: IO[str] | None = None

    def take(self) -> None:
        if self._file is not None:
            return
        file = self._path.open("a+")
        # More than once: somebody may only be looking whether it is held.
        for _ in range(5):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
                continue
            self._file = file
            self.describe(f"process {os.getpid()}")
            return
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        message = f"Pli already runs in {self._path.parent} ({holder})."
        raise AlreadyRunningError(message)

    def is_held(self) -> bool:
        """Whether some process, this one included, holds it now."""
        if not self._path.exists():
            return False
        with self._path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def describe(self, holder: str) -> None:
        """What somebody who finds it taken is told."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(holder)
            self._file.flush()

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclasses.dataclass(frozen=True)
class Setup:
    """What both engines of a home need to know."""

    place: Path
    state: State
    logs: Path
    account: Account | None
    durable: bool
    environ: Mapping[str, str]
    watcher: Watcher | None


def engine_account() -> Account | None:
    """As whom engines run: PostgreSQL refuses root, and initdb refuses a user without a name."""
    if os.getuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def run_as(
    account: Account | None, command: list[str], environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a short command as that user and keep what it says."""
    return subprocess.run(
        command,
        cwd="/",
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def works(command: list[str], account: Account | None) -> bool:
    """Whether this command runs and succeeds as that user."""
    try:
        return run_as(account, command).returncode == 0
    except OSError:
        return False


def make_home(home: Path) -> None:
    # The engines' user must be able to pass through a home that root makes. What is in it stays closed.
    if not home.is_dir():
        home.mkdir(parents=True, mode=0o711 if os.getuid() == 0 else 0o700)


def choose_place(home: Path, account: Account | None) -> Path:
    """A folder for the engines' files: in the home, or elsewhere when their user cannot get into the home.

    Nothing of anybody's permissions is changed to get in.
    """
    if account is None or works(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(home)], account):
        return home / "engines"
    name = "pli-" + hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    for parent in PLACES_FOR_ROOT:
        if os.access(parent, os.W_OK) and works(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(parent)], account):
            return parent / name
    message = f"The engines' user cannot reach {home}. Set PLI_HOME to a folder that every user can pass through."
    raise EngineError(message)


def claim_place(place: Path, home: Path) -> None:
    """Make the folder, or see that it is really ours: its name can be guessed. A note in it says whose it is."""
    place.mkdir(mode=0o711, exist_ok=True)
    found = place.lstat()
    if not place.is_dir() or place.is_symlink() or found.st_uid != os.getuid():
        message = f"{place} belongs to somebody else. Remove it, or set PLI_HOME to another folder."
        raise EngineError(message)
    (place / "home").write_text(f"{home}\n")


def set_aside(place: Path) -> Path | None:
    """Move away data whose home was deleted: nobody knows its passwords, and nobody said to delete it."""
    if not place.exists():
        return None
    aside = place.with_name(f"{place.name}.{time.strftime('%Y%m%d-%H%M%S')}")
    place.replace(aside)
    return aside


def new_state(place: Path) -> State:
    names = (*ROLES, "valkey")
    return State(place=str(place), passwords={name: secrets.token_urlsafe(24) for name in names})


def own_folder(path: Path, account: Account | None) -> Path:
    """A closed folder for one engine."""
    path.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    return path


def copy_for(account: Account | None, sources: list[Path], target: Path) -> None:
    """Copy programs to where the engines' user can run them. Complete or not there at all."""
    if target.exists():
        return
    unfinished = Path(tempfile.mkdtemp(dir=target.parent))
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, unfinished / source.name, symlinks=True)
        elif source.exists():
            shutil.copy2(source, unfinished / source.name)
    if account is not None:
        open_to_all(unfinished)
    unfinished.replace(target)


def open_to_all(folder: Path) -> None:
    """Our own copy may have kept the closed permissions of where it came from."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def fingerprint(program: Path) -> str:
    """Changes when another version is installed."""
    found = program.stat()
    return f"{found.st_size:x}-{int(found.st_mtime):x}"


def end_leftover(pid_file: Path, folder: Path, stop_signal: int, seconds: float) -> None:
    """After `kill -9`: end a server that nobody owns any more, and forget one that is gone.

    We hold the lock of this home, so whoever still works in its folder is an orphan. A number alone says nothing: it
    may be another process by now, and PostgreSQL would take that one for itself and refuse to start.
    """
    if not pid_file.exists():
        return
    number = pid_file.read_text().split()[:1]
    pid = int(number[0]) if number else 0
    if not runs_in(pid, folder):
        pid_file.unlink()
        return
    os.kill(pid, stop_signal)
    if not wait_for_end(pid, seconds):
        kill_group(pid)
        wait_for_end(pid, seconds)


def runs_in(pid: int, folder: Path) -> bool:
    """Whether that process works in this folder, as a server does in its data."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve()
    except OSError:
        return False


def usable_port(preferred: int) -> int:
    """The port used last time if it is still free, else any free one."""
    for port in (preferred, 0) if preferred else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    message = "No free port on 127.0.0.1."
    raise EngineError(message)


def memory_bytes() -> int:
    """Memory of the machine, or of the container when that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if limit.exists() and (text := limit.read_text().strip()).isdigit():
            memory = min(memory, int(text))
    return memory
