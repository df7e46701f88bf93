"""Embedded engines: real PostgreSQL and Valkey, started here, as an operator's machine would."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import THROWAWAY_PREFIX, Engines, engine_urls, sweep_throwaways, throwaway_engines
from config.engine_home import (
    AlreadyRunningError,
    EngineError,
    EnginesNeverStartedError,
    State,
    claim_place,
    engine_account,
    works,
)
from config.engine_postgres import find_postgres, find_system_postgres, reachable_programs
from config.engine_postgres import settings_for as postgres_settings_for
from config.engine_valkey import find_system_valkey, find_valkey
from tests.config.processes import processes_of, user_of

ROLES = {
    # Name: may create databases, sees all rows, is superuser.
    "pli_owner": (True, True, False),
    "pli_app": (False, False, False),
    "pli_recorder": (False, False, False),
}


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    engines = Engines(tmp_path_factory.mktemp("engines"), durable=False, environ={})
    yield engines.start()
    engines.stop()


@pytest.fixture
def started() -> Iterator[list[Engines]]:
    """Engines to stop and delete after the test, whatever happens in it."""
    engines: list[Engines] = []
    yield engines
    for one in engines:
        one.remove()


def test_first_start_makes_three_roles_with_just_what_they_need(urls: dict[str, str]) -> None:
    with psycopg.connect(urls["DATABASE_OWNER_URL"]) as connection:
        query = "SELECT rolname, rolcreatedb, rolbypassrls, rolsuper FROM pg_roles WHERE rolname LIKE 'pli%'"
        assert {name: tuple(rest) for name, *rest in connection.execute(query)} == ROLES
        query = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pli%' AND (rolcreaterole OR rolreplication)"
        assert connection.execute(query).fetchall() == []


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_RECORDER_URL"])
def test_app_and_recorder_may_not_make_tables(urls: dict[str, str], name: str) -> None:
    with (
        psycopg.connect(urls[name]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE public.mine (id int)")


def test_every_address_wants_its_password(urls: dict[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(urls["DATABASE_URL"].replace("pli_app:", "pli_app:no"))
    with (
        redis.Redis.from_url(urls["REDIS_URL"].replace("redis://:", "redis://:no")) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_case_and_encoding_are_those_of_unicode(urls: dict[str, str]) -> None:
    with psycopg.connect(urls["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT lower('ÉÀÇ'), current_setting('timezone')").fetchone() == ("éàç", "UTC")


def test_data_and_ports_survive_a_restart(tmp_path: Path, started: list[Engines]) -> None:
    home = tmp_path / "a home"
    first = Engines(home, environ={})
    started.append(first)
    urls = first.start()
    with psycopg.connect(urls["DATABASE_OWNER_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    with redis.Redis.from_url(urls["REDIS_URL"]) as client:
        client.set("kept", "1")
    assert engine_urls(home) == urls
    first.stop()
    assert processes_of(home) == {}

    second = Engines(home, environ={})
    started.append(second)
    assert second.start() == urls
    with psycopg.connect(urls["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT to_regclass('public.kept') IS NOT NULL").fetchone() == (True,)
    with redis.Redis.from_url(urls["REDIS_URL"]) as client:
        assert client.get("kept") == b"1"


def test_killed_engines_come_back_with_what_was_committed(tmp_path: Path, started: list[Engines]) -> None:
    engines = Engines(tmp_path / "home", environ={})
    started.append(engines)
    urls = engines.start()
    with psycopg.connect(urls["DATABASE_OWNER_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    for pid, command in processes_of(engines.home).items():
        if "postgres -D" in command or "valkey-server" in command:
            os.kill(pid, signal.SIGKILL)
    for child in [engine.child for engine in engines.running if engine.child is not None]:
        assert child.wait(10)

    assert engines.revive() == ["PostgreSQL", "Valkey"]
    assert engines.revive() == []
    with psycopg.connect(urls["DATABASE_OWNER_URL"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)


def test_the_number_of_another_process_in_a_stale_pid_file_is_no_obstacle(
    tmp_path: Path, started: list[Engines]
) -> None:
    engines = Engines(tmp_path / "home", environ={"REDIS_URL": "redis://elsewhere/0"})
    started.append(engines)
    engines.start()
    data = Path(State.of(engines.home).place) / "postgres"
    engines.stop()
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    engines.start()


def test_a_home_that_is_in_use_is_refused_and_left_alone(tmp_path: Path, started: list[Engines]) -> None:
    engines = Engines(tmp_path / "home", environ={"REDIS_URL": "redis://elsewhere/0"})
    started.append(engines)
    urls = engines.start()
    with pytest.raises(AlreadyRunningError, match=rf"already runs in .*home \(process {os.getpid()}\)"):
        Engines(tmp_path / "home", environ={}).start()
    psycopg.connect(urls["DATABASE_URL"]).close()


def test_engines_do_not_run_as_root_and_open_nobodys_folders(tmp_path: Path, started: list[Engines]) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    engines = Engines(home, environ={})
    started.append(engines)
    engines.start()
    account = engine_account()
    wanted = account.uid if account is not None else os.getuid()
    assert wanted != 0
    running = processes_of(home)
    assert {user_of(pid) for pid in running} == {wanted}
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (home / "engines.json").stat().st_mode & 0o777 == 0o600
    # What anybody on the machine can list holds no password.
    passwords = State.of(home).passwords.values()
    assert not [command for command in running.values() if any(password in command for password in passwords)]


def test_programs_in_a_closed_folder_are_copied_to_where_they_can_run(tmp_path: Path) -> None:
    account = engine_account()
    closed, place = tmp_path / "closed", Path(tempfile.mkdtemp())
    place.chmod(0o711)
    closed.mkdir(mode=0o700)
    programs = find_postgres()
    package = closed / programs.parent.parent.name
    shutil.copytree(programs.parent.parent, package, symlinks=True)
    libraries = programs.parent.parent.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, package.with_name(libraries.name), symlinks=True)
    try:
        found = reachable_programs(package / "pginstall" / "bin", place, account)
        assert works([str(found / "postgres"), "--version"], account)
        assert found.is_relative_to(place if account is not None else closed)
    finally:
        shutil.rmtree(place)


def test_without_a_start_the_message_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(EnginesNeverStartedError, match="make run"):
        engine_urls(tmp_path)


def test_a_damaged_state_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "engines.json").write_text("{")
    with pytest.raises(EngineError, match="damaged"):
        Engines(tmp_path, environ={}).start()
    assert (tmp_path / "engines.json").read_text() == "{"


def test_engines_that_the_environment_names_are_not_started(tmp_path: Path, started: list[Engines]) -> None:
    environ = {
        "DATABASE_URL": "postgres://a/1",
        "DATABASE_OWNER_URL": "postgres://b/2",
        "DATABASE_RECORDER_URL": "postgres://c/3",
        "REDIS_URL": "redis://d/4",
    }
    engines = Engines(tmp_path / "home", environ=environ)
    started.append(engines)
    assert engines.start() == environ
    assert processes_of(tmp_path / "home") == {}


def test_half_of_the_database_addresses_is_refused(tmp_path: Path, started: list[Engines]) -> None:
    engines = Engines(tmp_path / "home", environ={"DATABASE_URL": "postgres://a/1"})
    started.append(engines)
    with pytest.raises(EngineError, match="DATABASE_OWNER_URL and DATABASE_RECORDER_URL must be set too"):
        engines.start()


def test_data_of_another_version_is_refused_in_words(tmp_path: Path, started: list[Engines]) -> None:
    engines = Engines(tmp_path / "home", environ={"REDIS_URL": "redis://elsewhere/0"})
    started.append(engines)
    engines.start()
    engines.stop()
    (Path(State.of(engines.home).place) / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EngineError, match="written by PostgreSQL 9"):
        engines.start()


def test_data_of_a_deleted_home_is_moved_aside_and_said(tmp_path: Path, started: list[Engines]) -> None:
    home = tmp_path / "home"
    engines = Engines(home, environ={"REDIS_URL": "redis://elsewhere/0"})
    started.append(engines)
    engines.start()
    engines.stop()
    (home / "engines.json").unlink()
    again = Engines(home, environ={"REDIS_URL": "redis://elsewhere/0"})
    started.append(again)
    again.start()
    aside = again.notices[0].split()[-1].rstrip(".")
    assert (Path(aside) / "postgres" / "PG_VERSION").exists()
    shutil.rmtree(aside)


def test_a_place_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "place").symlink_to(tmp_path / "real")
    with pytest.raises(EngineError, match="belongs to somebody else"):
        claim_place(tmp_path / "place", tmp_path)


def test_throwaway_engines_leave_nothing_and_sweep_what_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"{THROWAWAY_PREFIX}left"
    (left / "engines").mkdir(parents=True)
    State(place=str(left / "engines"), passwords={}).save(left)
    with throwaway_engines() as urls:
        assert [path.name for path in tmp_path.iterdir()] != [left.name]
        assert not left.exists()
        sweep_throwaways()
        psycopg.connect(urls["DATABASE_URL"]).close()
    assert list(tmp_path.iterdir()) == []


def test_the_newest_postgresql_of_the_system_is_taken(tmp_path: Path) -> None:
    for version in ("14", "15", "17", "not-a-version"):
        programs = tmp_path / version / "bin"
        programs.mkdir(parents=True)
        (programs / "postgres").touch()
    assert find_system_postgres(tmp_path) == tmp_path / "17" / "bin"


def test_a_postgresql_too_old_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "14" / "bin").mkdir(parents=True)
    (tmp_path / "14" / "bin" / "postgres").touch()
    with pytest.raises(EngineError, match=r"No PostgreSQL 15 or newer.*DATABASE_URL"):
        find_system_postgres(tmp_path)


def test_redis_on_path_stands_in_for_valkey(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"No Valkey or Redis.*REDIS_URL"):
        find_system_valkey(str(tmp_path))
    (tmp_path / "redis-server").symlink_to(find_valkey())
    assert find_system_valkey(str(tmp_path)) == tmp_path / "redis-server"


@pytest.mark.parametrize(
    ("gibibytes", "shared", "wal"),
    [pytest.param(0.125, "64MB", "4MB", id="tiny"), pytest.param(1, "256MB", "16MB"), (64, "2048MB", "64MB")],
)
def test_memory_is_sized_to_the_machine(gibibytes: float, shared: str, wal: str) -> None:
    settings = postgres_settings_for(int(gibibytes * 1024**3), durable=True, lz4=True)
    assert (settings["shared_buffers"], settings["wal_buffers"]) == (shared, wal)
    assert settings["synchronous_commit"] == settings["fsync"] == "on"
    assert settings["wal_compression"] == "lz4"
