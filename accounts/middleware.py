"""Finds the organization that a signed-in member works in, and acts for it alone."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts.audit import acting_as
from accounts.gate import missing_step, missing_step_of_operator, within_reach
from accounts.impersonation import membership_in_place, running_impersonation
from accounts.models import Impersonation, Membership
from accounts.selectors import memberships_of, organizations_of
from accounts.signed_in import member_of, member_request
from common.tenancy import tenant


class OrganizationMiddleware:
    """Sets ``request.membership`` and ``request.organization`` under /console/, and runs the whole view in its tenant.

    One transaction per console request: an error leaves nothing half-done, and the database shows no other rows.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        console = member_request(request)
        console.membership = console.impersonation = None
        if not request.path.startswith("/console/") or not request.user.is_authenticated:
            return self.get_response(request)
        if "impersonation" in request.session and (response := self._in_place_of_a_member(request)) is not None:
            return response
        memberships = within_reach(request.session, memberships_of(request.user))
        if not memberships:
            return self.get_response(request)
        wanted = request.session.get("organization")
        chosen = next((row for row in memberships if row.organization_id == wanted), memberships[0])
        with tenant(chosen.organization_id):
            membership = chosen.load()
            instead = missing_step(request, membership)
            if instead is not None:
                return instead
            if len(memberships) > 1:
                _offer_others(request, membership)
            return self._answer(request, membership, None)

    def _in_place_of_a_member(self, request: HttpRequest) -> HttpResponse | None:
        """What an operator sees while they may; None once it is over, and the session knows nothing of it any more."""
        organization_id, impersonation_id = request.session["impersonation"]
        with tenant(organization_id):
            running = running_impersonation(member_of(request), impersonation_id, now=timezone.now())
            membership = membership_in_place(running) if running is not None else None
            if membership is not None:
                if (instead := missing_step_of_operator(request, member_of(request), membership)) is not None:
                    return instead
                return self._answer(request, membership, running)
        del request.session["impersonation"]
        return None

    def _answer(
        self, request: HttpRequest, membership: Membership, impersonation: Impersonation | None
    ) -> HttpResponse:
        """Inside the tenant."""
        console = member_request(request)
        console.membership, console.organization = membership, membership.organization
        console.impersonation = impersonation
        # Dates and times of the console are read and typed in the organization's zone.
        with (
            timezone.override(membership.organization.timezone),
            acting_as(membership.user, impersonator=member_of(request) if impersonation else None),
        ):
            response = self.get_response(request)
            if hasattr(response, "render") and callable(response.render):
                response = response.render()
        if response.status_code >= 500:
            # Django has made an answer of the exception before it gets here; what was written must go all the same.
            transaction.set_rollback(True)
        return response


def _offer_others(request: HttpRequest, membership: Membership) -> None:
    """Their names, for whoever looks: most answers show none."""
    here = membership.organization_id
    member_request(request).other_organizations = SimpleLazyObject(
        lambda: [one for one in organizations_of(membership.user) if one.organization_id != here]
    )
