"""Who is a member of what."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import Membership, User
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
