"""What the console shows and hands out of a report besides the report: its link map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from accounts.models import Organization
from accounts.signed_in import organization_of
from common.policies import email_policy, with_policy
from reporting.link_map import link_marks, mapped_email
from reporting.reports import LaunchReport, get_launch, report_launch


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


# As ``reporting.views.REPORT_PAGES``.
MORE_REPORT_PAGES: tuple[tuple[str, str, str, Callable[..., dict[str, Any]]], ...] = (
    ("reports/<int:launch_id>/link-map/", "campaigns_launch_link_map", "reporting/link_map.html", link_map_context),
)

# Address, name and view. The console opens them to members alone.
REPORT_FILES: tuple[tuple[str, str, Callable[..., HttpResponse]], ...] = (
    ("reports/<int:launch_id>/link-map/email/", "campaigns_launch_link_map_email", mapped_email_frame),
)
