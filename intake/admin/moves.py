"""People > Moved consents: an attribute becomes the native tracking consent, and unproven yeses get their evidence."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Organization
from accounts.signed_in import member_of, organization_of
from campaigns.admin.base import PagesBelowRowsAdmin, role_may_not_change
from consent.reasons import VERDICTS
from consent.rules import Verdict
from intake.admin.imports import READERS
from intake.exporting import ExportRefused, retry_export, start_export
from intake.models import ConsentMove, Import, ImportState, PeopleExport
from intake.move_forms import EvidenceForm, MoveForm
from intake.moving import (
    MoveRefused,
    add_evidence,
    attribute_names,
    attribute_values,
    continue_move,
    may_continue_move,
    start_move,
    try_move,
)
from intake.selectors import scopes_of, unproven_sources


@admin.register(ConsentMove)
class ConsentMoveAdmin(PagesBelowRowsAdmin):
    """A move is planned once, and read afterwards."""

    readers: ClassVar[frozenset[str]] = READERS
    list_display = ("__str__", "origin", "scope", "state", "created_by", "created_at")
    list_select_related = ("scope", "created_by")
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def find(self, organization: Organization, pk: int) -> ConsentMove | None:
        moves = ConsentMove.objects.filter(organization=organization, pk=pk)
        return moves.select_related("organization", "scope", "created_by").first()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        listed = path("unproven/", self.admin_site.admin_view(self.unproven_view), name=f"{name}_unproven")
        evidence = path(
            "unproven/<str:origin>/<int:pk>/", self.admin_site.admin_view(self.evidence_view), name=f"{name}_evidence"
        )
        return [listed, evidence, self.button("continue", self._continue), *super().get_urls()]

    # --- Planning -----------------------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Choose an attribute, say what its values mean, try it, start it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        organization, now = organization_of(request), timezone.now()
        attribute = (request.POST if request.method == "POST" else request.GET).get("attribute", "")
        names = attribute_names(organization)
        if attribute not in names:
            return self._page(request, "intake/move_choose.html", {"names": names})
        values = attribute_values(organization, attribute)
        form = MoveForm(request.POST or None, values=values, scopes=scopes_of(organization))
        tried: dict[str, int] | None = None
        if request.method == "POST" and form.is_valid():
            plan = form.plan(attribute)
            try:
                if "start" in request.POST:
                    move = start_move(organization, plan, author=member_of(request), now=now)
                    messages.success(request, _("The move is under way."))
                    return HttpResponseRedirect(self.address_of(move))
                tried = try_move(organization, plan, author=member_of(request), now=now)
            except MoveRefused as refusal:
                form.add_error(None, str(refusal))
        context = {"attribute": attribute, "form": form, "tried": outcome_lines(tried) if tried else None}
        return self._page(request, "intake/move_plan.html", context, status=422 if form.errors else 200)

    # --- What came of it ----------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The report of one move."""
        move = self.find_or_404(request, int(object_id)) if object_id.isdecimal() else None
        if move is None:
            raise Http404
        context = {
            "move": move,
            "lines": outcome_lines(move.counts),
            "waiting": move.unproven_yeses.count(),
            "may_continue": may_continue_move(move),
        }
        return self._page(request, "intake/move_report.html", context)

    def _continue(self, request: HttpRequest, move: ConsentMove) -> None:
        try:
            continue_move(organization_of(request), move, now=timezone.now())
        except MoveRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("The move goes on."))

    # --- Yeses without provenance -------------------------------------------------------------------------------------

    def unproven_view(self, request: HttpRequest) -> HttpResponse:
        """Where yeses came from that nobody could prove yet (rule C7)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, "intake/unproven.html", {"sources": unproven_sources(organization_of(request))})

    def evidence_view(self, request: HttpRequest, origin: str, pk: int) -> HttpResponse:
        """Adds the evidence of all yeses of one file or move."""
        organization = organization_of(request)
        listed: Import | ConsentMove | None = None
        if origin == "import":
            listed = Import.objects.filter(organization=organization, pk=pk).first()
        elif origin == "move":
            listed = self.find(organization, pk)
        if listed is None or not self.has_view_permission(request):
            raise Http404
        if role_may_not_change(self, request):
            raise PermissionDenied
        form = EvidenceForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                move = add_evidence(
                    organization,
                    listed,
                    provenance=form.provenance(),
                    author=member_of(request),
                    now=timezone.now(),
                )
            except MoveRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, _("The evidence is kept, and the yeses are being recorded."))
                return HttpResponseRedirect(self.address_of(move))
        people = listed.unproven_yeses.count()
        context = {"form": form, "listed": listed, "people": people}
        return self._page(request, "intake/evidence.html", context, status=422 if form.errors else 200)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        shared |= {"may_change": not role_may_not_change(self, request), "title": self.opts.verbose_name_plural}
        return TemplateResponse(request, template, {**shared, **context}, status=status)


def outcome_lines(counts: dict[str, int]) -> list[tuple[int, str]]:
    """Counts with the sentence of each verdict. Opens and clicks are counted apart."""
    return [(counts[verdict], str(VERDICTS[verdict])) for verdict in Verdict if counts.get(verdict)]


@admin.register(PeopleExport)
class PeopleExportAdmin(PagesBelowRowsAdmin):
    """Files of all participants, written by a worker."""

    readers: ClassVar[frozenset[str]] = READERS
    # Exports are the officer's, too.
    editors: ClassVar[frozenset[str]] = READERS
    list_display = ("created_at", "scope", "state", "rows", "created_by", "download")
    list_display_links = None
    list_select_related = ("scope", "created_by")
    actions = None
    change_list_template = "intake/exports.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def find(self, organization: Organization, pk: int) -> PeopleExport | None:
        return PeopleExport.objects.filter(organization=organization, pk=pk).first()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_start"
        start = path("start/", self.admin_site.admin_view(self.start_view), name=name)
        file = self.page("file", self.file_view, "participants.csv")
        return [start, file, self.button("retry", self._retry), *super().get_urls()]

    def address_of(self, row: Model) -> str:
        return reverse("admin:intake_peopleexport_changelist")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        organization = organization_of(request)
        latest = PeopleExport.objects.filter(organization=organization).first()
        context = {
            "scopes": scopes_of(organization),
            "may_change": not role_may_not_change(self, request),
            "failed": latest if latest and latest.state == ImportState.FAILED else None,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def _retry(self, request: HttpRequest, export: PeopleExport) -> None:
        try:
            retry_export(organization_of(request), export, now=timezone.now())
        except ExportRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("The file is being written. Reload this page in a moment."))

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Asks a worker for a file."""
        if role_may_not_change(self, request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        organization = organization_of(request)
        scope = next((one for one in scopes_of(organization) if str(one.pk) == request.POST.get("scope")), None)
        if scope is None:
            raise Http404
        start_export(organization, scope=scope, author=member_of(request), now=timezone.now())
        messages.success(request, _("The file is being written. Reload this page in a moment."))
        return HttpResponseRedirect(reverse("admin:intake_peopleexport_changelist"))

    def file_view(self, request: HttpRequest, pk: int) -> Any:
        """The file itself."""
        export = self.find_or_404(request, pk)
        if not export.file:
            raise Http404
        self.note(request, export, "people:export:download")
        response = FileResponse(
            export.file.open("rb"), as_attachment=True, filename="participants.csv", content_type="text/csv"
        )
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description=gettext_lazy("File"))
    def download(self, export: PeopleExport) -> Any:
        if not export.file:
            return _("removed") if export.state == ImportState.DONE else "—"
        address = reverse("admin:intake_peopleexport_file", args=[export.pk])
        return format_html('<a class="pli-link" href="{}">participants.csv</a>', address)
