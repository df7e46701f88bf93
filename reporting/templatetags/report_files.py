"""What of a report can be taken away."""

from __future__ import annotations

from typing import Any

from django import template

from reporting.reports import LaunchReport, SeveralReport
from reporting.tables import launch_tables, several_tables

register = template.Library()
# By the name that they have in files, where a page shows them.
_CHARTS = (("time", "chart"), ("opens", "opens_chart"), ("clicks", "clicks_chart"))


@register.inclusion_tag("reporting/_files.html", takes_context=True)
def report_files(context: dict[str, Any], report: LaunchReport | SeveralReport) -> dict[str, Any]:
    """Links to the files of the report on this page; each page has them below its own address."""
    request = context["request"]
    asked = request.GET.copy()
    asked.pop("estimate", None)
    charts = [(name, context[key]) for name, key in _CHARTS if context.get(key)]
    charts += [(table.key, chart) for table, chart in context.get("questions", ()) if chart]
    return {
        "address": f"{request.path}file/",
        "query": f"&{asked.urlencode()}" if asked else "",
        "tables": launch_tables(report) if isinstance(report, LaunchReport) else several_tables(report),
        "charts": charts,
    }
