"""People > Imports: upload a file, say what its columns are, watch it land."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.models import Organization, Role
from accounts.signed_in import member_of, organization_of
from campaigns.admin.base import PagesBelowRowsAdmin, role_may_not_change
from consent.models import InformedGround
from intake import services
from intake.import_forms import PlanForm, UploadForm, notice_name
from intake.models import Import, ImportState
from intake.rules import PROVENANCE, has_consent
from intake.selectors import import_progress, issue_lines

# Files of people, and people, are not for viewers.
READERS = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})
DELIMITERS = {",": gettext_lazy("comma"), ";": gettext_lazy("semicolon"), "\t": gettext_lazy("tab")}
ENCODINGS = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp1252": "Windows-1252", "latin-1": "ISO-8859-1"}
STATE_LABELS = {
    ImportState.UPLOADED: "warning",
    ImportState.QUEUED: "info",
    ImportState.RUNNING: "info",
    ImportState.DONE: "success",
    ImportState.FAILED: "danger",
    ImportState.CANCELLED: "default",
}


@admin.register(Import)
class ImportAdmin(PagesBelowRowsAdmin):
    readers: ClassVar[frozenset[str]] = READERS
    list_display = ("filename", "kind", "status", "rows", "created_by", "created_at")
    list_display_links = ("filename",)
    list_filter = (("kind", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter))
    list_filter_submit = True
    list_select_related = ("created_by",)
    list_per_page = 50
    actions = None

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["console/websites.css", "console/intake.css"]}
        js: ClassVar[list[str]] = ["console/intake.js"]

    @display(description=gettext_lazy("state"), ordering="state", label=STATE_LABELS)
    def status(self, source: Import) -> tuple[str, str]:
        return source.state, str(source.get_state_display())

    @display(description=gettext_lazy("rows"))
    def rows(self, source: Import) -> str:
        done, total = f"{source.rows_done:,}", f"{source.rows_total:,}"
        return (
            total
            if source.rows_done == source.rows_total
            else _("%(done)s of %(total)s")
            % {
                "done": done,
                "total": total,
            }
        )

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("progress", self.progress_view),
            self.page("errors", self.errors_view, "errors.csv"),
            self.button("cancel", self._cancel),
            self.button("continue", self._continue),
        ]
        return own + super().get_urls()

    def find(self, organization: Organization, pk: int) -> Import | None:
        imports = Import.objects.select_related(
            "topic__website", "campaign", "created_by", "scope", "informed_notice__website"
        )
        return imports.filter(organization=organization, pk=pk).first()

    def find_or_404(self, request: HttpRequest, pk: int) -> Import:
        # Another role of the same organization learns that it may not; strangers learn nothing.
        source = self.find(organization_of(request), pk)
        if source is None:
            raise Http404
        if not self.has_view_permission(request, source):
            raise PermissionDenied
        return source

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Step one. The file is looked through while the member waits, so that a broken one is refused at once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                source = services.upload_import(
                    organization_of(request),
                    file=form.cleaned_data["file"],
                    filename=form.cleaned_data["file"].name,
                    kind=form.cleaned_data["kind"],
                    author=member_of(request),
                    now=timezone.now(),
                )
            except services.ImportRefused as refusal:
                form.add_error("file", str(refusal))
            else:
                return HttpResponseRedirect(self.address_of(source))
        context = {**self._context(request, _("Import people")), "form": form}
        return TemplateResponse(request, "intake/upload.html", context, status=422 if form.errors else 200)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Step two while the file waits for it; afterwards, how far it is and what it did."""
        if not object_id.isdecimal():
            raise Http404
        source = self.find_or_404(request, int(object_id))
        waits = source.state == ImportState.UPLOADED and not role_may_not_change(self, request)
        return self._plan_page(request, source) if waits else self._progress_page(request, source)

    def _plan_page(self, request: HttpRequest, source: Import) -> HttpResponse:
        organization = organization_of(request)
        form = PlanForm(request.POST or None, organization=organization, source=source, author=member_of(request))
        if request.method == "POST" and form.is_valid():
            try:
                services.start_import(organization, source, form.plan(), now=timezone.now())
            except services.ImportRefused as refusal:
                form.add_error(refusal.field_name or None, str(refusal))
            else:
                messages.success(request, _("The import is on its way."))
                return HttpResponseRedirect(self.address_of(source))
        layout = source.layout
        context = {
            **self._context(request, _("Import “%(name)s”") % {"name": source.filename}),
            "form": form,
            "source": source,
            "encoding": ENCODINGS.get(layout["encoding"], layout["encoding"].upper()),
            "delimiter": DELIMITERS[layout["delimiter"]],
        }
        return TemplateResponse(request, "intake/plan.html", context, status=422 if form.errors else 200)

    def _progress_page(self, request: HttpRequest, source: Import) -> HttpResponse:
        context = {
            **self._context(request, _("Import “%(name)s”") % {"name": source.filename}),
            "source": source,
            "progress": import_progress(source),
            "has_errors": bool(source.counts.get("listed")),
            "may_change": not role_may_not_change(self, request),
            "may_continue": services.may_continue(source),
            # In the order of the file: the database keeps no order of names.
            "columns": [(column, source.mapping.get(column, "")) for column in source.layout["header"]],
            "has_consent": has_consent(source.mapping),
            "provenance": [source.provenance.get(part, "") for part in PROVENANCE] if source.provenance else [],
            "informed": _informed_shown(source),
        }
        return TemplateResponse(request, "intake/import.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """For the script on the page."""
        response = JsonResponse(import_progress(self.find_or_404(request, pk)))
        response["Cache-Control"] = "no-store"
        return response

    def errors_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The error file: what is listed about rows, in the member's language."""
        source = self.find_or_404(request, pk)
        self.note(request, source, "people:import:errors")
        # The mark at the beginning tells spreadsheets that this is UTF-8.
        text = io.StringIO("\ufeff", newline="")
        text.seek(0, io.SEEK_END)
        csv.writer(text).writerows(issue_lines(organization_of(request), source))
        response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="import-{source.pk}-errors.csv"'
        response["Cache-Control"] = "no-store"
        return response

    def _cancel(self, request: HttpRequest, source: Import) -> None:
        services.cancel_import(organization_of(request), source, now=timezone.now())
        messages.success(request, _("The import stops after the rows that it is at. What landed stays."))

    def _continue(self, request: HttpRequest, source: Import) -> None:
        try:
            services.continue_import(organization_of(request), source, now=timezone.now())
        except services.ImportRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("The import goes on where it stopped."))

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "media": self.media}


def _informed_shown(source: Import) -> dict[str, Any]:
    """What was said of people who gave no answer; empty when nothing was."""
    said = source.informed
    if source.informed_notice is None:
        return {}
    return {
        "ground": InformedGround(said["ground"]).label,
        "notice": notice_name(source.informed_notice),
        "collected_on": date.fromisoformat(said["collected_at"]),
        "informed_on": date.fromisoformat(said["informed_at"]),
        "evidence": said["evidence"],
        "vouched_by": said["vouched_by"],
    }
