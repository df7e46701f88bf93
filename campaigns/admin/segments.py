"""People > Segments, and Publishing > Test groups."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.models import Organization
from accounts.signed_in import member_of, organization_of
from campaigns.admin.base import PagesBelowRowsAdmin, role_may_not_change
from campaigns.audiences import (
    SegmentCount,
    check_definition,
    count_segment,
    delete_segment,
    delete_test_group,
    planned_for,
    save_segment,
    save_test_group,
)
from campaigns.models import Segment, TrialGroup
from campaigns.refusals import CampaignRefused
from campaigns.segment_forms import SegmentForm, stored_form, typed_form
from campaigns.segments import ABOUT, SegmentError
from campaigns.selectors import get_segment, get_test_group
from websites.models import Website


class _OwnFormAdmin(PagesBelowRowsAdmin):
    """Rows whose form is a page of ours, at the addresses where the admin has its own."""

    def form_page(self, request: HttpRequest, row: Any) -> HttpResponse:
        raise NotImplementedError

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if role_may_not_change(self, request):
            raise PermissionDenied
        return self.form_page(request, self.model())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.find_or_404(request, int(object_id) if object_id.isdecimal() and len(object_id) < 19 else 0)
        if request.method == "POST" and role_may_not_change(self, request):
            raise PermissionDenied
        return self.form_page(request, row)

    def forget(self, organization: Organization, row: Any) -> None:
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        return [self.button("forget", self._forget_and_say), *super().get_urls()]

    def _forget_and_say(self, request: HttpRequest, row: Any) -> None:
        self.note(request, row, "row:delete")
        self.forget(organization_of(request), row)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": row.name})

    def address_of(self, row: Model) -> str:
        """Where a button leads: the row may be gone."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def context_of(self, request: HttpRequest, row: Any, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": row.name if row.pk else title,
            "row": row,
            "may_change": not role_may_not_change(self, request),
        }


@admin.register(Segment)
class SegmentAdmin(_OwnFormAdmin):
    list_display = ("name", "conditions", "updated_at")
    search_fields = ("name",)
    actions = None

    @display(description=gettext_lazy("conditions"))
    def conditions(self, segment: Segment) -> str:
        rows = segment.definition.get("rows", [])
        return ", ".join(dict.fromkeys(str(ABOUT[row["about"]].label) for row in rows if row.get("about") in ABOUT))

    def find(self, organization: Organization, pk: int) -> Segment | None:
        return get_segment(organization, pk)

    def forget(self, organization: Organization, row: Segment) -> None:
        delete_segment(organization, row)

    def form_page(self, request: HttpRequest, row: Segment) -> HttpResponse:
        """The conditions, and whom they describe now. Only the button that saves keeps anything."""
        organization = organization_of(request)
        if request.method != "POST":
            return self._page(request, row, stored_form(organization, row.definition))
        form = typed_form(organization, request.POST)
        row.name = request.POST.get("name", "")[:200]
        problem = ""
        if "save" in request.POST and not form.name_errors():
            action = "row:change" if row.pk else "row:add"
            try:
                save_segment(organization, row, form.raw, author=member_of(request), now=timezone.now())
            except (CampaignRefused, SegmentError) as refusal:
                problem = str(refusal)
            else:
                self.note(request, row, action)
                messages.success(request, _("“%(name)s” is kept.") % {"name": row.name})
                return HttpResponseRedirect(reverse("admin:campaigns_segment_change", args=[row.pk]))
        return self._page(request, row, form, problem)

    def _page(self, request: HttpRequest, row: Segment, form: SegmentForm, problem: str = "") -> HttpResponse:
        organization = organization_of(request)
        websites = Website.objects.filter(organization=organization).order_by("name")
        wanted = request.POST.get("website", "")
        website = next((one for one in websites if str(one.pk) == wanted), websites[0] if websites else None)
        failed = bool(problem) or any(one.error for one in form.rows)
        context = {
            **self.context_of(request, row, _("New segment")),
            "form": form,
            "problem": problem,
            "counted": self._count(organization, website, form),
            "websites": websites,
            "website": website,
            "abouts": [(name, about.label) for name, about in ABOUT.items()],
            "planned": planned_for(organization, row) if row.pk else 0,
        }
        return TemplateResponse(request, "campaigns/segment.html", context, status=422 if failed else 200)

    def _count(self, organization: Organization, website: Website | None, form: SegmentForm) -> SegmentCount | None:
        """Whom the conditions describe now; None while they cannot be read."""
        if website is None:
            return None
        try:
            definition = check_definition(organization, form.raw)
        except SegmentError:
            return None
        counted = count_segment(organization, website, definition, now=timezone.now())
        for number, people in counted.non_trackable.items():
            form.rows[number].non_trackable = people
        return counted


@admin.register(TrialGroup)
class TrialGroupAdmin(_OwnFormAdmin):
    list_display = ("name", "people")
    search_fields: ClassVar[tuple[str, ...]] = ("name",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrialGroup]:
        return super().get_queryset(request).annotate(address_number=Count("addresses"))

    @display(description=gettext_lazy("addresses"))
    def people(self, group: TrialGroup) -> int:
        return int(group.address_number)  # type: ignore[attr-defined]

    def find(self, organization: Organization, pk: int) -> TrialGroup | None:
        return get_test_group(organization, pk)

    def forget(self, organization: Organization, row: TrialGroup) -> None:
        delete_test_group(organization, row)

    def form_page(self, request: HttpRequest, row: TrialGroup) -> HttpResponse:
        """The name, and one address per line."""
        problem = ""
        addresses = "\n".join(row.addresses.order_by("email_norm").values_list("email", flat=True)) if row.pk else ""
        if request.method == "POST":
            row.name, addresses = request.POST.get("name", "")[:200], request.POST.get("addresses", "")[:20000]
            action = "row:change" if row.pk else "row:add"
            try:
                save_test_group(organization_of(request), row, addresses.split(), now=timezone.now())
            except CampaignRefused as refusal:
                problem = str(refusal)
            else:
                self.note(request, row, action)
                messages.success(request, _("“%(name)s” is kept.") % {"name": row.name})
                return HttpResponseRedirect(self.address_of(row))
        context = {
            **self.context_of(request, row, _("New test group")),
            "problem": problem,
            "addresses": addresses,
        }
        return TemplateResponse(request, "campaigns/test_group.html", context, status=422 if problem else 200)
