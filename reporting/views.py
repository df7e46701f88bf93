"""Report pages of the console. The console site (config/console.py) checks the member and gives the context."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _

from accounts.models import Organization
from reporting.selectors import LaunchReport, chart_series, get_launch, report_launch, summarize


def dashboard_context(organization: Organization) -> dict[str, Any]:
    """What the overview page shows."""
    return {"overview": summarize(organization)}


def launch_context(organization: Organization, launch_id: int) -> dict[str, Any]:
    """What the report of one launch shows; 404 for what is not the organization's."""
    launch = get_launch(organization, launch_id)
    if launch is None:
        raise Http404
    report = report_launch(organization, launch)
    return {"report": report, "chart": _chart(report), "title": launch.email.name}


def _chart(report: LaunchReport) -> str:
    """Data of the line chart. The two lines differ in dash and shade too, for people who see colours differently."""
    labels, opens, clicks = chart_series(report.timeline, by_day=report.by_day)
    datasets = []
    if report.opens.base:
        datasets.append(
            {
                "label": _("Opens"),
                "data": opens,
                "borderColor": "#0f7a6e",
                "backgroundColor": "#0f7a6e",
                "borderWidth": 2,
            }
        )
    if report.clicks.base:
        datasets.append(
            {
                "label": _("Clicks"),
                "data": clicks,
                "borderColor": "#c2570c",
                "backgroundColor": "#c2570c",
                "borderDash": [6, 4],
                "borderWidth": 2,
            }
        )
    return json.dumps({"labels": labels, "datasets": datasets})
