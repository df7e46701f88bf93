"""Exempt purposes on the page of an email: ask for it, approve it, take it back (rule S6)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Role
from accounts.signed_in import member_of, organization_of, role_of
from campaigns.admin.base import PagesBelowRowsAdmin
from campaigns.exemptions import (
    approve_exemption,
    decline_exemption,
    is_measured_under_approval,
    propose_exemption,
    why_not_approve,
    withdraw_exemption,
)
from campaigns.models import Email, Exemption, ExemptionState
from campaigns.selectors import EXEMPT_PURPOSES, exemption_of
from consent.forms import effect_of
from consent.rules import EXEMPT, Permit
from consent.selectors import local_day, website_state
from consent.services import PolicyRefused


class ExemptPagesAdmin(PagesBelowRowsAdmin):
    """The steps, each by POST. Approving is not editing: the data protection officer does it too."""

    def exempt_pages(self) -> list[URLPattern]:
        return [self.page(f"exempt_{step}", self._exempt_step(step), f"exempt/{step}") for step in _SAID]

    def exempt_context(self, request: HttpRequest, email: Email) -> dict[str, Any]:
        """What the page of an email says about its exempt purpose, and about copies of when it had one."""
        organization, now = organization_of(request), timezone.now()
        member, role = member_of(request), role_of(request)
        found = exemption_of(organization, email)
        counts = found is not None and found.state == ExemptionState.APPROVED
        left = {
            "exempt_left": not counts and is_measured_under_approval(organization, email),
            "may_silence_exempt": role != Role.VIEWER,
        }
        if email.purpose not in EXEMPT_PURPOSES:
            return left
        waits = found is not None and found.state == ExemptionState.OPEN
        # Asked as if something were typed, since that can still be done.
        refusal = why_not_approve(organization, found, member, now=now, note="…") if found and waits else None
        website = email.campaign.website
        return left | {
            "exempt": {
                "it": found,
                "waits": waits,
                "counts": counts,
                "effect": effect_of(
                    website_state(organization, website, now=now),
                    EXEMPT[Permit(email.purpose)],
                    local_day(organization, now),
                ),
                "why_not": refusal,
                "may_ask": role in (Role.OWNER, Role.MARKETER),
                "may_approve": waits and refusal is None,
                "may_decline": waits and role in (Role.OWNER, Role.DPO),
                "may_withdraw": role != Role.VIEWER,
            }
        }

    def _exempt_step(self, step: str) -> Any:
        def view(request: HttpRequest, pk: int) -> HttpResponse:
            email = self.find_or_404(request, pk)
            if role_of(request) == Role.VIEWER:
                raise PermissionDenied
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            try:
                self._take(step, request, email)
            except PolicyRefused as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, _SAID[step]())
            return HttpResponseRedirect(self.address_of(email))

        return view

    def _take(self, step: str, request: HttpRequest, email: Email) -> None:
        organization, member, words = organization_of(request), member_of(request), request.POST.get("note", "")
        common: dict[str, Any] = {"author": member, "now": timezone.now()}
        if step == "ask":
            propose_exemption(organization, email, reason=words, **common)
            return
        found = exemption_of(organization, email) or self._latest(organization, email)
        if found is None:
            raise Http404
        if step == "approve":
            approve_exemption(organization, found, note=words, **common)
        elif step == "decline":
            decline_exemption(organization, found, note=words, **common)
        else:
            withdraw_exemption(organization, found, **common)

    @staticmethod
    def _latest(organization: Any, email: Email) -> Exemption | None:
        """One that no longer fits, so that the refusal can say so."""
        return Exemption.objects.filter(organization=organization, email=email).order_by("-pk").first()


_SAID = {
    "ask": lambda: _("Asked: another owner or the data protection officer decides. Until then it is not measured."),
    "approve": lambda: _("Approved: what is launched from now on is measured for this purpose and nothing else."),
    "decline": lambda: _("Declined: the email is sent without being measured."),
    "withdraw": lambda: _("Withdrawn: from now on nothing is recorded of its copies, queued or delivered."),
}
