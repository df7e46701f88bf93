"""Making organizations and their members."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from accounts import audit
from accounts.members import confirm_address
from accounts.models import Membership, Organization, Role, User
from common.tenancy import tenant


def create_organization(
    *, name: str, now: datetime, legal_name: str = "", legal_address: str = "", timezone: str = "Europe/Brussels"
) -> Organization:
    """A new tenant. Its number is drawn first, since the wall around the row asks for it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('accounts_organization', 'id'))")
            (number,) = cursor.fetchone()
        with tenant(number):
            return Organization.objects.create(
                pk=number,
                name=name,
                legal_name=legal_name or name,
                legal_address=legal_address,
                timezone=timezone,
                created_at=now,
            )


def add_member(organization: Organization, user: User, *, role: str, now: datetime) -> Membership:
    """Make a person a member, or give a member another role."""
    with tenant(organization.pk):
        membership, _created = Membership.objects.update_or_create(
            organization=organization,
            user=user,
            defaults={"role": role},
            create_defaults={"role": role, "created_at": now},
        )
        confirm_address(user)
        return membership


def found_organization(user: User, *, name: str, legal_address: str, timezone: str, now: datetime) -> Organization:
    """Somebody who signed up begins: their organization, and them as its first owner."""
    with transaction.atomic():
        organization = create_organization(name=name, legal_address=legal_address, timezone=timezone, now=now)
        add_member(organization, user, role=Role.OWNER, now=now)
        audit.record(organization, actor=user, action="organization:create", target=name, now=now)
    return organization
