"""Reports that members get by email, each for themselves. They end with the membership."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from functools import partial
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import OperationalError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import Membership, Organization
from common.jobs import one_by_one
from common.mail import MailTroubleError
from common.public_pages import spoken
from common.tenancy import call_door, tenant
from reporting.documents import Document, several_document
from reporting.models import FileKind, ScheduledReport
from reporting.printing import as_pdf
from reporting.rules import next_report_day
from reporting.spreadsheets import as_workbook, as_zip

# On the organization's clock.
HOUR = time(7)
WHOLE: dict[str, Callable[[Document], bytes]] = {
    FileKind.PDF: as_pdf,
    FileKind.XLSX: as_workbook,
    FileKind.ZIP: as_zip,
}
WHOLE_TYPES: dict[str, str] = {
    FileKind.PDF: "application/pdf",
    FileKind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    FileKind.ZIP: "application/zip",
}


def schedule_report(
    organization: Organization,
    membership: Membership,
    *,
    about: tuple[int | None, int | None],
    days: int,
    rhythm: str,
    file_kind: str,
    now: datetime,
) -> None:
    """Order a report of (a website, a campaign). What is ordered in this rhythm already is changed."""
    website_id, campaign_id = about
    report = ScheduledReport(
        organization=organization,
        membership=membership,
        website_id=website_id,
        campaign_id=campaign_id,
        rhythm=rhythm,
        days=days,
        file_kind=file_kind,
        next_at=_next_moment(organization, rhythm, now=now),
    )
    ScheduledReport.objects.bulk_create(
        [report],
        update_conflicts=True,
        unique_fields=["membership", "website", "campaign", "rhythm"],
        update_fields=["days", "file_kind", "next_at"],
    )


def stop_report(organization: Organization, membership: Membership, number: str) -> None:
    """The member wants it no more; another member's stays."""
    if number.isdecimal() and len(number) < 19:
        ScheduledReport.objects.filter(organization=organization, membership=membership, pk=int(number)).delete()


def reports_of(organization: Organization, membership: Membership) -> list[ScheduledReport]:
    rows = ScheduledReport.objects.filter(organization=organization, membership=membership)
    return list(rows.select_related("website", "campaign").order_by("next_at", "pk"))


def mail_due_reports(*, now: datetime) -> int:
    """Each in a transaction of its own: whatever one of them has keeps nobody else's."""
    return one_by_one(call_door("door_due_scheduled_reports", [now]), partial(_mail, now=now))


def _mail(organization_id: int, report_id: int, *, now: datetime) -> bool:
    try:
        return _mail_now(organization_id, report_id, now=now)
    except Exception as error:
        if not _may_pass(error):
            # Built anew every few minutes it would fail again, and cost as much each time.
            _put_off(organization_id, report_id, now=now)
        raise


def _may_pass(error: Exception) -> bool:
    """Whether it is about a server that is away, and not about the report or whom it is for."""
    if isinstance(error, MailTroubleError):
        return not error.refused
    return isinstance(error, (OSError, OperationalError))


def _put_off(organization_id: int, report_id: int, *, now: datetime) -> None:
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        for due in ScheduledReport.objects.filter(pk=report_id, next_at__lte=now):
            due.next_at = _next_moment(organization, due.rhythm, now=now)
            due.save(update_fields=["next_at"])


def _mail_now(organization_id: int, report_id: int, *, now: datetime) -> bool:
    with tenant(organization_id):
        waiting = ScheduledReport.objects.select_for_update(of=("self",), skip_locked=True)
        due = waiting.select_related("organization", "membership__user").filter(pk=report_id, next_at__lte=now).first()
        if due is None:
            return False
        user, organization = due.membership.user, due.organization
        due.next_at = _next_moment(organization, due.rhythm, now=now)
        # Whoever may not sign in gets nothing; and what was due while nothing ran comes once.
        if user.is_active:
            due.sent_at = now
            with translation.override(spoken(user.locale) or "en"), timezone.override(organization.timezone):
                _message(due, now=now).send()
        due.save(update_fields=["next_at", "sent_at"])
        return user.is_active


def _message(due: ScheduledReport, *, now: datetime) -> EmailMessage:
    scope, number = _scope_of(due)
    document = several_document(due.organization, scope, number, days=due.days, now=now)
    if document is None:
        raise ValueError("what a report is about goes together with it")
    page = reverse(_PAGES[scope], args=[number] if number else [])
    context = {
        "title": document.title,
        "organization": due.organization.name,
        "days": due.days,
        "address": f"{settings.BASE_URL}{page}?days={due.days}",
        "manage": settings.BASE_URL + reverse("admin:reporting_scheduled"),
    }
    subject = _("Report: %(title)s") % {"title": " ".join(document.title.split())}
    text = render_to_string("reporting/scheduled.txt", context)
    message = EmailMessage(subject, text, None, [due.membership.user.email])
    name, content = f"{document.file_name}.{due.file_kind}", WHOLE[due.file_kind](document)
    message.attach(name, content, WHOLE_TYPES[due.file_kind])
    return message


_PAGES = {
    "organization": "admin:reporting_organization",
    "website": "admin:websites_website_report",
    "campaign": "admin:campaigns_campaign_report",
}


def _scope_of(due: ScheduledReport) -> tuple[str, int]:
    if due.website_id is not None:
        return "website", due.website_id
    return ("campaign", due.campaign_id) if due.campaign_id is not None else ("organization", 0)


def _next_moment(organization: Organization, rhythm: str, *, now: datetime) -> datetime:
    zone = ZoneInfo(organization.timezone)
    return datetime.combine(next_report_day(now.astimezone(zone).date(), rhythm), HOUR, tzinfo=zone)
