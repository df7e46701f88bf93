"""The programs of `make run`, each as it is also run in production."""

import ipaddress
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.engine_home import CHECKOUT, EngineError, home_folder
from config.processes import Program

# Who is asked for work stops first, who does it next; the mailbox takes what they still send.
STOP_ORDER = ("web", "beat", "urgent", "worker", "mailbox")


class WrongVariableError(EngineError):
    """An environment variable has a value that means nothing."""


@dataclass(frozen=True)
class Place:
    """Where Pli answers and keeps its files, as the environment says."""

    home: Path
    bind: str
    port: int

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Place":
        port = environ.get("PORT") or "8000"
        if not port.isdigit() or not 0 < int(port) < 65536:
            message = f"PORT is {port!r}, which is not a port: give a number between 1 and 65535."
            raise WrongVariableError(message)
        return cls(home_folder(environ), environ.get("PLI_BIND") or "127.0.0.1", int(port))

    @property
    def host(self) -> str:
        """What this machine calls itself when it asks."""
        host = self.bind
        if is_everywhere(host):
            host = "::1" if ":" in host else "127.0.0.1"
        return f"[{host}]" if ":" in host else host

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def log(self, name: str) -> Path:
        return self.home / "log" / f"{name}.log"


def is_everywhere(bind: str) -> bool:
    try:
        return ipaddress.ip_address(bind).is_unspecified
    except ValueError:
        # A name.
        return False


def child_environ(place: Place, mailbox_port: int) -> dict[str, str]:
    """What the services are told. Addresses of embedded engines stay in the home, where only we can read them."""
    environ = dict(os.environ)
    environ |= {"PLI_HOME": str(place.home), "PORT": str(place.port), "PYTHONUNBUFFERED": "1"}
    if mailbox_port:
        environ["PLI_MAILBOX_PORT"] = str(mailbox_port)
    return environ


def web_command(bind: str, port: int) -> list[str]:
    """granian by its `asgi` interface: it speaks lifespan, which an orderly drain of the recorder needs."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--host", bind, "--port", str(port)),
        *("--workers", "1", "--no-ws", "--workers-kill-timeout", "10", "--log-level", "warning"),
        "config.asgi:application",
    ]


def worker_command() -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "-A", "config", "worker", "--concurrency", "2"),
        *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
    ]


def urgent_command() -> list[str]:
    """A worker of its own, since the others may be busy with a launch for seconds.

    Its work waits for mail servers most of the time, so threads are enough, and save a process.
    """
    return [
        *(sys.executable, "-m", "celery", "-A", "config", "worker", "--queues", "urgent", "--hostname", "urgent@%h"),
        *("--pool", "threads", "--concurrency", "2"),
        *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
    ]


def beat_command(home: Path) -> list[str]:
    # No pid file: after `kill -9` its number may be another process's, and beat would never start again.
    return [
        *(sys.executable, "-m", "celery", "-A", "config", "beat", "--loglevel", "WARNING"),
        *("--schedule", str(home / "beat-schedule"), "--pidfile="),
    ]


def manage_command(*arguments: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "manage.py"), *arguments]


def service_programs(place: Place, environ: Mapping[str, str], *, mailbox: bool) -> dict[str, Program]:
    """All services, in the order in which they start."""

    def program(name: str, command: list[str], stop_seconds: float) -> Program:
        return Program(command, place.log(name), environ, folder=CHECKOUT, stop_seconds=stop_seconds)

    programs = {"mailbox": program("mailbox", manage_command("run_mailbox"), 5.0)} if mailbox else {}
    return programs | {
        "web": program("web", web_command(place.bind, place.port), 20.0),
        "worker": program("worker", worker_command(), 30.0),
        "urgent": program("urgent", urgent_command(), 30.0),
        "beat": program("beat", beat_command(place.home), 10.0),
    }
