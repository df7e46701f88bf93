"""What the pages of connections and keys share: buttons of one row, for owners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from accounts.admin import TenantAdmin
from accounts.models import Role
from accounts.signed_in import role_of


class OwnersAdmin(TenantAdmin):
    """Owners change, marketers and the data protection officer read."""

    editors: ClassVar[frozenset[str]] = frozenset({Role.OWNER})
    readers: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})
    deleters: ClassVar[frozenset[str]] = frozenset({Role.OWNER})
    actions = None

    def find(self, request: HttpRequest, pk: int | str) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=pk).first() if str(pk).isdecimal() else None
        if row is None:
            raise Http404
        return row

    def button(self, name: str, press: Callable[[HttpRequest, Any], object]) -> URLPattern:
        """A button of one row, pressed by POST and by owners."""

        def view(request: HttpRequest, pk: int) -> HttpResponse:
            row = self.find(request, pk)
            if role_of(request) not in self.editors:
                raise PermissionDenied
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            press(request, row)
            return HttpResponseRedirect(self.address_of(row))

        url_name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=url_name)

    def address_of(self, row: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
