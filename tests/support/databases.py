"""Databases beside that of the tests, for tests of migrations: no other test has to migrate anything again.

A state is made forwards, in an empty database: much shorter than taking everything back, which the tests that are about
the way back do on a copy. The copies are PostgreSQL's own and take a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from config.grants import APP, apply_grants

Migration = tuple[str, str]


@contextmanager
def database_beside(name: str, *, copy_of: str | None = None) -> Iterator[str]:
    """The name of a database that lasts as long as the block; a copy takes nobody at work in the original."""
    database = f"{settings.DATABASES['owner']['NAME']}_{name}"
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {database}" + (f" TEMPLATE {copy_of}" if copy_of else ""))
    try:
        yield database
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute(f"DROP DATABASE {database} WITH (FORCE)")


@contextmanager
def working_in(database: str) -> Iterator[None]:
    """Everything of this process reads and writes there: the app, the owner and the recorder."""
    usual, recorder = _move_to(database), settings.RECORDER_DATABASE_URL
    settings.RECORDER_DATABASE_URL = urlunsplit(urlsplit(recorder)._replace(path=f"/{database}"))
    try:
        yield
    finally:
        settings.RECORDER_DATABASE_URL = recorder
        _move_to(usual)


def _move_to(database: str) -> str:
    """Both connections; returns where they were."""
    for alias in ("default", "owner"):
        connections[alias].close()
        connections[alias].close_pool()  # type: ignore[attr-defined]
        usual: str = connections[alias].settings_dict["NAME"]
        connections[alias].settings_dict["NAME"] = database
    # They have other numbers there.
    ContentType.objects.clear_cache()
    return usual


def migrate_to(*targets: Migration) -> StateApps:
    """Forwards or back; the models as they were then."""
    return MigrationExecutor(connections["owner"]).migrate(list(targets)).apps


def migrate_before(migration: Migration) -> StateApps:
    """An empty database to all that does not need this migration; the app may then write what it likes."""
    graph = MigrationExecutor(connections["owner"]).loader.graph
    apps = migrate_to(*_last({node for node in graph.nodes if migration not in graph.forwards_plan(node)}))
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP}")
        cursor.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP}")
    return apps


def migrate_apps(*labels: str) -> None:
    """These apps, and what they need, to today; the others stay where they are, which saves most of the time."""
    migrate_to(
        *(node for node in MigrationExecutor(connections["owner"]).loader.graph.leaf_nodes() if node[0] in labels)
    )
    apply_grants(connections["owner"])


def _last(nodes: Iterable[Migration]) -> list[Migration]:
    """Of each app the last: a target before it would take the rest back."""
    graph = MigrationExecutor(connections["owner"]).loader.graph
    wanted = set(nodes)
    return sorted(node for node in wanted if not any(child.key in wanted for child in graph.node_map[node].children))
