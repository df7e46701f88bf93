"""The console: Unfold's admin site, open to the members of an organization."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.sign_in_page import sign_in_page
from accounts.signed_in import member_of, organization_of
from common.policies import Policy, has_policy, with_policy
from consent.seals import anchors_file, seals_context
from consent.views import proposal_rows
from reporting.files import MORE_REPORT_PAGES, REPORT_FILES
from reporting.views import (
    REPORT_PAGES,
    advisor_context,
    dashboard_context,
    processing_context,
    processing_file,
    rule_table_context,
)

# Unfold's Alpine evaluates expressions and sets inline styles; everything else stays as strict as elsewhere.
CONSOLE_CSP: Policy = {
    **settings.SECURE_CSP,
    "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
}

OWN_APPS = frozenset(
    {"accounts", "websites", "participants", "consent", "tracking", "delivery", "campaigns", "intake", "privacy"}
)


class ConsoleSite(UnfoldAdminSite):
    site_title = "Pli"
    site_header = "Pli"
    index_title = _("Overview")
    index_template = "reporting/dashboard.html"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Only pages that we wrote: those of other packages know nothing of organizations."""
        models: list[Any] = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        ours = [model for model in models if model._meta.app_label in OWN_APPS]
        super().register(ours, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and getattr(request, "membership", None) is not None

    def get_urls(self) -> list[URLResolver | URLPattern]:
        reports = [
            path(route, self.admin_view(self._report(template, context_of)), name=name)
            for route, name, template, context_of in (*REPORT_PAGES, *MORE_REPORT_PAGES)
        ]
        reports += [path(route, self.admin_view(view), name=name) for route, name, view in REPORT_FILES]
        own = [
            path("advisor/", self.admin_view(self.advisor), name="reporting_advisor"),
            path("rules/", self.admin_view(self.rule_table), name="consent_rule_table"),
            path("consent-history/", self.admin_view(self.seals), name="consent_seals"),
            path("consent-history/anchors/", self.admin_view(self.anchors), name="consent_anchors"),
            path("sign-in/", self.admin_view(self.sign_in), name="accounts_sign_in"),
            path("processing/", self.admin_view(self.processing), name="reporting_processing"),
            path("processing/<str:kind>/", self.admin_view(self.processing_file), name="reporting_processing_file"),
        ]
        return [*reports, *own, *super().get_urls()]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Every console page gets the console's policy, unless it set one of its own (a sandboxed email)."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            response = inner(request, *args, **kwargs)
            return response if has_policy(response) else with_policy(response, CONSOLE_CSP)

        return guarded

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One sign-in for everything: allauth's, with its limits. Whoever is in and belongs nowhere hears that."""
        if request.user.is_authenticated and not self.has_permission(request):
            return HttpResponseRedirect(reverse("account_organizations"))
        return cast("HttpResponse", secure_admin_login(super().login)(request, extra_context))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One page for it: allauth's, which the account's own rules, mails and the audit trail know of."""
        return HttpResponseRedirect(reverse("account_change_password"))

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return self.password_change(request)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        organization = organization_of(request)
        proposals = proposal_rows(organization, member_of(request), now=timezone.now())
        context = {
            **dashboard_context(organization),
            "proposals": proposals,
            "waits_for_me": any(row["may_confirm"] for row in proposals),
        }
        return super().index(request, {**context, **(extra_context or {})})

    def _report(self, template: str, context_of: Callable[..., dict[str, Any]]) -> Callable[..., HttpResponse]:
        """Results > Reports: a page of ``reporting.views.REPORT_PAGES``."""

        def page(request: HttpRequest, **names_a_row: int) -> HttpResponse:
            context = context_of(organization_of(request), query=request.GET, **names_a_row)
            return TemplateResponse(request, template, {**self.each_context(request), **context})

        return page

    def advisor(self, request: HttpRequest) -> HttpResponse:
        """Publishing > Website advisor."""
        return self._page(request, "reporting/advisor.html", advisor_context)

    def rule_table(self, request: HttpRequest) -> HttpResponse:
        """Settings > Rule table."""
        return self._page(request, "consent/rule_table.html", rule_table_context)

    def seals(self, request: HttpRequest) -> HttpResponse:
        """Settings > Consent history."""
        context = seals_context(organization_of(request), member_of(request))
        return TemplateResponse(request, "consent/seals.html", {**self.each_context(request), **context})

    def anchors(self, request: HttpRequest) -> HttpResponse:
        return anchors_file(organization_of(request), member_of(request), now=timezone.now())

    def sign_in(self, request: HttpRequest) -> HttpResponse:
        """Settings > Signing in."""
        return sign_in_page(request, self.each_context(request))

    def processing(self, request: HttpRequest) -> HttpResponse:
        """Settings > Record of processing."""
        return self._page(request, "reporting/processing.html", processing_context)

    def processing_file(self, request: HttpRequest, kind: str) -> HttpResponse:
        return processing_file(organization_of(request), kind, now=timezone.now())

    def _page(self, request: HttpRequest, template: str, context_of: Callable[..., dict[str, Any]]) -> HttpResponse:
        context = {**self.each_context(request), **context_of(organization_of(request), now=timezone.now())}
        return TemplateResponse(request, template, context)
