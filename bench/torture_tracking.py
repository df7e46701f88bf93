"""Opens mail while web processes are killed and the database is away, and compares the answers with the rows.

    python -m bench.torture_tracking [--kills N] [--seconds S] [--outage S] [--connections N] [--kept N] [--messages N]
                                     [--control]

Web processes get SIGKILL under load: no acknowledged hit may be missing, and none may be stored twice. Then PostgreSQL
is stopped: every redirect has to be answered, memory has to stay bounded, and afterwards every hit is stored that the
process had room for, and the rest is counted as dropped. With --control answers do not wait for their commit, and the
torture has to notice. Each request carries a key of its own, so that each answer can be looked for.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID

import psycopg

from bench.load import HEADERS
from bench.support import CHECKOUT, await_health, metrics_of, result, say
from bench.tracked import fill
from config.embedded import THROWAWAY_PREFIX, Engines
from config.engine_postgres import Postgres
from config.services import manage_command, web_command
from tests.support.ports import free_port

SEED = 20_261_122
APPLICATION = "bench.torture_web:application"
SETTLED_SECONDS = 120.0
# What the interpreter, Django and 100,000 hits in memory come to, with room for a busy allocator.
MOST_MEMORY_MB = 600
# How much longer than 250 ms an answer may take on a machine that does everything at once.
LATEST_SECONDS = 5.0
DESTINATION = "https://bread.example/rye?size=L&fresh=yes"


@dataclass(frozen=True)
class Plan:
    kills: int
    seconds: float
    outage: float
    connections: int
    # How many hits a process may keep while the database is away.
    kept: int
    messages: int
    control: bool


class Web:
    """One web process of the product at a time, on one port."""

    def __init__(self, log: Path) -> None:
        port = free_port()
        self._command = [*web_command("127.0.0.1", port)[:-1], APPLICATION]
        self._log = log.open("ab")
        self._path = log
        self.base = f"http://127.0.0.1:{port}"

    def start(self, **environ: str) -> None:
        self._child = subprocess.Popen(
            self._command, cwd=CHECKOUT, env=os.environ | environ, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        await_health(self.base, self._child, self._path)

    def kill(self) -> None:
        """All of it at once, as when memory runs out or power fails."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def memory_mb(self) -> float:
        return metrics_of(self.base)["process_resident_memory_bytes"] / 1e6

    def close(self) -> None:
        self.kill()
        self._log.close()


# --- Load -------------------------------------------------------------------------------------------------------------


@dataclass
class Asked:
    """What was asked with a key each, and what came of it."""

    answered: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    wrong: int = 0
    slowest: float = 0.0

    def add(self, other: Asked) -> None:
        self.answered |= other.answered
        self.unanswered |= other.unanswered
        self.wrong += other.wrong
        self.slowest = max(self.slowest, other.slowest)


@dataclass
class _Client:
    socket: socket.socket
    key: str
    sent_at: float
    received: bytes = b""


class Load:
    """Asks on many connections, each time for the next key, until the keys or the time are over, or nobody answers."""

    def __init__(self, base: str, connections: int, requests: Iterator[tuple[str, bytes, bytes]]) -> None:
        host, _, port = base.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._connections = connections
        self._requests = requests
        self._expected: dict[str, bytes] = {}
        self._asked = Asked()

    def run(self, seconds: float, meanwhile: Callable[[float], None]) -> Asked:
        """``meanwhile`` is called all the time with the seconds since the beginning."""
        began = time.monotonic()
        with selectors.DefaultSelector() as waiting:
            for _ in range(self._connections):
                self._ask(waiting, socket.create_connection(self._address))
            while waiting.get_map():
                passed = time.monotonic() - began
                meanwhile(passed)
                for key, _ in waiting.select(0.05):
                    self._read(waiting, key.data, go_on=passed < seconds)
        return self._asked

    def _ask(self, waiting: selectors.BaseSelector, connection: socket.socket) -> None:
        key, request, expected = next(self._requests)
        client = _Client(connection, key, time.monotonic())
        self._expected[key] = expected
        waiting.register(connection, selectors.EVENT_READ, client)
        # Whoever does not take it is found when the answer is read.
        with contextlib.suppress(OSError):
            connection.sendall(request)

    def _read(self, waiting: selectors.BaseSelector, client: _Client, *, go_on: bool) -> None:
        try:
            data = client.socket.recv(65536)
        except OSError:
            data = b""
        client.received += data
        head, found, body = client.received.partition(b"\r\n\r\n")
        if data and not (found and len(body) >= _length(head)):
            return
        waiting.unregister(client.socket)
        if not data:
            self._asked.unanswered.add(client.key)
            client.socket.close()
            return
        self._asked.answered.add(client.key)
        self._asked.slowest = max(self._asked.slowest, time.monotonic() - client.sent_at)
        self._asked.wrong += self._expected.pop(client.key) not in head
        if go_on:
            self._ask(waiting, client.socket)
        else:
            client.socket.close()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


def requests_of(keys: list[UUID]) -> Iterator[tuple[str, bytes, bytes]]:
    """Key, request, and what the answer has to hold: opens and clicks in turn."""
    from common.keys import encode_key, link_secrets, sign_link

    to, secrets = quote(DESTINATION, safe=""), link_secrets()
    for index, key in enumerate(keys):
        if index % 2:
            signature = sign_link(key, 1, DESTINATION, secrets=secrets)
            path, expected = f"/c/{encode_key(key)}/1/{signature}?to={to}", DESTINATION.encode()
        else:
            path, expected = f"/o/{encode_key(key)}", b"image/gif"
        yield key.hex, b"GET " + path.encode() + HEADERS, expected
    raise SystemExit("every key was asked for: give more --messages")


# --- The torture ------------------------------------------------------------------------------------------------------


class Database(Protocol):
    """Whatever is taken away from the web process, and given back."""

    def start(self) -> object: ...

    def stop(self) -> object: ...


@dataclass
class Torture:
    plan: Plan
    web: Web
    postgres: Database
    database_url: str
    requests: Iterator[tuple[str, bytes, bytes]]

    def passes(self) -> bool:
        return self.kill_web_processes() and (self.plan.control or self.stop_the_database())

    def kill_web_processes(self) -> bool:
        """Answers wait for their commit as long as it takes, so that each of them says that its row is there."""
        chance = random.Random(SEED)
        all_asked = Asked()
        for number in range(self.plan.kills):
            self.web.start(TORTURE_PATIENCE="3600", TORTURE_CONTROL="1" if self.plan.control else "")
            end = _Once(self.plan.seconds * chance.uniform(0.3, 1), self.web.kill)
            asked = self._load(self.plan.seconds, end)
            say(f"kill {number + 1}: {len(asked.answered)} answers, {len(asked.unanswered)} were on their way")
            all_asked.add(asked)
        rows = self._rows()
        missing = [key for key in all_asked.answered if not rows[key]]
        twice = [key for key, count in rows.items() if count > 1]
        result("torture.tracking.answered", len(all_asked.answered))
        result("torture.tracking.missing", len(missing))
        result("torture.tracking.stored_twice", len(twice))
        return bool(all_asked.answered) and not missing and not twice and not all_asked.wrong

    def stop_the_database(self) -> bool:
        """Under load; what found room in memory is stored when it is back."""
        self.web.start(TORTURE_KEPT=str(self.plan.kept))
        self._load(1.0, lambda passed: None)
        before, rows = self._settled(), self._rows()
        memory = self.web.memory_mb()
        stopping = Thread(target=self.postgres.stop)
        asked = self._load(self.plan.outage, _Once(0.5, stopping.start))
        memory = max(memory, self.web.memory_mb())
        stopping.join()
        self.postgres.start()
        after = self._settled()
        now = self._rows()
        stored = now.total() - rows.total()
        dropped = int(_sum(after, "pli_hits_dropped_total") - _sum(before, "pli_hits_dropped_total"))
        result("torture.tracking.outage_answered", len(asked.answered))
        result("torture.tracking.outage_unanswered", len(asked.unanswered))
        result("torture.tracking.outage_wrong_answers", asked.wrong)
        result("torture.tracking.outage_stored", stored)
        result("torture.tracking.outage_dropped", dropped)
        result("torture.tracking.outage_unaccounted", len(asked.answered) - stored - dropped)
        result("torture.tracking.outage_stored_twice", sum(count > 1 for count in now.values()))
        result("torture.tracking.outage_slowest_ms", asked.slowest * 1000)
        result("torture.tracking.memory_mb", memory)
        return (
            not asked.unanswered
            and not asked.wrong
            and max(now.values()) == 1
            and stored + dropped == len(asked.answered)
            and stored >= min(self.plan.kept, len(asked.answered))
            and memory < MOST_MEMORY_MB
            and asked.slowest < LATEST_SECONDS
        )

    def _load(self, seconds: float, meanwhile: Callable[[float], None]) -> Asked:
        return Load(self.web.base, self.plan.connections, self.requests).run(seconds, meanwhile)

    def _settled(self) -> dict[str, float]:
        """The numbers of the process, once nothing waits any more."""
        give_up_at = time.monotonic() + SETTLED_SECONDS
        while (now := metrics_of(self.web.base))["pli_hits_waiting"]:
            if time.monotonic() > give_up_at:
                say("hits are still waiting for the database")
                break
            time.sleep(0.2)
        return now

    def _rows(self) -> Counter[str]:
        with psycopg.connect(self.database_url, autocommit=True) as database:
            rows: list[Any] = database.execute(
                "SELECT replace(m.key::text, '-', ''), count(*) FROM tracking_hit h"
                " JOIN tracking_trackedmessage m ON m.id = h.tracked_message_id GROUP BY 1"
            ).fetchall()
        return Counter(dict(rows))


class _Once:
    """Does something once, when so many seconds have passed."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds, self._act, self._done = seconds, act, False

    def __call__(self, passed: float) -> None:
        if passed >= self._seconds and not self._done:
            self._done = True
            self._act()


def _sum(numbers: dict[str, float], name: str) -> float:
    return sum(value for key, value in numbers.items() if key.startswith(name))


# --- All of it --------------------------------------------------------------------------------------------------------


def torture(plan: Plan) -> bool:
    home = Path(tempfile.mkdtemp(prefix=THROWAWAY_PREFIX))
    home.chmod(0o711)
    # As in production: what was committed stands, however PostgreSQL ends.
    engines = Engines(home, environ={})
    web = None
    try:
        say(f"starting engines in {home}")
        os.environ.update(engines.start())
        (home / "static").mkdir(exist_ok=True)
        os.environ.update(
            {
                "PLI_HOME": str(home),
                "PLI_SECRET_KEY": "a-secret-for-benches-0123456789-0123456789",
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
        )
        subprocess.run(manage_command("migrate", "--verbosity", "0"), check=True)
        owner = os.environ["DATABASE_OWNER_URL"]
        with psycopg.connect(owner, autocommit=True) as database:
            fill(database, plan.messages, home / "keys")
            keys = [key for (key,) in database.execute("SELECT key FROM tracking_trackedmessage").fetchall()]
        import django

        django.setup()
        (postgres,) = (engine for engine in engines.running if isinstance(engine, Postgres))
        web = Web(home / "web.log")
        case = Torture(plan, web, postgres, owner, requests_of(keys))
        return case.passes()
    finally:
        if web is not None:
            web.close()
        engines.remove()
        shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, until a kill at the latest")
    parser.add_argument("--outage", type=float, default=30.0)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--kept", type=int, default=20_000, help="hits in memory, so that the cap is reached")
    parser.add_argument("--messages", type=int, default=1_000_000, help="a key for every request")
    parser.add_argument("--control", action="store_true", help="answer before the commit: the torture has to notice")
    passed = torture(Plan(**vars(parser.parse_args())))
    say("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
