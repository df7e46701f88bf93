"""Attacks on the walls and doors, each with a way to take its guard away: with the guard it fails, without it works.

``test_attacks.py`` and ``make prove-tenants`` try them all. A guard is patched away from outside; nothing in the
product can switch it off. An attack that fails without its guard proves nothing, so that is an error, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.cache import cache
from django.db import connections, transaction
from django.test import Client

from accounts.models import User
from tests.isolation.matrix import House, make_house
from tests.privacy.pages import Home, make_home
from tests.support.cast import Cast

type Guard = AbstractContextManager[object]


@dataclass
class Stage:
    """Where attacks are tried: two furnished organizations, and a recipient with the addresses of her mail."""

    cast: Cast
    now: datetime

    @cached_property
    def house(self) -> House:
        return make_house(self.cast, self.now)

    @cached_property
    def home(self) -> Home:
        return make_home(self.cast, self.now)


@dataclass(frozen=True)
class Attack:
    """``attempt`` says whether it worked."""

    name: str
    attempt: Callable[[Stage], bool]
    without: Callable[[], Guard]

    def works(self, stage: Stage, *, guarded: bool) -> bool:
        """Tried once; whatever it changed is taken back."""
        with nullcontext() if guarded else self.without():
            cache.clear()
            with transaction.atomic():
                worked = self.attempt(stage)
                transaction.set_rollback(True)
        cache.clear()
        return worked


def all_attacks() -> list[Attack]:
    from tests.isolation import attacks_on_content, attacks_on_doors, attacks_on_walls

    return [*attacks_on_walls.ATTACKS, *attacks_on_doors.ATTACKS, *attacks_on_content.ATTACKS]


def prepare(stage: Stage) -> None:
    """Everything there is, committed, before the first attack: each is rolled back."""
    assert stage.house
    assert stage.home


def signed_in(member: User, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(member)
    return client


def both(*guards: Callable[[], Guard]) -> Callable[[], Guard]:
    """Several guards away at once, where each would hold by itself."""

    @contextmanager
    def away() -> Iterator[None]:
        with ExitStack() as stack:
            for guard in guards:
                stack.enter_context(guard())
            yield

    return away


def without_constraint(table: str, name: str) -> Callable[[], Guard]:
    """A constraint of the database, gone for a while."""

    @contextmanager
    def away() -> Iterator[None]:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name])
            (definition,) = cursor.fetchone()
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            try:
                yield
            finally:
                cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")

    return away
