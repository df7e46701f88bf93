"""Who is signed in to the console, and where they work."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest

from accounts.models import Membership, Organization, User


class MemberRequest(HttpRequest):
    """A request of the console, as the middleware leaves it."""

    user: User
    organization: Organization
    membership: Membership | None


def _signed_in(request: HttpRequest) -> MemberRequest:
    return cast("MemberRequest", request)


def organization_of(request: HttpRequest) -> Organization:
    """The organization that the member works in; the console is closed to everybody else."""
    return _signed_in(request).organization


def member_of(request: HttpRequest) -> User:
    """Who is signed in; the console is closed to everybody else."""
    return _signed_in(request).user


def role_of(request: HttpRequest) -> str:
    """What the member may do; empty for an operator who is no member."""
    membership = getattr(_signed_in(request), "membership", None)
    return membership.role if membership else ""
