"""The page that sends an email to one person: what a service would do by a call."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.signed_in import member_of, organization_of
from campaigns.admin.base import role_may_not_change
from campaigns.admin.launching import LaunchPagesAdmin
from campaigns.models import Email
from campaigns.previews import person_to_preview
from campaigns.rendering import data_of
from campaigns.selectors import people_to_preview
from campaigns.transactional import TransactionalRefused, send_transactional, why_not_transactional
from participants.models import Participant

LONGEST_VALUE = 2000


class OnePersonPagesAdmin(LaunchPagesAdmin):
    """Beside launching: one message to one person."""

    def one_person_pages(self) -> list[URLPattern]:
        return [self.page("one", self.one_view)]

    def one_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Choose somebody and send it to them at once."""
        email = self.find_or_404(request, pk)
        if role_may_not_change(self, request):
            raise PermissionDenied
        asked = request.POST if request.method == "POST" else request.GET
        address = asked.get("address", "").strip()
        organization = organization_of(request)
        person = person_to_preview(organization, person_id=asked.get("person", ""), address=address)
        data = {name: request.POST.get(f"data-{name}", "")[:LONGEST_VALUE] for name in data_of(email)}
        problems = []
        if request.method == "POST":
            problems = self._send(request, email, person, data)
            if not problems:
                return HttpResponseRedirect(self.address_of(email))
        context = {
            **self.page_context(request, email, _("Send “%(name)s” to one person") % {"name": email.name}),
            "problems": problems or why_not_transactional(organization, email, now=timezone.now()),
            "person": person,
            "people": people_to_preview(organization, email),
            "search": address,
            "data": data,
            # The same button pressed twice sends once.
            "key": asked.get("key") or uuid4().hex,
        }
        status = 422 if request.method == "POST" else 200
        return TemplateResponse(request, "campaigns/email_one.html", context, status=status)

    def _send(self, request: HttpRequest, email: Email, person: Participant | None, data: dict[str, str]) -> list[str]:
        if person is None:
            return [_("Choose a person, or give the whole address of one of yours.")]
        try:
            send_transactional(
                organization_of(request),
                email,
                person,
                now=timezone.now(),
                data=data,
                idempotency_key=f"console {request.POST.get('key', '')}",
                author=member_of(request),
            )
        except TransactionalRefused as refusal:
            return refusal.problems
        messages.success(request, _("It is being sent to %(address)s.") % {"address": person.email})
        return []


def one_person_context(email: Any) -> dict[str, Any]:
    """Whether the button is shown beside the others."""
    return {"may_be_sent_to_one": isinstance(email, Email) and email.purpose != "marketing"}
