"""Who is signed in to the console, and where they work."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import Impersonation, Membership, Organization, User
from accounts.selectors import OwnOrganization


class MemberRequest(HttpRequest):
    """A request of the console, as the middleware leaves it."""

    user: User
    # Only of those who are in an organization: whoever asks for one without is closed out by the error.
    organization: Organization
    membership: Membership | None
    # Of an operator who is in somebody's place.
    impersonation: Impersonation | None
    # For whoever is a member of several.
    other_organizations: SimpleLazyObject[list[OwnOrganization]]


def member_request(request: HttpRequest) -> MemberRequest:
    """The same request, for whoever reads or sets what is the console's own."""
    return cast("MemberRequest", request)


def organization_of(request: HttpRequest) -> Organization:
    """The organization that the member works in; the console is closed to everybody else."""
    return member_request(request).organization


def member_of(request: HttpRequest) -> User:
    """Who is signed in; the console is closed to everybody else."""
    return member_request(request).user


def role_of(request: HttpRequest) -> str:
    """What the member may do; empty for an operator who is no member."""
    membership: Membership | None = getattr(request, "membership", None)
    return membership.role if membership else ""
