"""`make run`: everything that Pli needs, on this machine, until Ctrl-C.

python -m config.run [--engines-only] [--no-seed] [--stop-with-parent]
"""

import argparse
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType

from config.embedded import Engines
from config.engine_home import CHECKOUT, AlreadyRunningError, EngineError
from config.launcher import die_with_parent
from config.processes import Child, Program, Watcher, tail
from config.progress import say, step
from config.services import STOP_ORDER, Place, WrongVariableError, child_environ, manage_command, service_programs
from config.supervisor import Supervisor

READY_SECONDS = 180.0
DEATHS_WHILE_STARTING = 3
LOOK_SECONDS = 0.2
SAME_REQUEST_SECONDS = 1.0


class StopRequestedError(Exception):
    """Ctrl-C or SIGTERM."""


class PortTakenError(EngineError):
    """Somebody else answers on our port."""


class StartError(EngineError):
    """Something that Pli needs did not start."""


class StopSignals:
    """Counts requests to stop: the first is obeyed in order, the second at once."""

    def __init__(self) -> None:
        self.count = 0
        self._latest_at = 0.0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # No work here: a handler may come in the middle of anything, of starting a child for one.
        now = time.monotonic()
        # `timeout make run` sends one request to us directly and through make.
        if self.count == 0 or now - self._latest_at > SAME_REQUEST_SECONDS:
            self.count += 1
            self._latest_at = now

    def hurry(self) -> bool:
        return self.count > 1

    def pause(self, seconds: float = LOOK_SECONDS) -> None:
        if not self.count:
            time.sleep(seconds)
        if self.count:
            raise StopRequestedError


class Run:
    def __init__(self, place: Place, *, seed: bool, engines_only: bool) -> None:
        self.place = place
        self._seed = seed
        self._engines_only = engines_only
        self._signals = StopSignals()
        # Before the watcher, which must not outlive a start that is refused.
        self._engines = Engines(place.home)
        self._lock = self._engines.claim()
        if not engines_only:
            refuse_taken_port(place)
        self._lock.describe(f"process {os.getpid()}, {'engines only' if engines_only else place.url + '/console/'}")
        self._watcher = Watcher()
        self._engines.watcher = self._watcher
        self._supervisor = Supervisor(self._watcher, say)

    def run(self) -> int:
        try:
            self._start()
            while True:
                self._signals.pause()
                self._supervisor.tick()
                self._revive_engines()
        except StopRequestedError:
            return 0
        finally:
            self._stop()

    def _start(self) -> None:
        with step("Starting PostgreSQL and Valkey"):
            self._engines.start()
        for notice in self._engines.notices:
            say(notice)
        if self._engines_only:
            say(f"The engines run; their addresses are in {self.place.home / 'engines.json'}. Ctrl-C stops them.")
            return
        mailbox = not os.environ.get("PLI_SMTP_URL")
        environ = child_environ(self.place, self._mailbox_port() if mailbox else 0)
        self._once("Preparing database and static files", "prepare", environ)
        if self._seed and not (self.place.home / "demo.json").exists():
            self._once("Filling in the demonstration organization (first run only)", "seed", environ)
        for name, program in service_programs(self.place, environ, mailbox=mailbox).items():
            self._supervisor.start(name, program)
        with step("Starting web, worker, beat and mailbox" if mailbox else "Starting web, worker and beat"):
            self._wait_until_ready()
        self._welcome()

    def _mailbox_port(self) -> int:
        given = os.environ.get("PLI_MAILBOX_PORT", "")
        return self._engines.keep_mailbox_port(int(given) if given.isdigit() else 0)

    def _once(self, what: str, command: str, environ: dict[str, str]) -> None:
        """Run a management command to its end."""
        log = self.place.log(command)
        log.unlink(missing_ok=True)
        with step(what, log=log):
            child = Child(Program(manage_command(command), log, environ, folder=CHECKOUT), watcher=self._watcher)
            try:
                while child.exit_code() is None:
                    self._signals.pause(0.05)
            finally:
                child.stop()
            if child.exit_code() != 0:
                message = f"{what} failed. The end of {log}:\n{tail(log)}"
                raise StartError(message)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        for path in ("/healthz", "/readyz"):
            while (answer := ask(self.place, path)) != "":
                self._signals.pause()
                self._supervisor.tick()
                self._give_up_on_the_dying()
                if time.monotonic() > deadline:
                    message = (
                        f"Not ready after {READY_SECONDS:.0f} s; {path} says: {answer}\nSee {self.place.home / 'log'}."
                    )
                    raise StartError(message)

    def _give_up_on_the_dying(self) -> None:
        for service in self._supervisor.services.values():
            if service.deaths >= DEATHS_WHILE_STARTING:
                log = service.program.log
                message = f"The {service.name} does not stay up. The end of {log}:\n{tail(log)}"
                raise StartError(message)

    def _welcome(self) -> None:
        say(f"\nPli runs:  {self.place.url}/console/")
        try:
            demo = json.loads((self.place.home / "demo.json").read_text())
            say(f"Sign in:   {demo['email']}   password: {demo['password']}")
        except (OSError, ValueError, KeyError):
            say("Sign in:   with your account")
        say(f"Logs:      {self.place.home / 'log'}\nCtrl-C stops everything.\n")

    def _revive_engines(self) -> None:
        try:
            for name in self._engines.revive():
                say(f"{name} had stopped; it runs again. See {self.place.home / 'log'}.")
        except EngineError as error:
            say(f"{error}\nIt is tried again in 5 s.")
            self._signals.pause(5.0)

    def _stop(self) -> None:
        if self._signals.count:
            say("\nStopping. Ctrl-C again stops at once.")
        self._supervisor.stop(STOP_ORDER, hurry=self._signals.hurry)
        self._engines.stop()
        self._watcher.close()
        say("Stopped.")


def ask(place: Place, path: str) -> str:
    """Empty when all is well, else what is wrong."""
    connection = http.client.HTTPConnection(place.host.strip("[]"), place.port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    return "" if answer.status == 200 else f"status {answer.status}: {text}"


def refuse_taken_port(place: Place) -> None:
    family = socket.AF_INET6 if ":" in place.bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.bind, place.port))
            # A server that shares its port lets others bind, but not listen.
            probe.listen()
        except OSError as error:
            message = (
                f"Port {place.port} on {place.bind} cannot be used ({error.strerror}). "
                f"Stop what answers there, or choose another port: PORT={place.port + 1} make run"
            )
            raise PortTakenError(message) from error


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make run", description="Run Pli on this machine.")
    parser.add_argument("--engines-only", action="store_true", help="PostgreSQL and Valkey only")
    parser.add_argument("--no-seed", action="store_true", help="do not fill in the demonstration organization")
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when the program that started it ends")
    options = parser.parse_args(arguments)
    if options.stop_with_parent:
        die_with_parent(os.getppid(), signal.SIGTERM)
    try:
        place = Place.from_environ(os.environ)
        return Run(place, seed=not options.no_seed, engines_only=options.engines_only).run()
    except (AlreadyRunningError, PortTakenError, WrongVariableError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
