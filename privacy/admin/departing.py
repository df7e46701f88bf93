"""Settings > Leave Pli: everything in one file, and the deletion of the organization (rule D4)."""

from __future__ import annotations

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Role
from accounts.signed_in import member_of, organization_of, role_of
from privacy.admin.base import DutyPages, back_to, say
from privacy.admin.forms import DepartureForm
from privacy.models import Departure, OrganizationExport
from privacy.services.departure import (
    DepartureRefused,
    ask_departure,
    confirm_departure,
    why_not_confirm_departure,
    withdraw_departure,
)
from privacy.services.organization_export import ask_organization_export


class DeparturePages(DutyPages):
    def departure_urls(self) -> list[URLPattern]:
        return [
            self.duty("leave/", self.leave_view, "leave"),
            self.duty("leave/<str:act>/", self.leave_act_view, "leave_act"),
            self.duty("leave/file/<int:export>/", self.file_view, "leave_file"),
        ]

    def leave_view(self, request: HttpRequest) -> HttpResponse:
        organization, now = organization_of(request), timezone.now()
        departure = Departure.objects.filter(organization=organization).select_related("asked_by").first()
        form = DepartureForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            say(
                request,
                lambda: ask_departure(
                    organization,
                    typed_name=given["typed_name"],
                    reason=given["reason"],
                    actor=member_of(request),
                    now=now,
                ),
                _("Asked. Nothing is deleted before it is confirmed."),
                DepartureRefused,
            )
            return back_to("privacy_personrequest_leave")
        refusal = (
            why_not_confirm_departure(organization, departure, actor=member_of(request), now=now) if departure else ""
        )
        exports = OrganizationExport.objects.filter(organization=organization).select_related("asked_by")[:10]
        return self.page(
            request, "leave.html", _("Take everything, and leave"), 422 if form.errors else 200, form=form,
            media=form.media, departure=departure, refusal=refusal, exports=exports,
            is_owner=role_of(request) == Role.OWNER,
        )  # fmt: skip

    def leave_act_view(self, request: HttpRequest, act: str) -> HttpResponse:
        organization, now, actor = organization_of(request), timezone.now(), member_of(request)
        if act not in ("export", "confirm", "withdraw"):
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if act == "export":
            ask_organization_export(organization, actor=actor, now=now)
        elif act == "withdraw":
            withdraw_departure(organization, actor=actor, now=now)
        elif Departure.objects.filter(organization=organization).exists():
            say(
                request,
                lambda: confirm_departure(organization, actor=actor, now=now),
                _("Everything of this organization is being deleted."),
                DepartureRefused,
            )
        return back_to("privacy_personrequest_leave")

    def file_view(self, request: HttpRequest, export: int) -> HttpResponse | FileResponse:
        organization = organization_of(request)
        found = OrganizationExport.objects.filter(organization=organization, pk=export).exclude(file="")
        one = found.first()
        if one is None:
            raise Http404
        action, named = "organization:export:download", f"export {one.pk}"
        audit.record(organization, actor=member_of(request), action=action, target=named, now=timezone.now())
        response = FileResponse(
            default_storage.open(one.file),
            as_attachment=True,
            filename="organization.zip",
            content_type="application/zip",
        )
        response["Cache-Control"] = "no-store"
        return response
