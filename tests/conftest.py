"""Engines, database and the cast of the tests.

Ana owns Bakery, Max writes its emails, Dana is its data protection officer, Ben only reads there.
Cleo owns Cinema and must never see Bakery.

Tests of a single service use ``db``; tests in which other processes or the owner role take part use
``@pytest.mark.django_db(transaction=True, databases=["default", "owner"])``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import TransactionTestCase
from django.utils import translation
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

from tests.support.emptying import empty_tables
from tests.support.engines import prepare_environment
from tests.support.order import long_first

if TYPE_CHECKING:
    from tests.support.cast import Cast

database = prepare_environment()
# How long an example takes says how busy the machine is. A test may still ask for more, or for other things.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")


def pytest_configure() -> None:
    """The settings can be read only now that the engines are up; pytest-django goes on from here."""
    assert settings.DATABASES["default"]["NAME"] == database, "the settings were read before the engines were up"
    # Five people are made for most tests; the real hash would cost them two seconds each time.
    settings.PASSWORD_HASHERS = ["tests.support.hashers.QuickHasher"]
    TransactionTestCase._fixture_teardown = empty_tables  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Workers of xdist inherit the environment: with this they would read the settings before they have a database."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items[:] = long_first(items, config.workerinput["workercount"])


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> None:
    """The database exists already (tests/support/engines.py)."""
    # Django is set up only after this file is read.
    from tests.support.tables import make_tables

    with django_db_blocker.unblock():
        make_tables()


@pytest.fixture(scope="session", autouse=True)
def _patient_counters() -> Iterator[None]:
    """A counter that is slow counts as one that is away, and on a busy machine each is slow at times."""
    # Django is set up only after this file is read.
    from common import ratelimit
    from delivery import throttle

    with pytest.MonkeyPatch.context() as patch:
        for module in (ratelimit, throttle):
            patch.setattr(module, "_PATIENCE_SECONDS", 10.0)
            module._client.cache_clear()
        yield


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A request in French leaves its language to the thread, and so to the next test."""
    with translation.override("en"):
        yield


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def cast(request: pytest.FixtureRequest, now: datetime) -> Cast:
    """Ana, Max, Dana, Ben of Bakery; Cleo of Cinema."""
    # Models can be imported only once Django is set up, which is after this file is read.
    from tests.support.cast import make_cast

    if "transactional_db" not in request.fixturenames:
        request.getfixturevalue("db")
    return make_cast(now)
