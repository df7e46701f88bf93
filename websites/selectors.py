"""Reads of websites."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import Organization
from websites.models import EmailTrackingVersion, Website, WebsiteStop


def tracking_history(organization: Organization, website: Website) -> QuerySet[EmailTrackingVersion]:
    """All changes of a website's email tracking, latest first."""
    return (
        EmailTrackingVersion.objects.filter(organization=organization, website=website)
        .select_related("author")
        .order_by("-number")
    )


def latest_version(organization: Organization, website: Website) -> EmailTrackingVersion | None:
    """The change that the website stands on."""
    return tracking_history(organization, website).first()


def running_stop(organization: Organization, website: Website) -> WebsiteStop | None:
    """Who stopped the measuring of a website, when and why; None where nobody did, or it was undone."""
    running = WebsiteStop.objects.filter(organization=organization, website=website, undone_at=None)
    return running.select_related("stopped_by").first()


def with_latest_change(websites: QuerySet[Website]) -> QuerySet[Website]:
    """Websites with who changed their email tracking last and when, for lists."""
    latest = EmailTrackingVersion.objects.filter(website=OuterRef("pk")).order_by("-number")
    return websites.annotate(
        changed_at=Subquery(latest.values("created_at")[:1]),
        changed_how=Subquery(latest.values("source")[:1]),
        changed_by_name=Subquery(latest.values("author__full_name")[:1]),
        changed_by_email=Subquery(latest.values("author__email")[:1]),
    )
