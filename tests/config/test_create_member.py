"""Ops add people and organizations from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry, Membership, Organization, User
from accounts.services import create_organization
from common.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def create_member(*arguments: str) -> str:
    out = StringIO()
    call_command("create_member", *arguments, stdout=out)
    return out.getvalue()


def roles_of(email: str) -> dict[str, str]:
    found = {}
    for number in Organization.objects.using("owner").values_list("pk", flat=True):
        with tenant(number):
            for membership in Membership.objects.filter(user__email=email).select_related("organization"):
                found[membership.organization.name] = membership.role
    return found


def test_a_new_person_of_a_new_organization_gets_a_password_that_is_shown_once() -> None:
    shown = create_member("ana@bakery.example", "--organization", "Bakery", "--create-organization")
    password = shown.split("Password (shown this once): ")[1].strip()
    assert User.objects.get(email="ana@bakery.example").check_password(password)
    assert roles_of("ana@bakery.example") == {"Bakery": "owner"}
    # D5: alone, she waits a day for everything that measures more.
    assert "--role dpo" in shown
    assert "two people" not in create_member("dana@bakery.example", "--organization", "Bakery", "--role", "dpo")


def test_somebody_who_can_sign_in_already_gets_a_second_role_and_no_new_password() -> None:
    create_member("ana@bakery.example", "--organization", "Bakery", "--create-organization")
    shown = create_member("ANA@bakery.example", "--organization", "Cinema", "--create-organization", "--role", "dpo")
    assert "Password" not in shown
    assert roles_of("ana@bakery.example") == {"Bakery": "owner", "Cinema": "dpo"}


def test_an_unknown_organization_is_not_made_by_a_typing_mistake() -> None:
    with pytest.raises(CommandError, match="There is no organization 'Bakry'"):
        create_member("ana@bakery.example", "--organization", "Bakry")
    assert not User.objects.exists()


def test_an_organization_is_not_made_twice() -> None:
    create_member("ana@bakery.example", "--organization", "Bakery", "--create-organization")
    with pytest.raises(CommandError, match="already"):
        create_member("max@bakery.example", "--organization", "Bakery", "--create-organization")
    assert not User.objects.filter(email="max@bakery.example").exists()


def test_two_organizations_of_one_name_are_told_apart_by_their_public_id() -> None:
    first, second = (create_organization(name="Bakery", now=NOW) for _ in range(2))
    with pytest.raises(CommandError, match=str(second.public_id)):
        create_member("ana@bakery.example", "--organization", "Bakery")
    create_member("ana@bakery.example", "--organization", str(second.public_id), "--role", "viewer")
    with tenant(second.pk):
        assert Membership.objects.get().role == "viewer"
        (entry,) = AuditEntry.objects.all()
        assert (entry.action, entry.target, entry.actor) == ("member:add", "ana@bakery.example", None)
    with tenant(first.pk):
        assert not Membership.objects.exists()


@pytest.mark.parametrize("address", ["ana", "ana@", "ana@bakery.example\nbcc: x@y.example", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(CommandError, match="not an email address"):
        create_member(address, "--organization", "Bakery", "--create-organization")
    assert not Organization.objects.using("owner").exists()
