"""The product's own processes, as `make run` starts them, for tests in which somebody comes from outside."""

from __future__ import annotations

import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.services import web_command, worker_command
from tests.support.ports import free_port
from tests.support.wait import wait_until


@contextmanager
def process(command: list[str], environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is ended in order; what it wrote is shown when the test fails."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, env={**os.environ, **(environ or {})}, stdout=log, stderr=log)
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(timeout=60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            log.seek(0)
            print(log.read().decode(errors="replace")[-40_000:])  # noqa: T201 - pytest shows it with a failure


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@contextmanager
def web_server(environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """granian with one worker, on a port of its own; yields its address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with process(web_command("127.0.0.1", port), {"PORT": str(port), "PLI_BASE_URL": base, **(environ or {})}) as child:

        def is_up() -> bool:
            assert child.poll() is None, f"the web server ended with {child.returncode}"
            return answers(f"{base}/healthz")

        wait_until(is_up, 120, "the web server to answer")
        yield base


@contextmanager
def celery_worker(environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """A worker; it needs a second to start, and takes what was queued before."""
    with process(worker_command(), environ):
        yield


def chromium() -> Path | None:
    """Debian's Chromium, where there is one; CI must have it (tests/browser/conftest.py)."""
    path = Path("/usr/bin/chromium")
    return path if path.exists() else None
