"""What the benches share: engines of their own, web servers, wrk, and lines to print."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.embedded import Engines
from config.services import manage_command, web_command, worker_command
from tests.support.ports import free_port
from tests.support.wait import wait_until

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("PLI_BENCH_HOME") or CHECKOUT / ".pli-bench").absolute()


def say(text: str) -> None:
    """What is going on, apart from the results."""
    print(f"# {text}", file=sys.stderr, flush=True)


def result(name: str, value: float, digits: int = 0) -> None:
    """One line of results: `name value`."""
    print(f"{name} {value:.{digits}f}", flush=True)


@dataclass(frozen=True)
class Launched:
    """A launched newsletter: what other processes need, and what writing its messages cost."""

    organization: int
    mailing: int
    people: int
    bytes: int
    links: int
    expand_seconds: float
    rss_mb: float


@contextmanager
def bench_database(name: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Fresh engines with the settings of production, migrated; gone afterwards. Yields their home and addresses."""
    home = HOME / name
    # Whatever engines the environment names: those of a bench before this one, or the operator's.
    engines = Engines(home, environ={})
    engines.remove()
    try:
        say(f"starting engines in {home}")
        urls = engines.start()
        os.environ.update(urls)
        os.environ.update(
            {
                "PLI_HOME": str(home),
                "PLI_SECRET_KEY": "a-secret-for-benches-0123456789-0123456789",
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
        )
        (home / "static").mkdir(exist_ok=True)
        subprocess.run(manage_command("migrate", "--verbosity", "0"), check=True)
        yield home, urls
    finally:
        engines.remove()
        shutil.rmtree(home, ignore_errors=True)


def launch_newsletter(people: int) -> Launched:
    """A fresh organization, and a newsletter launched to that many people of it."""
    command = [sys.executable, "-m", "bench.newsletter", str(people)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    return Launched(**json.loads(done.stdout.splitlines()[-1]))


def wait_for_port(port: int) -> None:
    """Until somebody listens there."""
    wait_until(lambda: _is_open(port), what=f"somebody to listen on port {port}")


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def web_server(log: Path, application: str = "config.asgi:application") -> Iterator[str]:
    """granian with one worker and the flags of `make run`; another ``application`` for a control."""
    port = free_port()
    command = [*web_command("127.0.0.1", port)[:-1], application]
    base = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, cwd=CHECKOUT)
    try:
        await_health(base, child, log)
        yield base
    finally:
        child.terminate()
        child.wait(timeout=30)


@contextmanager
def worker(log: Path) -> Iterator[None]:
    """The worker of `make run`, without beat: it does what pages ask for. Django is set up."""
    from django.core.cache import cache

    from config.views import HEARTBEAT_KEY

    cache.delete(HEARTBEAT_KEY)
    with log.open("wb") as output:
        child = subprocess.Popen(worker_command(), stdout=output, stderr=output, cwd=CHECKOUT)
    try:
        wait_until(lambda: cache.get(HEARTBEAT_KEY), what="a worker says that it lives")
        yield
    finally:
        child.terminate()
        child.wait(timeout=30)


def await_health(base: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{base}/healthz", timeout=10).close()
        except (OSError, urllib.error.URLError):
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the web server did not start:\n{log.read_text()[-4000:]}") from None
            time.sleep(0.05)
        else:
            return


def metrics_of(base: str) -> dict[str, float]:
    """The process's own numbers, by name and labels as Prometheus writes them."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


# --- Load -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """What one run of the load generator saw."""

    answers: int
    seconds: float
    p99_ms: float
    errors: int

    @property
    def per_s(self) -> float:
        return self.answers / self.seconds


def load(base: str, connections: int, seconds: int, what: str) -> Load:
    """Ask for as much as comes: wrk with one thread where there is one, else our own generator, which costs more.

    ``what`` is a file of keys for /o/, or one path.
    """
    if shutil.which("wrk") is not None:
        script = str(Path(__file__).with_name("load.lua"))
        how = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", script]
        command = ["wrk", *how, base, "--", what]
    else:
        command = [sys.executable, "-m", "bench.load", base, str(connections), str(seconds), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=CHECKOUT)
    line = next(line for line in done.stdout.splitlines() if line.startswith("load "))
    found = dict(part.split("=") for part in line.split()[1:])
    return Load(
        answers=int(found["answers"]),
        seconds=int(found["microseconds"]) / 1e6,
        p99_ms=float(found["p99_microseconds"]) / 1e3,
        errors=int(found["errors"]),
    )
