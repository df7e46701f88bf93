"""The console: Unfold's admin site, open to the members of an organization."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from reporting.views import dashboard_context


class ConsoleSite(UnfoldAdminSite):
    site_title = "Pli"
    site_header = "Pli"
    index_title = _("Overview")
    index_template = "reporting/dashboard.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and getattr(request, "membership", None) is not None

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = dashboard_context(request.organization) if self.has_permission(request) else {}  # type: ignore[attr-defined]
        return super().index(request, {**context, **(extra_context or {})})


ConsoleSite.login = secure_admin_login(ConsoleSite.login)  # type: ignore[method-assign]
