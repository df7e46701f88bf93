"""A report to take away: what stands at its top, its tables, its charts. The same numbers as on its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import formats, timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Organization
from campaigns.models import Campaign, Email, Launch
from campaigns.replies import QuestionCount
from reporting.charts import CountChart, RateChart, TimeChart, rate_chart, replies_chart, time_chart
from reporting.figures import Figures
from reporting.reports import TimePoint, get_launch, launches_of, report_launch, report_several
from reporting.tables import Table, comparison_table, launch_tables, replies_table, several_tables
from websites.models import Website

Chart = TimeChart | RateChart | CountChart
RATES = gettext_lazy("Rates are of people who could be measured. What could not be measured is said, and is no zero.")


@dataclass(frozen=True, slots=True)
class Document:
    """``charts`` by the name that they have in addresses and files."""

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    charts: tuple[tuple[str, Chart], ...]
    made_at: datetime

    @property
    def file_name(self) -> str:
        """Without its ending."""
        return f"{slugify(self.title)[:80] or 'report'}-{timezone.localtime(self.made_at):%Y-%m-%d}"

    def table(self, key: str) -> Table | None:
        return next((table for table in self.tables if table.key == key), None)

    def chart(self, key: str) -> Chart | None:
        return dict(self.charts).get(key)


def launch_document(organization: Organization, launch_id: int, *, now: datetime) -> Document | None:
    """The report of one launch; None for what is not the organization's."""
    launch = get_launch(organization, launch_id)
    if launch is None:
        return None
    report = report_launch(organization, launch)
    campaign = launch.email.campaign
    facts = (
        (_("Website"), campaign.website.name),
        (_("Campaign"), campaign.name),
        (_("Sent on"), _moment(launch.mailing.not_before)),
        *_common_facts(organization, report.hits_until, now=now),
    )
    charts = _charts(report.timeline, report.figures, report.replies, by_day=report.by_day)
    return Document(str(launch), facts, tuple(launch_tables(report)), charts, now)


def several_document(
    organization: Organization, scope: str, number: int, *, days: int, now: datetime
) -> Document | None:
    """Launches of the last days of an email, a campaign, a website or the organization, whose number is 0."""
    named = _SCOPES[scope](organization, number)
    if named is None:
        return None
    title, filters = named
    launches = launches_of(organization, created_at__gte=now - timedelta(days=days), **filters)
    report = report_several(organization, launches)
    facts = (
        (_("Emails"), _("%(number)s, launched in the last %(days)s days") % {"number": len(launches), "days": days}),
        *_common_facts(organization, report.hits_until, now=now),
    )
    charts = _charts(report.timeline, report.figures, report.replies, by_day=report.by_day)
    return Document(title, facts, tuple(several_tables(report)), charts, now)


def comparison_document(organization: Organization, launches: Sequence[Launch], *, now: datetime) -> Document:
    """Emails beside each other, in their order."""
    report = report_several(organization, launches, whole=False)
    named = [(str(one.launch), one.figures) for one in report.launches]
    drawn = (
        ("opens", rate_chart(_("Opened, of those who could be measured"), [(n, f.opens.people) for n, f in named])),
        ("clicks", rate_chart(_("Clicked, of those who could be measured"), [(n, f.clicks.people) for n, f in named])),
    )
    charts = tuple((key, chart) for key, chart in drawn if chart is not None)
    facts = tuple(_common_facts(organization, report.hits_until, now=now))
    tables = tuple(several_tables(report))
    return Document(_("Comparison"), facts, (comparison_table(report), *tables), charts, now)


Named = tuple[str, dict[str, int]]


def _organization(organization: Organization, number: int) -> Named | None:
    return organization.name, {}


def _website(organization: Organization, number: int) -> Named | None:
    website = Website.objects.filter(organization=organization, pk=number).first()
    return (website.name, {"email__campaign__website": website.pk}) if website else None


def _campaign(organization: Organization, number: int) -> Named | None:
    campaign = Campaign.objects.filter(organization=organization, pk=number).first()
    return (campaign.name, {"email__campaign": campaign.pk}) if campaign else None


def _email(organization: Organization, number: int) -> Named | None:
    email = Email.objects.filter(organization=organization, pk=number).first()
    return (email.name, {"email": email.pk}) if email else None


# What several launches have in common: its name, and how they are found.
_SCOPES: dict[str, Callable[[Organization, int], Named | None]] = {
    "organization": _organization,
    "website": _website,
    "campaign": _campaign,
    "email": _email,
}


def _common_facts(organization: Organization, hits_until: datetime | None, *, now: datetime) -> list[tuple[str, str]]:
    facts = [(_("Organization"), organization.name)]
    if hits_until is not None:
        facts.append((_("Opens and clicks up to"), _moment(hits_until)))
    facts.append((_("Made at"), _moment(now)))
    facts.append((_("Time zone"), organization.timezone))
    return facts


def _moment(moment: datetime) -> str:
    return str(formats.date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT"))


def _charts(
    points: Sequence[TimePoint], figures: Figures, replies: Sequence[QuestionCount], *, by_day: bool
) -> tuple[tuple[str, Chart], ...]:
    """What the page draws. Answers have the name of their table."""
    over_time = time_chart(points, by_day=by_day, opens=figures.opens.base > 0, clicks=figures.clicks.base > 0)
    answers = [(replies_table(one).key, replies_chart(one)) for one in replies]
    return tuple((name, chart) for name, chart in [("time", over_time), *answers] if chart is not None)
