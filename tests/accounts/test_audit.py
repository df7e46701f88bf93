"""The trail of who did what."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import DatabaseError, connections, transaction

from accounts.audit import acting_as, record
from accounts.models import AuditEntry, Organization
from common.tenancy import tenant
from tests.support.cast import Cast


def entries(organization: Organization) -> list[AuditEntry]:
    with tenant(organization.pk):
        return list(AuditEntry.objects.order_by("pk"))


@pytest.mark.django_db
def test_an_entry_says_who_did_what(cast: Cast, now: datetime) -> None:
    record(cast.bakery, actor=cast.ana, action="website:country:change", target="website 1", now=now)
    with acting_as(cast.max):
        record(cast.bakery, actor=None, action="campaign:archive", details={"emails": 2}, now=now)
    record(cast.bakery, actor=None, action="launch:pause", now=now)
    assert [(entry.actor_name, entry.action, entry.target, entry.details) for entry in entries(cast.bakery)] == [
        ("ana@bakery.example", "website:country:change", "website 1", {}),
        ("max@bakery.example", "campaign:archive", "", {"emails": 2}),
        ("", "launch:pause", "", {}),
    ]
    assert entries(cast.cinema) == []


@pytest.mark.django_db
def test_what_an_operator_does_bears_both_names_even_where_a_service_is_told_one(cast: Cast, now: datetime) -> None:
    with acting_as(cast.ana, impersonator=cast.cleo):
        record(cast.bakery, actor=cast.cleo, action="website:country:change", now=now)
        record(cast.bakery, actor=None, action="website:country:change", now=now)
    for entry in entries(cast.bakery):
        assert (entry.actor, entry.impersonator) == (cast.ana, cast.cleo)
        assert (entry.actor_name, entry.impersonator_name) == ("ana@bakery.example", "cleo@cinema.example")


@pytest.mark.django_db
def test_what_is_rolled_back_leaves_no_entry(cast: Cast, now: datetime) -> None:
    def change_and_fail() -> None:
        with tenant(cast.bakery.pk):
            record(cast.bakery, actor=cast.ana, action="website:country:change", now=now)
            raise LookupError

    with pytest.raises(LookupError):
        change_and_fail()
    assert entries(cast.bakery) == []


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize("alias", ["default", "owner"])
def test_nobody_changes_the_trail_by_mistake(cast: Cast, now: datetime, alias: str) -> None:
    record(cast.bakery, actor=cast.ana, action="website:country:change", now=now)

    def execute(statement: str) -> None:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("SELECT set_config('app.organization', %s, true)", [str(cast.bakery.pk)])
            cursor.execute("SET LOCAL app.ledger_maintenance = 'off'")
            cursor.execute(statement)

    for statement in ("UPDATE accounts_auditentry SET at = at", "DELETE FROM accounts_auditentry"):
        with pytest.raises(DatabaseError, match=r"append-only|permission denied"):
            execute(statement)
