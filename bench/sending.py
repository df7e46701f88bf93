"""Messages per second with everything on, beside Django's SMTP backend, and with a slow line to the mail server.

    python -m bench.sending [--messages N] [--rounds R]

A newsletter of about 60 KB with 40 links goes to people of whom two thirds are measured: each is claimed, decided,
given its own pixel and signed links, handed over and recorded. The server is Postfix's smtp-sink where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.support import CHECKOUT, bench_database, launch_newsletter, result, say, wait_for_port
from tests.support.ports import free_port

ROUND_TRIP_MS = 50
SLOW_CONNECTIONS = 20
CONTROL_MESSAGES = 500


class Sent(NamedTuple):
    messages: int
    seconds: float
    rss_mb: float

    @property
    def per_s(self) -> float:
        return self.messages / self.seconds


@contextmanager
def _server(*command: str) -> Iterator[int]:
    """A program of ours that says its port, until the block ends."""
    arguments = [sys.executable, "-m", *command]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline())
        finally:
            child.terminate()


@contextmanager
def mail_server() -> Iterator[int]:
    """The port of something that takes mail and forgets it."""
    program = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        say("no smtp-sink of Postfix here: bench/sink.py takes the mail")
        with _server("bench.sink") as port:
            yield port
        return
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([program, *user, f"127.0.0.1:{port}", "256"]) as child:
        try:
            wait_for_port(port)
            say(f"{program} takes the mail")
            yield port
        finally:
            child.terminate()


def send(port: int, *what: str, connections: int | None = None) -> Sent:
    """What a sender in a process of its own saw."""
    environ = {**os.environ, "PLI_SMTP_URL": f"smtp://127.0.0.1:{port}"}
    if connections is not None:
        environ["PLI_SMTP_CONNECTIONS"] = str(connections)
    command = [sys.executable, "-m", "bench.senders", *what]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, env=environ)
    found = json.loads(done.stdout.splitlines()[-1])
    return Sent(found["sent"], found["seconds"], found["rss_mb"])


def send_launch(port: int, messages: int, *, connections: int | None = None) -> Sent:
    """Launch to that many people and send all of it; what was not sent is no figure."""
    launched = launch_newsletter(messages)
    sent = send(port, "ours", str(launched.organization), str(launched.mailing), connections=connections)
    if sent.messages != messages:
        raise SystemExit(f"{sent.messages} of {messages} messages were sent")
    return sent


def keep_messages(file: Path) -> None:
    """What Django is to send: messages as we sent them."""
    with _server("bench.sink", "--keep", str(file), "--most", str(CONTROL_MESSAGES)) as port:
        send_launch(port, CONTROL_MESSAGES, connections=1)
    say(f"{CONTROL_MESSAGES} messages of {file.stat().st_size / CONTROL_MESSAGES / 1000:.0f} KB kept for the control")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--slow-messages", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with bench_database("sending") as (home, _urls):
        kept = home / "kept"
        keep_messages(kept)
        with mail_server() as port:
            ours, djangos = _compare(port, kept, options.messages, options.rounds)
            with _server("bench.delay", str(port), str(ROUND_TRIP_MS)) as slow_port:
                slow = send_launch(slow_port, options.slow_messages, connections=SLOW_CONNECTIONS)
    ours_per_s, djangos_per_s = (statistics.median(sent.per_s for sent in runs) for runs in (ours, djangos))
    result("sending.messages_per_s", ours_per_s)
    result("sending.django_backend_per_s", djangos_per_s)
    result("sending.ratio_to_django_backend", ours_per_s / djangos_per_s, 2)
    result("sending.rss_mb", max(sent.rss_mb for sent in ours))
    result("sending.latency50_messages_per_s", slow.per_s)


def _compare(port: int, kept: Path, messages: int, rounds: int) -> tuple[list[Sent], list[Sent]]:
    ours: list[Sent] = []
    djangos: list[Sent] = []
    for number in range(rounds):
        ours.append(send_launch(port, messages))
        djangos.append(send(port, "django", str(kept)))
        say(f"round {number + 1}: ours {ours[-1].per_s:.0f}/s, Django's backend {djangos[-1].per_s:.0f}/s")
    return ours, djangos


if __name__ == "__main__":
    main()
