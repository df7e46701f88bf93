"""Keep a handful of services running: started in order, started again when they die, stopped in order."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from signal import Signals

from config.processes import Child, Program, Watcher, rotate

LONGEST_BACKOFF_SECONDS = 30.0
# Whoever ran this long was well; its next death starts the counting anew.
WELL_AFTER_SECONDS = 60.0


@dataclass
class Service:
    name: str
    program: Program
    child: Child | None = None
    deaths: int = 0
    started_at: float = 0.0
    due_at: float = field(default=0.0)


def how_it_ended(code: int) -> str:
    return f"was killed by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class Supervisor:
    """Services in the order in which they were added. All methods are for the main thread (see `Child`)."""

    def __init__(self, watcher: Watcher, say: Callable[[str], None]) -> None:
        self.services: dict[str, Service] = {}
        self._watcher = watcher
        self._say = say

    def start(self, name: str, program: Program) -> None:
        rotate(program.log)
        service = Service(name, program)
        self.services[name] = service
        self._launch(service)

    def tick(self) -> None:
        """Look after everyone once: note who died, start again who is due."""
        self._watcher.revive()
        now = time.monotonic()
        for service in self.services.values():
            if service.child is not None and (code := service.child.exit_code()) is not None:
                self._note_death(service, code, now)
            if service.child is None and now >= service.due_at:
                self._launch(service)

    def stop(self, names: Iterable[str], *, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop those of these that run, one after the other. Who takes too long, or longer than a hurry, is killed."""
        for name in names:
            service = self.services.pop(name, None)
            if service is not None and service.child is not None:
                self._stop(service, service.child, hurry)

    def _launch(self, service: Service) -> None:
        service.child = Child(service.program, watcher=self._watcher)
        service.started_at = time.monotonic()

    def _note_death(self, service: Service, code: int, now: float) -> None:
        service.child = None
        service.deaths = 1 if now - service.started_at > WELL_AFTER_SECONDS else service.deaths + 1
        pause = min(2.0 ** (service.deaths - 1), LONGEST_BACKOFF_SECONDS)
        service.due_at = now + pause
        self._say(
            f"The {service.name} {how_it_ended(code)}; it is started again in {pause:.0f} s. See {service.program.log}."
        )

    def _stop(self, service: Service, child: Child, hurry: Callable[[], bool]) -> None:
        child.ask_to_stop()
        deadline = time.monotonic() + service.program.stop_seconds
        while not child.wait(0.1):
            if hurry() or time.monotonic() > deadline:
                child.kill()
                self._say(f"The {service.name} did not stop in time and was killed.")
                return
