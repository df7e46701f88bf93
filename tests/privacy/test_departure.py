"""Rule D4: an organization takes its data with it, and nothing of it stays."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections

from accounts.audit import record
from accounts.members import change_role, remove_member
from accounts.models import Membership, Organization, User
from common.journal import read_acts
from common.tenancy import tenant
from consent.rules import ChoiceValue
from intake.models import Import, PeopleExport
from participants.models import Participant
from privacy.models import Departure, OrganizationExport
from privacy.services.departure import (
    DepartureRefused,
    ask_departure,
    confirm_departure,
    delete_organization,
    withdraw_departure,
)
from privacy.services.erasure import erase_participant
from privacy.services.organization_export import ask_organization_export, make_organization_export
from privacy.services.retention import apply_retention
from tests.support.cast import Cast
from tests.support.world import choose, later, make_participant, make_topic, make_website, subscribe_to
from websites.models import ConsentScope

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def ask(cast: Cast, now: datetime, **given: object) -> Departure:
    values = {"typed_name": "Bakery", "reason": "moves to another tool", "actor": cast.ana, "now": now} | given
    with tenant(cast.bakery.pk):
        return ask_departure(cast.bakery, **values)  # type: ignore[arg-type]


def confirm(cast: Cast, actor: User, now: datetime) -> Departure:
    with tenant(cast.bakery.pk):
        return confirm_departure(cast.bakery, actor=actor, now=now)


def rows_of(organization: Organization) -> dict[str, int]:
    """How many rows each table has of an organization."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attname = 'organization_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        )
        found = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" WHERE organization_id = %s', [organization.pk])  # noqa: S608
            found[table] = cursor.fetchone()[0]
    return {table: count for table, count in found.items() if count}


@contextmanager
def as_in_production() -> Iterator[None]:
    """The tests' owner may touch what is append-only; the real one may not, unless it says that it means to."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET app.ledger_maintenance = 'off'")
        yield
        cursor.execute("SET app.ledger_maintenance = 'on'")


def fill(cast: Cast, organization: Organization, owner: User, now: datetime) -> None:
    website = make_website(organization, owner, now=now)
    person = make_participant(organization, "=anna@b.example", now=now)
    subscribe_to(organization, person, make_topic(organization, website), now=now)
    choose(organization, person, opens=ChoiceValue.YES, now=now)


def test_d4_the_departure_takes_the_typed_name_an_owner_and_a_second_person(cast: Cast, now: datetime) -> None:
    for wrong in ({"typed_name": "bakery"}, {"actor": cast.max}, {"reason": " "}):
        with pytest.raises(DepartureRefused):
            ask(cast, now, **wrong)
    ask(cast, now)
    for member in (cast.ana, cast.max, cast.ben):
        with pytest.raises(DepartureRefused):
            confirm(cast, member, later(now, days=3))
    assert confirm(cast, cast.dana, now).confirmed_by == cast.dana


def test_d4_the_only_responsible_member_waits_24_hours(cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        Membership.objects.filter(user=cast.dana).delete()
    ask(cast, now)
    with pytest.raises(DepartureRefused):
        confirm(cast, cast.ana, later(now, hours=23, minutes=59))
    assert confirm(cast, cast.ana, later(now, hours=24)).confirmed_at


@pytest.mark.parametrize("how", ["another role", "is removed"])
def test_d4_whoever_takes_out_the_second_person_waits_24_hours_from_then(cast: Cast, now: datetime, how: str) -> None:
    ask(cast, now)
    gone_at = later(now, hours=30)
    with tenant(cast.bakery.pk):
        officer = Membership.objects.get(organization=cast.bakery, user=cast.dana)
        if how == "another role":
            change_role(cast.bakery, officer.pk, role="viewer", actor=cast.ana, now=gone_at)
        else:
            remove_member(cast.bakery, officer.pk, actor=cast.ana, now=gone_at)
    with pytest.raises(DepartureRefused, match="for less than 24 hours"):
        confirm(cast, cast.ana, later(gone_at, hours=24))
    assert confirm(cast, cast.ana, later(gone_at, hours=24, minutes=1)).confirmed_at


def test_d4_nothing_is_deleted_before_it_is_confirmed_or_after_it_was_withdrawn(cast: Cast, now: datetime) -> None:
    ask(cast, now)
    assert not delete_organization(cast.bakery.pk, now=now)
    with tenant(cast.bakery.pk):
        withdraw_departure(cast.bakery, actor=cast.ana, now=now)
    assert not delete_organization(cast.bakery.pk, now=now)
    assert rows_of(cast.bakery)["accounts_membership"] == 4


def test_d4_nothing_of_a_deleted_organization_stays_and_nothing_of_another_goes(
    cast: Cast, now: datetime, settings: LazySettings, tmp_path: Path
) -> None:
    settings.JOURNAL_DIR = str(tmp_path / "journal")
    for organization, owner in ((cast.bakery, cast.ana), (cast.cinema, cast.cleo)):
        fill(cast, organization, owner, now)
    before = rows_of(cast.cinema)
    with tenant(cast.bakery.pk):
        export = ask_organization_export(cast.bakery, actor=cast.ana, now=now)
    make_organization_export(cast.bakery.pk, export.pk, now=now)
    with tenant(cast.bakery.pk):
        file = OrganizationExport.objects.get().file
        people = PeopleExport(organization=cast.bakery, scope=ConsentScope.objects.get())
        people.file.save("people.csv", ContentFile(b"anna@b.example"))
        uploaded = Import(organization=cast.bakery, filename="people.csv")
        uploaded.file.save("people.csv", ContentFile(b"anna@b.example"))
    ask(cast, now)
    confirm(cast, cast.dana, now)
    record(cast.bakery, actor=cast.ana, action="organization:change", now=now)
    assert default_storage.exists(file)
    with as_in_production():
        assert delete_organization(cast.bakery.pk, now=now)
    assert rows_of(cast.bakery) == {}
    assert rows_of(cast.cinema) == before
    assert [one for one in (file, people.file.name, uploaded.file.name) if default_storage.exists(one)] == []
    # A restored backup does not bring it back (rule D3).
    latest = list(read_acts())[-1]
    assert (latest["act"], latest["subject"]) == ("departed", str(cast.bakery.public_id))
    assert list(User.objects.values_list("email", flat=True)) == ["cleo@cinema.example"]
    assert list(Organization.objects.using("owner").values_list("name", flat=True)) == ["Cinema"]


def test_d4_the_export_holds_every_row_of_the_organization_and_no_others(cast: Cast, now: datetime) -> None:
    for organization, owner in ((cast.bakery, cast.ana), (cast.cinema, cast.cleo)):
        fill(cast, organization, owner, now)
    with tenant(cast.bakery.pk):
        export = ask_organization_export(cast.bakery, actor=cast.ana, now=now)
    made = make_organization_export(cast.bakery.pk, export.pk, now=now)
    assert made is not None
    assert make_organization_export(cast.bakery.pk, export.pk, now=now) is None
    with default_storage.open(made.file) as file:
        content = io.BytesIO(file.read())
    assert made.size == len(content.getvalue())
    with zipfile.ZipFile(content) as archive:
        rows = {
            name.removesuffix(".jsonl"): [json.loads(line) for line in archive.read(name).splitlines()]
            for name in archive.namelist()
            if name.endswith(".jsonl")
        }
        assert "README.txt" in archive.namelist()
    expected = {table: count for table, count in rows_of(cast.bakery).items() if table != "privacy_organizationexport"}
    assert {table: len(lines) for table, lines in rows.items() if lines} == expected | {"accounts_organization": 1}
    assert {
        line["organization_id"] for table, lines in rows.items() for line in lines if "organization_id" in line
    } == {cast.bakery.pk}


def test_d4_the_file_of_an_export_goes_after_a_week(cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        export = ask_organization_export(cast.bakery, actor=cast.ana, now=now)
    made = make_organization_export(cast.bakery.pk, export.pk, now=now)
    assert made is not None
    assert apply_retention(cast.bakery, now=now + timedelta(days=6)).counts["exports"] == 0
    assert apply_retention(cast.bakery, now=now + timedelta(days=8)).counts["exports"] == 1
    assert not default_storage.exists(made.file)


def read_export(made: OrganizationExport) -> bytes:
    with default_storage.open(made.file) as file, zipfile.ZipFile(io.BytesIO(file.read())) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_d2_no_export_holds_anybody_who_was_erased(cast: Cast, now: datetime) -> None:
    bakery = cast.bakery
    fill(cast, bakery, cast.ana, now)
    with tenant(bakery.pk):
        anna = Participant.objects.get(email="=anna@b.example")
        asked = ask_organization_export(bakery, actor=cast.ana, now=now)
    made = make_organization_export(bakery.pk, asked.pk, now=now)
    assert made is not None
    assert b"anna@b.example" in read_export(made)
    with tenant(bakery.pk):
        being_made = ask_organization_export(bakery, actor=cast.ana, now=now)
        OrganizationExport.objects.filter(pk=being_made.pk).update(state="running", started_at=now)
    erase_participant(bakery, anna, actor=cast.dana, reason="", now=now)
    assert not default_storage.exists(made.file)
    with tenant(bakery.pk):
        again = OrganizationExport.objects.get(pk=being_made.pk)
        assert (again.state, again.started_at) == ("queued", None)
    anew = make_organization_export(bakery.pk, being_made.pk, now=now)
    assert anew is not None
    content = read_export(anew)
    assert b"b.example" not in content
    assert str(anna.ledger_id).encode() in content


def test_d4_a_file_whose_maker_was_killed_is_made_by_another_hours_later(cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        asked = ask_organization_export(cast.bakery, actor=cast.ana, now=now)
        OrganizationExport.objects.filter(pk=asked.pk).update(state="running", started_at=now)
    assert make_organization_export(cast.bakery.pk, asked.pk, now=later(now, hours=6)) is None
    made = make_organization_export(cast.bakery.pk, asked.pk, now=later(now, hours=6, seconds=1))
    assert made is not None
    assert default_storage.exists(made.file)
