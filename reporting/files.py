"""What the console shows and hands out of a report besides the report: its link map, and its files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from accounts.models import Organization
from accounts.signed_in import member_request, organization_of
from common.policies import email_policy, with_policy
from reporting.asked import asked_days, asked_launches
from reporting.documents import Document, comparison_document, launch_document, several_document
from reporting.forms import ScheduleForm
from reporting.link_map import link_marks, mapped_email
from reporting.printing import as_png, as_svg
from reporting.reports import LaunchReport, get_launch, report_launch
from reporting.scheduled import WHOLE, WHOLE_TYPES, reports_of, schedule_report, stop_report
from reporting.spreadsheets import as_csv


def _launch_report(organization: Organization, launch_id: int) -> LaunchReport:
    launch = get_launch(organization, launch_id)
    if launch is None:
        raise Http404
    return report_launch(organization, launch)


def link_map_context(organization: Organization, *, launch_id: int, query: QueryDict) -> dict[str, Any]:
    """Results > Reports > Link map: the email beside its links."""
    report = _launch_report(organization, launch_id)
    return {"title": _("Link map"), "report": report, "marks": link_marks(report)}


@xframe_options_sameorigin
def mapped_email_frame(request: HttpRequest, launch_id: int) -> HttpResponse:
    """The email alone, for a sandboxed frame: no script, no form, and no pixel."""
    organization = organization_of(request)
    report = _launch_report(organization, launch_id)
    html = mapped_email(organization, report.launch, link_marks(report))
    own = [request.build_absolute_uri(settings.STATIC_URL), f"{settings.BASE_URL}{settings.STATIC_URL}"]
    response = with_policy(HttpResponse(html, content_type="text/html; charset=utf-8"), email_policy(["https:", *own]))
    response["Cache-Control"] = "no-store"
    return response


# --- By email ---------------------------------------------------------------------------------------------------------


def scheduled_page(request: HttpRequest) -> HttpResponse:
    """Results > Reports by email: what the member gets, one more, or one less. Everybody for themselves."""
    organization, membership, now = organization_of(request), member_request(request).membership, timezone.now()
    if membership is None:
        raise Http404
    if request.method == "POST" and "stop" in request.POST:
        stop_report(organization, membership, request.POST["stop"])
        return redirect("admin:reporting_scheduled")
    form = ScheduleForm(organization, request.POST or None, initial={"about": request.GET.get("about", "")})
    if request.method == "POST" and form.is_valid():
        schedule_report(organization, membership, **form.cleaned_data, now=now)
        messages.success(request, _("The report will come by email."))
        return redirect("admin:reporting_scheduled")
    context = {
        **admin.site.each_context(request),
        "title": _("Reports by email"),
        "form": form,
        "media": form.media,
        "mine": reports_of(organization, membership),
        "address": membership.user.email,
    }
    return TemplateResponse(request, "reporting/scheduled.html", context, status=422 if form.errors else 200)


# --- Files ------------------------------------------------------------------------------------------------------------


def launch_file(request: HttpRequest, launch_id: int) -> HttpResponse:
    return _file(request, launch_document(organization_of(request), launch_id, now=timezone.now()))


def comparison_file(request: HttpRequest) -> HttpResponse:
    organization = organization_of(request)
    launches = asked_launches(organization, request.GET)
    document = comparison_document(organization, launches, now=timezone.now()) if launches else None
    return _file(request, document)


def organization_file(request: HttpRequest) -> HttpResponse:
    return _several_file(request, "organization", 0)


def website_file(request: HttpRequest, website_id: int) -> HttpResponse:
    return _several_file(request, "website", website_id)


def campaign_file(request: HttpRequest, campaign_id: int) -> HttpResponse:
    return _several_file(request, "campaign", campaign_id)


def email_file(request: HttpRequest, email_id: int) -> HttpResponse:
    return _several_file(request, "email", email_id)


def _several_file(request: HttpRequest, scope: str, number: int) -> HttpResponse:
    days = asked_days(request.GET)
    return _file(request, several_document(organization_of(request), scope, number, days=days, now=timezone.now()))


def _file(request: HttpRequest, document: Document | None) -> HttpResponse:
    """``?file=xlsx``, ``pdf``, ``zip``, ``csv&table=…``, or ``svg`` and ``png&chart=…``."""
    if document is None:
        raise Http404
    ending = request.GET.get("file", "xlsx")
    table = document.table(request.GET.get("table", ""))
    chart = document.chart(request.GET.get("chart", ""))
    content: str | bytes | None = None
    name = document.file_name
    if ending in WHOLE:
        content = WHOLE[ending](document)
    elif ending == "csv" and table is not None:
        content, name = as_csv(table), f"{name}-{table.key}"
    elif ending in PICTURES and chart is not None:
        content, name = PICTURES[ending](chart), f"{name}-{request.GET['chart']}"
    if content is None:
        raise Http404
    response = HttpResponse(content, content_type=CONTENT_TYPES[ending])
    response["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    response["Cache-Control"] = "no-store"
    return response


CONTENT_TYPES = {
    **WHOLE_TYPES,
    "csv": "text/csv; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}
PICTURES: dict[str, Callable[[Any], str | bytes]] = {"svg": as_svg, "png": as_png}


# As ``reporting.views.REPORT_PAGES``.
MORE_REPORT_PAGES: tuple[tuple[str, str, str, Callable[..., dict[str, Any]]], ...] = (
    ("reports/<int:launch_id>/link-map/", "campaigns_launch_link_map", "reporting/link_map.html", link_map_context),
)

# Address, name and view. The console opens them to members alone.
REPORT_FILES: tuple[tuple[str, str, Callable[..., HttpResponse]], ...] = (
    ("reports/<int:launch_id>/link-map/email/", "campaigns_launch_link_map_email", mapped_email_frame),
    ("reports/by-email/", "reporting_scheduled", scheduled_page),
    ("reports/<int:launch_id>/file/", "campaigns_launch_report_file", launch_file),
    ("reports/all/file/", "reporting_organization_file", organization_file),
    ("reports/compare/file/", "reporting_compare_file", comparison_file),
    ("reports/email/<int:email_id>/file/", "campaigns_email_report_file", email_file),
    ("reports/campaign/<int:campaign_id>/file/", "campaigns_campaign_report_file", campaign_file),
    ("reports/website/<int:website_id>/file/", "websites_website_report_file", website_file),
)
