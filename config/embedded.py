"""The engines of embedded mode: a real PostgreSQL and a real Valkey, started by us, for this checkout only.

Settings import this file, so nothing here may need settings. Where DATABASE_URL or REDIS_URL is set, that engine is
somebody else's and is not started.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from config.engine_home import (
    STATE_FILE,
    EngineError,
    HomeLock,
    Setup,
    State,
    choose_place,
    claim_place,
    engine_account,
    make_home,
    new_state,
    set_aside,
    usable_port,
)
from config.engine_postgres import Postgres, postgres_url
from config.engine_valkey import Valkey, valkey_url
from config.processes import Watcher, rotate

DATABASE_VARIABLES = {
    "DATABASE_URL": "pli_app",
    "DATABASE_OWNER_URL": "pli_owner",
    "DATABASE_RECORDER_URL": "pli_recorder",
}
THROWAWAY_PREFIX = "pli-throwaway-"

type Engine = Postgres | Valkey


def engine_urls(home: Path) -> dict[str, str]:
    """Where the engines of this home are, for whoever connects to them."""
    return urls_of(State.of(home))


def urls_of(state: State) -> dict[str, str]:
    urls = {variable: postgres_url(state, role) for variable, role in DATABASE_VARIABLES.items()}
    return urls | {"REDIS_URL": valkey_url(state)}


class Engines:
    """The engines of one home. `durable=False` is for data that is thrown away: it starts empty and is not synced."""

    def __init__(
        self,
        home: Path,
        *,
        durable: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.absolute()
        self.notices: list[str] = []
        self._durable = durable
        # Set before `start` by whoever has one; without it only direct children are sure to end with us.
        self.watcher: Watcher | None = None
        self._environ = os.environ if environ is None else environ
        self._account = engine_account()
        self._lock: HomeLock | None = None
        self._state: State | None = None
        self.running: list[Engine] = []

    def claim(self) -> HomeLock:
        """Take the home for this process, or say who has it. `start` does it too."""
        if self._lock is None:
            make_home(self.home)
            lock = HomeLock(self.home)
            lock.take()
            self._lock = lock
        return self._lock

    def start(self) -> dict[str, str]:
        """Start what is needed and return the URLs."""
        self.claim()
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> dict[str, str]:
        self._state = self._load_state()
        for engine in self._needed(self._state):
            rotate(engine.log)
            self.running.append(engine)
            engine.start()
            # The port may be another one now.
            self._state.save(self.home)
        return self._all_urls(self._state)

    def revive(self) -> list[str]:
        """Start again what has died, where it was. Names what it started."""
        revived = []
        for engine in self.running:
            if engine.child is None or engine.child.exit_code() is not None:
                engine.start()
                revived.append(engine.name)
        if revived and self._state is not None:
            self._state.save(self.home)
        return revived

    def keep_mailbox_port(self, given: int = 0) -> int:
        """The port given, else that of last time while it is free; noted for other commands of this home."""
        if self._state is None:
            message = "The engines have not been started."
            raise EngineError(message)
        self._state.mailbox_port = given or usable_port(self._state.mailbox_port)
        self._state.save(self.home)
        return self._state.mailbox_port

    def stop(self) -> None:
        while self.running:
            self.running.pop().stop()
        if self._state is not None and not self._durable:
            shutil.rmtree(self._state.place, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def remove(self) -> None:
        """Stop, and delete all data."""
        self.stop()
        state = self._state or State.load(self.home)
        if state is not None:
            shutil.rmtree(state.place, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> dict[str, str]:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _load_state(self) -> State:
        state = State.load(self.home)
        if state is not None and self._durable:
            claim_place(Path(state.place), self.home)
            return state
        place = choose_place(self.home, self._account) if state is None else Path(state.place)
        if not self._durable:
            shutil.rmtree(place, ignore_errors=True)
        elif aside := set_aside(place):
            self.notices.append(f"{self.home} is new, but there was data of an older one: it is now in {aside}.")
        claim_place(place, self.home)
        state = new_state(place)
        # Before any data is made: data whose passwords are lost is lost.
        state.save(self.home)
        return state

    def _needed(self, state: State) -> list[Engine]:
        setup = Setup(
            place=Path(state.place),
            state=state,
            logs=self.home / "log",
            account=self._account,
            durable=self._durable,
            # Nothing of ours but the home, by which an engine's owner can be told.
            environ={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PLI_HOME": str(self.home)},
            watcher=self.watcher,
        )
        needed: list[Engine] = []
        if not self._given(*DATABASE_VARIABLES):
            needed.append(Postgres(setup))
        if not self._given("REDIS_URL"):
            needed.append(Valkey(setup))
        return needed

    def _given(self, *variables: str) -> bool:
        """Whether the environment names this engine; all of its variables, or none."""
        missing = [name for name in variables if not self._environ.get(name)]
        if missing and len(missing) < len(variables):
            given = ", ".join(name for name in variables if name not in missing)
            message = f"{given} is set, so {' and '.join(missing)} must be set too (see docs/settings.md)."
            raise EngineError(message)
        return not missing

    def _all_urls(self, state: State) -> dict[str, str]:
        return {name: self._environ.get(name) or url for name, url in urls_of(state).items()}


@contextmanager
def throwaway_engines() -> Iterator[dict[str, str]]:
    """Fresh engines in a folder of their own, both gone afterwards. For tests and checks."""
    sweep_throwaways()
    home = Path(tempfile.mkdtemp(prefix=THROWAWAY_PREFIX))
    # Ours alone and empty, so it may be opened for the engines' user to pass through.
    home.chmod(0o711)
    # Even where the environment names engines: those are not for throwing away.
    engines = Engines(home, durable=False, environ={})
    try:
        yield engines.start()
    finally:
        engines.remove()


def sweep_throwaways() -> None:
    """Delete what earlier ones left behind when they were killed."""
    for home in Path(tempfile.gettempdir()).glob(f"{THROWAWAY_PREFIX}*"):
        # One that is just being made has no state yet; another user's is not ours to delete.
        begun = (home / STATE_FILE).exists()
        if begun and home.stat().st_uid == os.getuid() and not is_running(home):
            Engines(home, durable=False).remove()


def is_running(home: Path) -> bool:
    """Whether some process runs the engines of this home now."""
    return HomeLock(home).is_held()
