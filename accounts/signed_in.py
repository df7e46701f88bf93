"""Who is signed in to the console, and where they work."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest

from accounts.models import Membership, Organization, User


def organization_of(request: HttpRequest) -> Organization:
    """The organization that the member works in; the console is closed to everybody else."""
    return cast("Organization", request.organization)  # type: ignore[attr-defined]


def member_of(request: HttpRequest) -> User:
    """Who is signed in; the console is closed to everybody else."""
    return cast("User", request.user)


def role_of(request: HttpRequest) -> str:
    return cast("Membership", request.membership).role if getattr(request, "membership", None) else ""  # type: ignore[attr-defined]
