"""Who works in an organization: their roles, and that there is always an owner."""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Membership, Organization, Role, User
from common.tenancy import tenant


class MembersRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """It stays as it is; the message is for the member who asked."""


class NothingThere(MembersRefused):
    """Gone meanwhile, or somebody else's."""


def lock_members(organization: Organization) -> None:
    """One change of members after the other, until the transaction ends: two owners cannot both be the first to go."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def change_role(organization: Organization, membership_id: int, *, role: str, actor: User, now: datetime) -> None:
    """An owner gives a member another role."""
    with tenant(organization.pk):
        lock_members(organization)
        require_owner(organization, actor)
        membership = _find(organization, membership_id)
        if role not in Role.values:
            raise MembersRefused(_("There is no such role."))
        if membership.role == role:
            return
        _keep_an_owner(organization, membership)
        before, membership.role = membership.role, role
        membership.save(update_fields=["role"])
        details = {"before": before, "after": role}
        audit.record(
            organization,
            actor=actor,
            action="member:role:change",
            target=membership.user.email,
            details=details,
            now=now,
        )


def remove_member(organization: Organization, membership_id: int, *, actor: User, now: datetime) -> None:
    """An owner takes a member out, or a member leaves. What they wrote stays theirs."""
    with tenant(organization.pk):
        lock_members(organization)
        membership = _find(organization, membership_id)
        leaves = membership.user == actor
        if not leaves:
            require_owner(organization, actor)
        _keep_an_owner(organization, membership)
        membership.delete()
        audit.record(
            organization,
            actor=actor,
            action="member:leave" if leaves else "member:remove",
            target=membership.user.email,
            details={"role": membership.role},
            now=now,
        )


def confirm_address(user: User) -> None:
    """An operator typed it, or a mail to it was answered: a new person need not confirm it again.

    An address that somebody else signed up with stays unconfirmed: whoever owns it proves that by a mail.
    """
    address = EmailAddress(user=user, email=user.email.lower(), verified=True, primary=True)
    EmailAddress.objects.bulk_create([address], ignore_conflicts=True)


def require_owner(organization: Organization, actor: User) -> None:
    """Operators are no owners, in whoever's place they act: who works here is not theirs to say."""
    if not Membership.objects.filter(organization=organization, user=actor, role=Role.OWNER).exists():
        raise MembersRefused(_("Only an owner can do this."))


def _find(organization: Organization, membership_id: int) -> Membership:
    found = Membership.objects.filter(organization=organization, pk=membership_id).select_related("user").first()
    if found is None:
        raise NothingThere(_("This person is no longer a member."))
    return found


def _keep_an_owner(organization: Organization, going: Membership) -> None:
    if going.role != Role.OWNER:
        return
    owners = Membership.objects.filter(organization=organization, role=Role.OWNER, user__is_active=True)
    if not owners.exclude(pk=going.pk).exists():
        raise MembersRefused(_("An organization keeps at least one owner. Make another member an owner first."))
