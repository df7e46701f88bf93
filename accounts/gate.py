"""What stands between being signed in and an organization: its own provider, a second factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib import messages
from django.contrib.messages.storage.base import BaseStorage
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Membership, Role, User
from accounts.selectors import memberships_of
from accounts.sign_on import has_second_factor, lacks_second_factor, organization_behind, sign_in_rules


def provider_of(session: SessionBase) -> UUID | None:
    """The provider by which somebody signed in, None for a password or passkey. One such step is enough to count."""
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY) or []
    keys = [record.get("provider", "") for record in records if record.get("method") == "socialaccount"]
    return UUID(keys[0]) if keys else None


class OfOrganization(Protocol):
    @property
    def organization_id(self) -> int: ...


def within_reach[Row: OfOrganization](session: SessionBase, memberships: Sequence[Row]) -> list[Row]:
    """The memberships that a session may use. One by a provider: those of the organization that runs it."""
    provider = provider_of(session)
    if provider is None:
        return list(memberships)
    behind = organization_behind(provider)
    return [row for row in memberships if row.organization_id == behind]


def _tell_once(request: HttpRequest, sentence: str) -> None:
    """Pages ask for more than themselves, and each request is led away."""
    waiting = messages.get_messages(request)
    is_told = sentence in [str(one) for one in waiting]
    if isinstance(waiting, BaseStorage):
        # They were looked at here, and are still to be shown.
        waiting.used = False
    if not is_told:
        messages.warning(request, sentence)


def missing_step(request: HttpRequest, membership: Membership) -> HttpResponse | None:
    """Where a member is led instead, None when nothing is missing. Inside the organization's tenant."""
    rules = sign_in_rules(membership.organization)
    if provider_of(request.session) is not None:
        # Their organization's provider answers for them, second factor and all.
        return None
    if rules.sign_on_required and membership.role != Role.OWNER:
        context = {
            "organization": membership.organization,
            "provider_key": rules.provider_key,
            "has_others": len(memberships_of(membership.user)) > 1,
        }
        return render(request, "socialaccount/required.html", context, status=403)
    if rules.second_factor_required and not has_second_factor(membership.user):
        return _to_factors(request, membership)
    return None


def missing_step_of_operator(request: HttpRequest, operator: User, membership: Membership) -> HttpResponse | None:
    """As ``missing_step``, for an operator in the place of a member: their own factor, not that of the member."""
    return _to_factors(request, membership) if lacks_second_factor(membership.organization, operator) else None


def _to_factors(request: HttpRequest, membership: Membership) -> HttpResponse:
    _tell_once(
        request,
        _("%(organization)s asks for a second factor before you can work in it.")
        % {"organization": membership.organization.name},
    )
    return HttpResponseRedirect(reverse("mfa_index"))
