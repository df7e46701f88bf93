"""Finds the organization that a signed-in member works in, and acts for it alone."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.selectors import memberships_of
from common.tenancy import tenant


class OrganizationMiddleware:
    """Sets ``request.membership`` and ``request.organization`` under /console/, and runs the whole view in its tenant.

    One transaction per console request: an error leaves nothing half-done, and the database shows no other rows.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.membership = request.organization = None  # type: ignore[attr-defined]
        if not request.path.startswith("/console/") or not request.user.is_authenticated:
            return self.get_response(request)
        memberships = memberships_of(request.user)
        if not memberships:
            return self.get_response(request)
        wanted = request.session.get("organization")
        chosen = next((row for row in memberships if row.organization_id == wanted), memberships[0])
        with tenant(chosen.organization_id):
            membership = chosen.load()
            request.membership = membership  # type: ignore[attr-defined]
            request.organization = membership.organization  # type: ignore[attr-defined]
            # Dates and times of the console are read and typed in the organization's zone.
            with timezone.override(membership.organization.timezone):
                response = self.get_response(request)
                if hasattr(response, "render") and callable(response.render):
                    response = response.render()
            if response.status_code >= 500:
                # Django has made an answer of the exception before it gets here; what was written must go all the same.
                transaction.set_rollback(True)
            return response
