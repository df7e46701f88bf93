"""Console: the audit trail, for owners and the data protection officer."""

from __future__ import annotations

import json
from datetime import datetime, time
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.forms import DateField
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display

from accounts import audit
from accounts.admin.base import TenantAdmin
from accounts.admin.cells import DropdownFilter
from accounts.models import AuditEntry, Role
from accounts.signed_in import organization_of
from accounts.trail import trail_file
from accounts.words import ACTIONS, action_words


class MemberFilter(DropdownFilter):
    """Everybody who did something, members of long ago and operators too."""

    title = _("member")
    parameter_name = "member"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        entries = AuditEntry.objects.filter(organization=organization_of(request))
        names = {*entries.values_list("actor_name", flat=True).distinct().order_by()}
        names |= {*entries.values_list("impersonator_name", flat=True).distinct().order_by()}
        return [(name, name) for name in sorted(names) if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        name = self.value()
        if not name:
            return queryset
        return queryset.filter(actor_name=name) | queryset.filter(impersonator_name=name)


class ActionFilter(DropdownFilter):
    title = _("action")
    parameter_name = "done"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return sorted(((action, str(words)) for action, words in ACTIONS.items()), key=lambda one: one[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class DayFilter(RangeDateFilter):
    """From a day to a day, both of them whole, in the zone of the organization."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        first, last = self._moment("from", time.min), self._moment("to", time.max)
        if first is not None:
            queryset = queryset.filter(at__gte=first)
        return queryset if last is None else queryset.filter(at__lte=last)

    def _moment(self, end: str, clock: time) -> datetime | None:
        try:
            # As the calendar of the filter writes it in the member's language.
            day = DateField(required=False).to_python(self.used_parameters.get(f"{self.parameter_name}_{end}"))
        except ValidationError:
            return None
        return None if day is None else datetime.combine(day, clock, tzinfo=timezone.get_current_timezone())


@admin.register(AuditEntry)
class AuditEntryAdmin(TenantAdmin):
    readers: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.DPO})
    editors: ClassVar[frozenset[str]] = frozenset()
    list_display = ("at", "who", "what", "target", "said")
    list_display_links = None
    list_filter = (MemberFilter, ActionFilter, ("at", DayFilter))
    list_filter_submit = True
    list_per_page = 50
    ordering = ("-at", "-id")
    actions = None
    change_list_template = "accounts/trail.html"
    fields = ("at", "who", "what", "target", "said")
    readonly_fields = fields

    @display(description=_("who"))
    def who(self, entry: AuditEntry) -> str:
        if entry.impersonator_name:
            return f"{entry.impersonator_name} → {entry.actor_name}"
        return entry.actor_name or "Pli"

    @display(description=_("action"))
    def what(self, entry: AuditEntry) -> str:
        return action_words(entry.action)

    @display(description=_("details"))
    def said(self, entry: AuditEntry) -> str:
        return json.dumps(entry.details, ensure_ascii=False, sort_keys=True).strip("{}").replace('"', "")

    def get_urls(self) -> list[URLPattern]:
        export = path("export/", self.admin_site.admin_view(self.export_view), name="accounts_auditentry_export")
        return [export, *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """What the filters show, as CSV; and that it was exported is an entry."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            entries = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters as error:
            raise Http404 from error
        file, now, organization = trail_file(entries), timezone.now(), organization_of(request)
        filters = {name: value for name, value in request.GET.items() if value}
        audit.record(organization, actor=None, action="audit:trail:export", details=filters, now=now)
        name = f"audit-trail-{now:%Y-%m-%d}.csv"
        return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")
