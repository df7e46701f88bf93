"""Report pages of the console. The console site (config/console.py) checks the member and gives the context."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.models import Campaign, Email
from campaigns.progress import WATCHED, progress_words
from campaigns.replies import QuestionCount
from consent.selectors import local_day
from consent.views import rule_table_rows
from privacy.registers import open_requests
from reporting.advisor import advise
from reporting.asked import MOST_COMPARED, PERIODS, asked_days, asked_launches
from reporting.charts import CountChart, rate_chart, replies_chart, time_chart
from reporting.processing import as_csv, as_json, record_of_processing, sub_processors
from reporting.reports import get_launch, launches_of, report_launch, report_several
from reporting.selectors import summarize
from reporting.tables import (
    Table,
    comparison_table,
    delivery_table,
    group_tables,
    replies_table,
    set_aside_words,
    several_links_tables,
)
from websites.models import Website


def dashboard_context(organization: Organization) -> dict[str, Any]:
    """What the overview page shows."""
    requests = open_requests(organization, today=local_day(organization, timezone.now()))
    return {"overview": summarize(organization), "requests": requests}


def launch_context(organization: Organization, *, launch_id: int, query: QueryDict) -> dict[str, Any]:
    """What the report of one launch shows; 404 for what is not the organization's."""
    launch = get_launch(organization, launch_id)
    if launch is None:
        raise Http404
    report = report_launch(organization, launch)
    now = timezone.now()
    is_watched = launch.mailing.state in WATCHED and launch.mailing.expanded_at is not None
    return {
        "report": report,
        "chart": time_chart(
            report.timeline, by_day=report.by_day, opens=report.opens.base > 0, clicks=report.clicks.base > 0
        ),
        "delivery": delivery_table(report.figures.delivery),
        "implausible": set_aside_words(report.figures),
        "groups": group_tables(report),
        "questions": _questions(report.replies),
        "title": str(launch),
        "progress": progress_words(organization, launch, now=now) if is_watched else None,
        "is_watched": is_watched,
        # Nothing is extrapolated unless somebody asks for it.
        "estimate": "estimate" in query,
    }


def email_context(organization: Organization, *, email_id: int, query: QueryDict) -> dict[str, Any]:
    """All launches of an email together."""
    email = Email.objects.filter(organization=organization, pk=email_id).first()
    return _several(organization, query, name=_found(email).name, about=_("All rounds of this email."), email=email_id)


def campaign_context(organization: Organization, *, campaign_id: int, query: QueryDict) -> dict[str, Any]:
    """The emails of a campaign."""
    campaign = Campaign.objects.filter(organization=organization, pk=campaign_id).first()
    name, about = _found(campaign).name, _("All emails of this campaign.")
    return _several(organization, query, name=name, about=about, email__campaign=campaign_id)


def website_context(organization: Organization, *, website_id: int, query: QueryDict) -> dict[str, Any]:
    """The emails of a website."""
    website = Website.objects.filter(organization=organization, pk=website_id).first()
    name, about = _found(website).name, _("All emails of this website.")
    return _several(organization, query, name=name, about=about, email__campaign__website=website_id)


def organization_context(organization: Organization, *, query: QueryDict) -> dict[str, Any]:
    """All emails."""
    return _several(organization, query, name=_("All emails together"), about=organization.name)


def _found[Row](row: Row | None) -> Row:
    if row is None:
        raise Http404
    return row


def _several(organization: Organization, query: QueryDict, *, name: str, about: str, **filters: int) -> dict[str, Any]:
    """Launches of the last days together; ``?days=`` of those offered."""
    days = asked_days(query)
    since = timezone.now() - timedelta(days=days)
    report = report_several(organization, launches_of(organization, created_at__gte=since, **filters))
    opens, clicks = report.figures.opens, report.figures.clicks
    return {
        "title": name,
        "report": report,
        "chart": time_chart(report.timeline, by_day=report.by_day, opens=opens.base > 0, clicks=clicks.base > 0),
        "about": about,
        "delivery": delivery_table(report.figures.delivery),
        "implausible": set_aside_words(report.figures),
        "questions": _questions(report.replies),
        "below": [*several_links_tables(report), *group_tables(report)],
        "days": days,
        "periods": PERIODS,
        "estimate": "estimate" in query,
    }


def _questions(counted: list[QuestionCount]) -> list[tuple[Table, CountChart | None]]:
    """What readers answered: each question as a table and as bars."""
    return [(replies_table(one), replies_chart(one)) for one in counted]


def compare_context(organization: Organization, *, query: QueryDict) -> dict[str, Any]:
    """Some emails beside each other, in the order in which they were asked for: ``?launch=3&launch=5``."""
    report = report_several(organization, asked_launches(organization, query), whole=False)
    named = [(str(one.launch), one.figures) for one in report.launches]
    return {
        "title": _("Comparison"),
        "report": report,
        "comparison": comparison_table(report) if report.launches else None,
        "opens_chart": rate_chart(_("Opened, of those who could be measured"), [(n, f.opens.people) for n, f in named]),
        "clicks_chart": rate_chart(
            _("Clicked, of those who could be measured"), [(n, f.clicks.people) for n, f in named]
        ),
        "most": MOST_COMPARED,
    }


# Address, name, template and what is shown. A name begins with the model of the row that its address names.
REPORT_PAGES: tuple[tuple[str, str, str, Callable[..., dict[str, Any]]], ...] = (
    ("reports/<int:launch_id>/", "reporting_launch", "reporting/launch.html", launch_context),
    ("reports/all/", "reporting_organization", "reporting/several.html", organization_context),
    ("reports/compare/", "reporting_compare", "reporting/compare.html", compare_context),
    ("reports/email/<int:email_id>/", "campaigns_email_report", "reporting/several.html", email_context),
    ("reports/campaign/<int:campaign_id>/", "campaigns_campaign_report", "reporting/several.html", campaign_context),
    ("reports/website/<int:website_id>/", "websites_website_report", "reporting/several.html", website_context),
)


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
