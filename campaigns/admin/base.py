"""What the pages of campaigns and emails share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RadioFilter

from accounts.admin import TenantAdmin
from accounts.models import Organization
from accounts.signed_in import organization_of, role_of
from campaigns.services import CampaignRefused

type View = Callable[..., HttpResponse]


class PagesBelowRowsAdmin(TenantAdmin):
    """A model whose rows have pages and buttons of their own."""

    def find(self, organization: Organization, pk: int) -> Any:
        """The row by its lookup door, None when it is not the organization's."""
        raise NotImplementedError

    def find_or_404(self, request: HttpRequest, pk: int) -> Any:
        row = self.find(organization_of(request), pk)
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        return row

    def page(self, name: str, view: View, address: str = "") -> URLPattern:
        """A page below one row."""
        url_name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(f"<int:pk>/{address or name}/", self.admin_site.admin_view(view), name=url_name)

    def button(self, name: str, press: Callable[[HttpRequest, Any], Any]) -> URLPattern:
        """A button of one row, pressed by POST and by editors only. Shows the row that ``press`` returns, else this."""

        def view(request: HttpRequest, pk: int) -> HttpResponse:
            row = self.find_or_404(request, pk)
            if role_may_not_change(self, request):
                raise PermissionDenied
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            return HttpResponseRedirect(self.address_of(press(request, row) or row))

        return self.page(name, view)

    def address_of(self, row: Model) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])


def role_may_not_change(model_admin: TenantAdmin, request: HttpRequest) -> bool:
    """Asked apart from has_change_permission, which is also off where rows are never edited."""
    return role_of(request) not in model_admin.editors


class ArchivableAdmin(PagesBelowRowsAdmin):
    """Rows that can be duplicated, archived and brought back, from their page or many at once."""

    actions = ("duplicate_selected", "archive_selected", "restore_selected")
    list_filter_submit = True
    list_per_page = 30

    def duplicate(self, organization: Organization, row: Any) -> Any:
        raise NotImplementedError

    def archive(self, organization: Organization, row: Any) -> None:
        raise NotImplementedError

    def restore(self, organization: Organization, row: Any) -> None:
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        buttons = [
            self.button("duplicate", self._duplicate_and_say),
            self.button("archive", self._archive_and_say),
            self.button("restore", self._restore_and_say),
        ]
        return buttons + super().get_urls()

    def _duplicate_and_say(self, request: HttpRequest, row: Any) -> Any:
        copy = self.duplicate(organization_of(request), row)
        self.note(request, copy, "row:add", {"copy_of": row.pk})
        messages.success(request, _("“%(name)s” was made. You can change it now.") % {"name": copy.name})
        return copy

    def _archive_and_say(self, request: HttpRequest, row: Any) -> None:
        try:
            self.archive(organization_of(request), row)
        except CampaignRefused as refusal:
            messages.error(request, str(refusal))
        else:
            self.note(request, row, "row:archive")
            messages.success(request, _("“%(name)s” is archived.") % {"name": row.name})

    def _restore_and_say(self, request: HttpRequest, row: Any) -> None:
        self.restore(organization_of(request), row)
        self.note(request, row, "row:restore")
        messages.success(request, _("“%(name)s” is back in the lists.") % {"name": row.name})

    @admin.action(description=gettext_lazy("Duplicate"), permissions=["change"])
    def duplicate_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self._duplicate_and_say(request, row)

    @admin.action(description=gettext_lazy("Archive"), permissions=["change"])
    def archive_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self._archive_and_say(request, row)

    @admin.action(description=gettext_lazy("Bring back from the archive"), permissions=["change"])
    def restore_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self._restore_and_say(request, row)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Without the little buttons that open other forms in a window beside this one."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        widget = getattr(formfield, "widget", None)
        for button in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if hasattr(widget, button):
                setattr(widget, button, False)
        return formfield


class StatusFilter(RadioFilter):
    """Hides archived rows unless they are asked for."""

    title = gettext_lazy("status")
    parameter_name = "status"
    all_option: ClassVar[list[Any]] = ["", gettext_lazy("Not archived")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "archived":
            return queryset.filter(archived_at__isnull=False)
        return self.narrow(queryset.filter(archived_at__isnull=True), self.value() or "")

    def narrow(self, queryset: QuerySet[Any], status: str) -> QuerySet[Any]:
        raise NotImplementedError
