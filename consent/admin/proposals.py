"""What waits for a second person: confirm, decline, withdraw, and the data protection officer's opinion (rules D5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from accounts.models import Organization, Role, User
from accounts.signed_in import member_of, organization_of, role_of
from consent.forms import NoteForm, StopForm
from consent.models import PolicyProposal, ProposalKind
from consent.selectors import proposals_of
from consent.services import (
    PolicyRefused,
    confirm_proposal,
    decline_proposal,
    give_opinion,
    propose_change,
    sentence_of,
    stop_measuring,
    withdraw_proposal,
)
from consent.services.two_people import TIGHTENERS
from websites.models import Website
from websites.services import lock_website

type Step = Callable[..., PolicyProposal]


_STEPS: dict[str, Step] = {
    "confirm": confirm_proposal,
    "decline": decline_proposal,
    "withdraw": withdraw_proposal,
    "opinion": give_opinion,
}
_SAID = {
    "confirm": gettext_lazy("Confirmed: it counts for copies decided from now on. %(change)s."),
    "decline": gettext_lazy("Declined: nothing changes. %(change)s."),
    "withdraw": gettext_lazy("Withdrawn: nothing changes. %(change)s."),
    "opinion": gettext_lazy("Your opinion is kept with the proposal. %(change)s."),
}


class ProposalPages(ModelAdmin):
    """Mixed into the admin of websites, whose queryset is the lookup door.

    The steps of a proposal, Stop measuring now and the wish to undo it, each by POST.
    """

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<int:pk>/proposal/<int:number>/{name}/",
                self.admin_site.admin_view(partial(self._step, name)),
                name=f"websites_website_proposal_{name}",
            )
            for name in _STEPS
        ]
        switch = [
            path("<int:pk>/stop/", self.admin_site.admin_view(self.stop_view), name="websites_website_stop"),
            path("<int:pk>/resume/", self.admin_site.admin_view(self.resume_view), name="websites_website_resume"),
        ]
        return own + switch + super().get_urls()

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The emergency switch: one person, one button, at once."""
        return self._switch(request, pk, TIGHTENERS, stop_measuring, _("Stopped: nothing is measured from now on."))

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """An owner asks to measure again; it takes a second person."""

        def ask(organization: Organization, website: Website, *, author: User, reason: str, now: datetime) -> None:
            propose_change(
                organization, website, kind=ProposalKind.UNDO_STOP, wanted={}, reason=reason, author=author, now=now
            )

        said = _("Proposed: once a second person confirms, copies decided from then on are measured again.")
        return self._switch(request, pk, frozenset({Role.OWNER}), ask, said)

    def _switch(
        self, request: HttpRequest, pk: int, roles: frozenset[Role], act: Callable[..., object], said: str
    ) -> HttpResponse:
        organization = organization_of(request)
        website = self.get_object(request, str(pk))
        if website is None:
            raise Http404
        if role_of(request) not in roles:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = StopForm(request.POST)
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        lock_website(organization, website.pk)
        try:
            act(organization, website, author=member_of(request), reason=reason, now=timezone.now())
        except PolicyRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, said)
        return HttpResponseRedirect(_back_to(request, website))

    def _step(self, name: str, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        organization = organization_of(request)
        website = self.get_object(request, str(pk))
        proposal = proposals_of(organization, website).filter(pk=number).first() if website else None
        if website is None or proposal is None:
            raise Http404
        if role_of(request) not in (Role.OWNER, Role.DPO):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = NoteForm(request.POST, prefix=f"proposal-{proposal.pk}")
        note = form.cleaned_data["note"] if form.is_valid() else ""
        lock_website(organization, website.pk)
        try:
            _STEPS[name](organization, proposal, author=member_of(request), now=timezone.now(), note=note)
        except PolicyRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _SAID[name] % {"change": f"{website.name}: {sentence_of(proposal)}"})
        return HttpResponseRedirect(_back_to(request, website))


def _back_to(request: HttpRequest, website: Website) -> str:
    """The page that the button stood on, when it is one of ours."""
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return reverse("admin:websites_website_change", args=[website.pk])
