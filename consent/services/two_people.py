"""Loosening takes two people, tightening takes one (rules D5): who may take which step."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import AuditEntry, Membership, Organization, Role, User

ALONE_WAITS = timedelta(hours=24)
TIGHTENERS = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})
SECOND_PEOPLE = frozenset({Role.OWNER, Role.DPO})
# What the audit trail calls it when somebody is a member no longer, or another kind of one.
_GONE = ("member:leave", "member:remove")
_CHANGED = "member:role:change"


def role_in(organization: Organization, user: User | None) -> str:
    """The role of a person in an organization; empty for nobody and for strangers."""
    role = Membership.objects.filter(organization=organization, user=user).values_list("role", flat=True).first()
    return role or ""


def why_not_tighten(organization: Organization, author: User | None) -> str | None:
    """Why this person cannot make an organization measure less. Nobody is the system, which may."""
    if author is None or role_in(organization, author) in TIGHTENERS:
        return None
    return _("You can read here, and change nothing.")


def why_not_propose(organization: Organization, author: User | None) -> str | None:
    """Why this person cannot ask for more to be measured."""
    if role_in(organization, author) == Role.OWNER:
        return None
    return _("This measures more than before: an owner proposes it, and a second person confirms it.")


def why_not_second_person(
    organization: Organization,
    author: User,
    *,
    proposed_by_id: int,
    proposed_at: datetime,
    now: datetime,
    note: str,
) -> str | None:
    """Why this person cannot confirm what somebody proposed; None when they can."""
    if role_in(organization, author) not in SECOND_PEOPLE:
        return _("Only another owner or the data protection officer can confirm it.")
    if proposed_by_id != author.pk:
        return None
    if Membership.objects.filter(organization=organization).count() > 1:
        return _("A second person must confirm it: another owner or the data protection officer.")
    if now < proposed_at + ALONE_WAITS:
        return _("You are the only member of the organization, so it can be confirmed 24 hours after the proposal.")
    if _somebody_left(organization, since=now - ALONE_WAITS):
        return _(
            "You have been the only member of the organization for less than 24 hours: it can be confirmed after that."
        )
    if not note.strip():
        return _("You are the only member of the organization: type the reason to confirm it.")
    return None


def _somebody_left(organization: Organization, *, since: datetime) -> bool:
    """Whoever takes out the second person is not one member alone yet: that would be the way around them."""
    return AuditEntry.objects.filter(organization=organization, action__in=_GONE, at__gt=since).exists()


def ceased_to_be(organization: Organization, *roles: str, since: datetime) -> bool:
    """Whether somebody who had one of these roles has lost it since then, by what the audit trail says."""
    lost = Q(action__in=_GONE, details__role__in=roles) | Q(action=_CHANGED, details__before__in=roles)
    return AuditEntry.objects.filter(lost, organization=organization, at__gte=since).exists()


def why_not_without_opinion(
    organization: Organization, author: User, *, given: str, proposed_at: datetime, now: datetime, note: str
) -> str | None:
    """Why the officer's opinion is missing: it belongs to every loosening of an organization that has an officer.

    ``given`` is what an officer said before; ``note`` is what this person types now, which an officer says as one. What
    was proposed while there was an officer goes on to need the opinion: taking the officer out is no way around it, nor
    is proposing it right afterwards.
    """
    if given:
        return None
    if role_in(organization, author) == Role.DPO:
        return None if note.strip() else _("Type the opinion.")
    if has_officer(organization):
        return _("The data protection officer has not given an opinion yet; it is kept with the proposal.")
    if ceased_to_be(organization, Role.DPO, since=min(proposed_at, now - ALONE_WAITS)):
        return _(
            "There was a data protection officer when this was proposed, or within the last 24 hours, who gave no"
            " opinion. Make a member the officer, who gives one; or withdraw this, and propose it again a day after"
            " the change."
        )
    return None


def why_not_opinion(organization: Organization, author: User, *, note: str) -> str | None:
    """Why this person cannot record this as the officer's opinion."""
    if role_in(organization, author) != Role.DPO:
        return _("Only the data protection officer gives an opinion.")
    return None if note.strip() else _("Type the opinion.")


def has_officer(organization: Organization) -> bool:
    """Whether the organization has a data protection officer, whose opinion then belongs to every loosening."""
    return Membership.objects.filter(organization=organization, role=Role.DPO).exists()
