"""Sends a mailing while everything that takes part is killed at random, and compares what arrived with the database.

    python -m bench.torture_sending [--messages N] [--kills N] [--server-kills N] [--restarts N] [--flushes N]
                                    [--pauses N] [--lease SECONDS] [--control]

Workers and the SMTP server get SIGKILL, PostgreSQL is restarted, Valkey flushed, the mailing paused and resumed. At the
end nobody may be lost, nobody may have got two copies unless the message is listed as one that may have been sent, and
no message may be stuck. With --control the workers are broken on purpose, and the torture has to notice.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.support import CHECKOUT, result, say
from bench.torture_mailing import make_mailing
from config.embedded import THROWAWAY_PREFIX, Engines
from config.engine_postgres import Postgres
from config.services import beat_command, manage_command

SEED = 20_261_122
WORKERS = 2
CONNECTIONS = 4
GROUP = 10
GAP_SECONDS = 1.0
# How long what a living worker has on its way may take.
SETTLED_SECONDS = 15.0
PAUSE_WATCHED_SECONDS = 3.0
# So many arrive before a pause: everything that works at it is at full speed then.
AT_FULL_SPEED = 200
GIVE_UP_SECONDS = 900.0


@dataclass(frozen=True)
class Plan:
    messages: int
    kills: int
    server_kills: int
    restarts: int
    flushes: int
    pauses: int
    lease: float
    seconds_per_message: float
    control: bool

    def blows(self) -> list[str]:
        """In an order of chance, the same each time."""
        blows = ["kill"] * self.kills + ["server"] * self.server_kills + ["restart"] * self.restarts
        blows += ["flush"] * self.flushes + ["pause"] * self.pauses
        random.Random(SEED).shuffle(blows)
        return blows


# --- What is tortured -------------------------------------------------------------------------------------------------


class Server:
    """The SMTP server, and its log."""

    def __init__(self, folder: Path, seconds_per_message: float) -> None:
        self.log, self._speed = folder / "accepted", folder / "speed"
        self.log.touch()
        self.slow = seconds_per_message
        self.take(self.slow)
        self.port = 0
        self.start()

    def take(self, seconds: float) -> None:
        fresh = self._speed.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._speed)

    def start(self) -> None:
        command = [sys.executable, "-m", "bench.sink", "--log", str(self.log), "--speed", str(self._speed)]
        command += ["--port", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def accepted(self) -> list[tuple[float, str]]:
        lines = self.log.read_text().splitlines()
        return [(float(moment), reference) for moment, reference in (line.split() for line in lines)]


class Workers:
    """The product's workers and its beat, in process groups of their own."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        self._environ = environ
        self._log = (home / "workers.log").open("ab")
        self._number = 0
        self.running = [self._start_worker() for _ in range(WORKERS)]
        self._beat = self._start(beat_command(home))

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=self._environ, cwd=CHECKOUT, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def _start_worker(self) -> subprocess.Popen[bytes]:
        self._number += 1
        return self._start([sys.executable, "-m", "bench.torture_worker", f"worker-{self._number}"])

    def kill_one(self, chance: random.Random) -> None:
        """Everything of it at once, as when memory runs out or power fails; another one starts."""
        victim = self.running.pop(chance.randrange(len(self.running)))
        end(victim)
        self.running.append(self._start_worker())

    def stop(self) -> None:
        for process in (*self.running, self._beat):
            end(process)
        self._log.close()


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# --- The torture ------------------------------------------------------------------------------------------------------


@dataclass
class Torture:
    plan: Plan
    server: Server
    workers: Workers
    postgres: Postgres
    organization_id: int
    mailing_id: int
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    # What each worker that was killed had on its way.
    on_their_way: list[set[int]] = field(default_factory=list)
    pause_seconds: float = 0.0

    def run(self) -> None:
        blows, began = self.plan.blows(), time.monotonic()
        for number, blow in enumerate(blows, 1):
            due = number * self.plan.messages // (len(blows) + 1)
            self._wait(partial(self._have_arrived, due))
            say(f"{time.monotonic() - began:5.1f} s, {len(self.server.accepted())} messages: {blow}")
            getattr(self, f"_{blow}")()
            time.sleep(GAP_SECONDS)
        self._wait(self._is_over)
        say(f"{time.monotonic() - began:5.1f} s: over")

    def _have_arrived(self, number: int) -> bool:
        return len(self.server.accepted()) >= number

    def _wait(self, happened: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        while not happened() and not self._is_over():
            if time.monotonic() > give_up_at:
                say("gave up waiting")
                return
            time.sleep(0.2)

    def _kill(self) -> None:
        """Remembers what the dead worker had on its way; what the living ones had is settled soon."""
        self.workers.kill_one(self.chance)
        left = set(self._messages(status="sending"))
        give_up_at = time.monotonic() + SETTLED_SECONDS
        while len(left) > CONNECTIONS * GROUP and time.monotonic() < give_up_at:
            time.sleep(0.2)
            left &= set(self._messages(status__in=("sending", "unknown")))
        self.on_their_way.append(left)

    def _server(self) -> None:
        self.server.kill()
        time.sleep(1.0)
        self.server.start()

    def _restart(self) -> None:
        self.postgres.stop()
        self.postgres.start()

    def _flush(self) -> None:
        import redis

        redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()

    def _pause(self) -> None:
        """Under full speed; then nothing may arrive later than two seconds after the pause stood."""
        from django.utils import timezone

        from accounts.models import Organization
        from common.tenancy import tenant
        from delivery.models import Mailing
        from delivery.services import MailingRefused, pause_mailing, resume_mailing

        self.server.take(0.0)
        before = len(self.server.accepted())
        self._wait(partial(self._have_arrived, before + AT_FULL_SPEED))
        with tenant(self.organization_id):
            organization = Organization.objects.get(pk=self.organization_id)
            mailing = Mailing.objects.get(pk=self.mailing_id)
        try:
            pause_mailing(organization, mailing, now=timezone.now())
        except MailingRefused:
            say("it was over before it could be paused")
            return
        paused_at = time.time()
        time.sleep(PAUSE_WATCHED_SECONDS)
        late = [moment - paused_at for moment, _reference in self.server.accepted()]
        self.pause_seconds = max(self.pause_seconds, *late, 0.0)
        self.server.take(self.server.slow)
        resume_mailing(organization, mailing, now=timezone.now())

    # --- Reading the database, which may be away

    def _messages(self, **wanted: object) -> dict[int, tuple[str, str]]:
        """Reference and status, by number."""
        from delivery.models import Message

        rows = self._ask(
            lambda: list(
                Message.objects.filter(mailing=self.mailing_id, **wanted).values_list("pk", "reference", "status")
            )
        )
        return {pk: (reference.hex, status) for pk, reference, status in rows}

    def _is_over(self) -> bool:
        from delivery.models import Mailing

        return self._ask(lambda: Mailing.objects.get(pk=self.mailing_id).state) == "done"

    def _ask[T](self, question: Callable[[], T]) -> T:
        from django import db

        from common.tenancy import tenant

        while True:
            try:
                with tenant(self.organization_id):
                    return question()
            except (db.OperationalError, db.InterfaceError):
                db.connections.close_all()
                time.sleep(0.2)

    # --- What came of it

    def judge(self) -> bool:
        arrived = Counter(reference for _moment, reference in self.server.accepted())
        messages = self._messages()
        doubtful = {pk for pk, (_reference, status) in messages.items() if status == "unknown"}
        lost = [pk for pk, (reference, status) in messages.items() if status == "sent" and not arrived[reference]]
        twice = [pk for pk, (reference, _status) in messages.items() if arrived[reference] > 1 and pk not in doubtful]
        stuck = [pk for pk, (_reference, status) in messages.items() if status not in ("sent", "unknown")]
        most = self._most_per_kill(doubtful)
        result("torture.messages", len(messages))
        result("torture.kills", len(self.on_their_way))
        result("torture.lost", len(lost))
        result("torture.sent_twice_unlisted", len(twice))
        result("torture.unknown", len(doubtful))
        result("torture.unknown_most_per_kill", most)
        result("torture.stuck", len(stuck))
        result("torture.pause_seconds", self.pause_seconds, 2)
        blows_at_server = self.plan.server_kills * WORKERS
        return (
            not lost
            and not twice
            and not stuck
            and most <= CONNECTIONS * GROUP
            and len(doubtful) <= (len(self.on_their_way) + blows_at_server) * CONNECTIONS * GROUP
            and len(self.on_their_way) == self.plan.kills
            and self.pause_seconds <= 2.0
        )

    def _most_per_kill(self, doubtful: set[int]) -> int:
        """How many stay in doubt of what one dead worker had on its way."""
        seen: set[int] = set()
        most = 0
        for on_their_way in self.on_their_way:
            most = max(most, len((on_their_way & doubtful) - seen))
            seen |= on_their_way
        return most


# --- All of it --------------------------------------------------------------------------------------------------------


def torture(plan: Plan) -> bool:
    home = Path(tempfile.mkdtemp(prefix=THROWAWAY_PREFIX))
    home.chmod(0o711)
    # As in production: what was committed stands, however PostgreSQL ends.
    engines = Engines(home, environ={})
    server, workers = None, None
    try:
        say(f"starting engines in {home}")
        os.environ.update(engines.start())
        (home / "static").mkdir(exist_ok=True)
        server = Server(home, plan.seconds_per_message)
        os.environ.update(
            {
                "PLI_HOME": str(home),
                "PLI_SECRET_KEY": "a-secret-for-benches-0123456789-0123456789",
                "PLI_SMTP_URL": f"smtp://127.0.0.1:{server.port}",
                "PLI_SMTP_CONNECTIONS": str(CONNECTIONS),
                "PLI_BASE_URL": "https://pli.example",
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "TORTURE_LEASE": str(plan.lease) if plan.lease else "",
                "TORTURE_CONTROL": "1" if plan.control else "",
            }
        )
        subprocess.run(manage_command("migrate", "--verbosity", "0"), check=True)
        import django

        django.setup()
        organization_id, mailing_id = make_mailing(plan.messages)
        workers = Workers(home, dict(os.environ))
        (postgres,) = (engine for engine in engines.running if isinstance(engine, Postgres))
        case = Torture(plan, server, workers, postgres, organization_id, mailing_id)
        case.run()
        return case.judge()
    finally:
        if workers is not None:
            workers.stop()
        if server is not None:
            server.kill()
        if os.environ.get("TORTURE_LOG") and (home / "workers.log").exists():
            shutil.copy(home / "workers.log", os.environ["TORTURE_LOG"])
        engines.remove()
        shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--server-kills", type=int, default=2)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--flushes", type=int, default=1)
    parser.add_argument("--pauses", type=int, default=2)
    parser.add_argument("--lease", type=float, default=0.0, help="shorter leases; 0: the product's own")
    parser.add_argument("--seconds-per-message", type=float, default=0.05)
    parser.add_argument("--control", action="store_true", help="break the workers: the torture has to notice")
    passed = torture(Plan(**vars(parser.parse_args())))
    say("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
