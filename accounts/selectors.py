"""Who is a member of what."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from accounts.models import Membership, Organization, Role, User
from common.tenancy import call_door


@dataclass(frozen=True, slots=True)
class MembershipDoor:
    """A membership as seen before its organization is entered."""

    organization_id: int
    membership_id: int

    def load(self) -> Membership:
        """The row itself; only inside ``tenant(self.organization_id)``."""
        return Membership.objects.select_related("organization", "user").get(pk=self.membership_id)


def memberships_of(user: User) -> list[MembershipDoor]:
    """All organizations of a person, oldest first, through the door for it."""
    return [MembershipDoor(*row) for row in call_door("door_memberships_of_user", [user.pk])]


@dataclass(frozen=True, slots=True)
class OwnOrganization:
    """An organization by the name under which one of its members chooses it."""

    organization_id: int
    name: str
    role: str


def organizations_of(user: User) -> list[OwnOrganization]:
    """As ``memberships_of``, with names to choose by."""
    rows = call_door("door_organizations_of_user", [user.pk])
    return [OwnOrganization(number, name, str(Role(role).label)) for number, name, role in rows]


def find_organizations(wanted: str) -> list[Organization]:
    """The organizations with a public id or, failing that, a name. For commands of ops: asked as the owner role."""
    everywhere = Organization.objects.using("owner").order_by("pk")
    try:
        return list(everywhere.filter(public_id=uuid.UUID(wanted)))
    except ValueError:
        return list(everywhere.filter(name=wanted))
