"""Report pages of the console. The console site (config/console.py) checks the member and gives the context."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.http import Http404, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.progress import WATCHED, progress_words
from consent.selectors import local_day
from consent.views import rule_table_rows
from privacy.registers import open_requests
from reporting.advisor import advise
from reporting.processing import as_csv, as_json, record_of_processing, sub_processors
from reporting.selectors import LaunchReport, chart_series, get_launch, report_launch, summarize


def dashboard_context(organization: Organization) -> dict[str, Any]:
    """What the overview page shows."""
    requests = open_requests(organization, today=local_day(organization, timezone.now()))
    return {"overview": summarize(organization), "requests": requests}


def launch_context(organization: Organization, launch_id: int) -> dict[str, Any]:
    """What the report of one launch shows; 404 for what is not the organization's."""
    launch = get_launch(organization, launch_id)
    if launch is None:
        raise Http404
    report = report_launch(organization, launch)
    progress = progress_words(organization, launch, now=timezone.now())
    return {
        "report": report,
        "chart": _chart(report),
        "title": launch.email.name,
        "progress": progress,
        "is_watched": launch.mailing.state in WATCHED and launch.mailing.expanded_at is not None,
    }


def rule_table_context(organization: Organization, *, now: datetime) -> dict[str, Any]:
    """Settings > Rule table: every cell, and what the organization justified."""
    return {"title": _("Rule table"), "rows": rule_table_rows(organization, now=now)}


def advisor_context(organization: Organization, *, now: datetime) -> dict[str, Any]:
    """Publishing > Website advisor: what to see to, with the way there."""
    return {"title": _("Website advisor"), "advice": advise(organization, now=now)}


def processing_context(organization: Organization, *, now: datetime) -> dict[str, Any]:
    """Settings > Record of processing, and who gets data."""
    return {
        "title": _("Record of processing"),
        "entries": record_of_processing(organization, now=now),
        "sub_processors": sub_processors(organization),
        "made_at": now,
    }


def processing_file(organization: Organization, kind: str, *, now: datetime) -> HttpResponse:
    """The record as a file: JSON, CSV, or a page to print."""
    if kind == "json":
        response = HttpResponse(as_json(organization, now=now), content_type="application/json; charset=utf-8")
    elif kind == "csv":
        response = HttpResponse(as_csv(organization, now=now), content_type="text/csv; charset=utf-8")
    elif kind == "html":
        context = {**processing_context(organization, now=now), "organization": organization}
        response = HttpResponse(render_to_string("reporting/processing_print.html", context))
    else:
        raise Http404
    response["Content-Disposition"] = f'attachment; filename="record-of-processing.{kind}"'
    response["Cache-Control"] = "no-store"
    return response


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
