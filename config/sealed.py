"""Every column that holds something sealed, and sealing it again under the installation's first secret.

In slices: each is a transaction of its own, what was done before a break stays done, and a second run only looks at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.db import models, transaction

from common.crypto import is_current, reseal_secret
from delivery.connection_models import Connection
from delivery.trust import restate_account

SLICE = 200
# What allauth keeps sealed stands within its own data (accounts/adapters.py).
FACTOR_SECRETS = ("secret", "seed")
# Proofs are sealed under a key of their own each, which is what ``wrapped_key`` holds.
OTHERWISE_SEALED = frozenset({("privacy", "sealed")})


@dataclass
class Rotated:
    """How many values were sealed again, were current already, and could not be opened."""

    sealed: int = 0
    current: int = 0
    unreadable: int = 0


def sealed_columns() -> list[tuple[type[models.Model], str]]:
    """By their names: ``sealed``, ``sealed_…`` or ``wrapped_key``."""
    return [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.name in ("sealed", "wrapped_key") or field.name.startswith("sealed_")
        if isinstance(field, models.CharField | models.TextField)
        if (model._meta.app_label, field.name) not in OTHERWISE_SEALED
    ]


def rotate() -> Rotated:
    """Seal everything again. Over all organizations at once, as the owner of the tables."""
    done = Rotated()
    for model, column in sealed_columns():
        for numbers in _slices(model):
            with transaction.atomic(using="owner"):
                for row in _locked(model, numbers).only("pk", column):
                    fresh = _fresh(getattr(row, column), done)
                    if fresh is not None:
                        _rows(model).filter(pk=row.pk).update(**{column: fresh})
    for numbers in _slices(Authenticator):
        with transaction.atomic(using="owner"):
            for factor in Authenticator.objects.using("owner").filter(pk__in=numbers).select_for_update():
                changes = {name: _fresh(factor.data.get(name, ""), done) for name in FACTOR_SECRETS}
                changes = {name: value for name, value in changes.items() if value is not None}
                if changes:
                    factor.data |= changes
                    factor.save(using="owner", update_fields=["data"])
    _restate_accounts()
    return done


def _restate_accounts() -> None:
    """Of which account something was said or seen stands as a keyed hash."""
    for connection in Connection.objects.using("owner").order_by("pk"):
        with suppress(InvalidToken):
            restate_account(connection, using="owner")


def _rows(model: type[models.Model]) -> models.QuerySet[models.Model]:
    return model._default_manager.using("owner")


def _locked(model: type[models.Model], numbers: list[object]) -> models.QuerySet[models.Model]:
    return _rows(model).filter(pk__in=numbers).select_for_update(of=("self",))


def _slices(model: type[models.Model]) -> Iterator[list[object]]:
    last: object = None
    while True:
        rows = _rows(model).order_by("pk")
        numbers = list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", flat=True)[:SLICE])
        if not numbers:
            return
        yield numbers
        last = numbers[-1]


def _fresh(value: str, done: Rotated) -> str | None:
    """The value under the first secret, None where there is nothing to do."""
    if not value:
        return None
    if is_current(value):
        done.current += 1
        return None
    try:
        fresh = reseal_secret(value)
    except InvalidToken:
        done.unreadable += 1
        return None
    done.sealed += 1
    return fresh
