"""Reports as tables: headings and rows, for pages and for whatever exports them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils import formats
from django.utils.translation import get_language_info, pgettext
from django.utils.translation import gettext as _

from campaigns.replies import QuestionCount
from consent.selectors import country_name
from reporting.figures import CountedReport, Delivery, Figures, KindReport
from reporting.models import Dimension
from reporting.reports import GroupRow, LaunchReport, SeveralReport, TimePoint
from reporting.rules import Rate, difference, share


class Unsaid(StrEnum):
    """What stands where no number does; never 0."""

    NOT_MEASURED = "not_measured"
    # No mail server has said anything of it.
    NOT_TOLD = "not_told"
    # More than its people can have caused.
    IMPLAUSIBLE = "implausible"


@dataclass(frozen=True, slots=True)
class TooFew:
    """Stands where a number would be of fewer people than may be shown (rule U3)."""

    crowd: int


Cell = str | int | float | datetime | Unsaid | TooFew | None


@dataclass(frozen=True, slots=True)
class Table:
    """``key`` names it in addresses and files. The first column names the row; the others are numbers or words."""

    key: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def cell_words(cell: Cell) -> str | None:
    """The words for a cell without a value; None for every other."""
    if cell is Unsaid.NOT_MEASURED:
        return _("not measured")
    if isinstance(cell, TooFew):
        return _("fewer than %(number)s") % {"number": cell.crowd}
    if cell is Unsaid.NOT_TOLD:
        return _("not told")
    if cell is Unsaid.IMPLAUSIBLE:
        return _("implausible")
    return None


def launch_tables(report: LaunchReport) -> list[Table]:
    """Everything that the report of a launch says."""
    tables = [
        delivery_table(report.figures.delivery),
        summary_table(report.figures),
        reasons_table("opens-not-measured", _("Why opens are not measured"), report.opens),
        reasons_table("clicks-not-measured", _("Why clicks are not measured"), report.clicks),
        time_table(report.timeline, opens=report.opens, clicks=report.clicks),
        links_table(report),
        *_tables_of_states(report),
    ]
    return tables + [replies_table(one) for one in report.replies] + group_tables(report)


def _tables_of_states(report: LaunchReport) -> list[Table]:
    """What became of the copies in detail; those without a row are left out."""
    tables = [
        Table("states", _("Status"), (_("Status"), _("Copies")), tuple(report.figures.delivery.statuses)),
        Table("waiting", _("What still waits"), (_("Why"), _("Copies")), tuple(report.held)),
        Table("servers", _("What mail servers said"), (_("What mail servers said"), _("Copies")), tuple(report.words)),
    ]
    return [table for table in tables if table.rows]


def several_tables(report: SeveralReport) -> list[Table]:
    """Everything that the report of several launches says."""
    return [
        delivery_table(report.figures.delivery),
        summary_table(report.figures),
        reasons_table("opens-not-measured", _("Why opens are not measured"), report.figures.opens),
        reasons_table("clicks-not-measured", _("Why clicks are not measured"), report.figures.clicks),
        time_table(report.timeline, opens=report.figures.opens, clicks=report.figures.clicks),
        emails_table(report),
        *several_links_tables(report),
        *(replies_table(one) for one in report.replies),
        *group_tables(report),
    ]


def delivery_table(delivery: Delivery) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (_("Audience"), delivery.audience),
        (_("Sent"), delivery.sent),
        # A mail server that took a copy need not tell whether it arrived; most never do.
        (_("Delivered, as mail servers tell"), delivery.delivered or Unsaid.NOT_TOLD),
        (_("Bounced or refused"), delivery.bounced),
        (_("Reported as unwanted"), delivery.complained),
        (_("Unsubscribed within a week"), delivery.unsubscribed),
    ]
    if delivery.sent_outside:
        rows.append((_("Sent by an outside sender"), delivery.sent_outside))
    return Table("delivery", _("Delivery"), (_("What"), _("Copies")), tuple(rows))


def _rate_cells(rate: Rate) -> tuple[Cell, Cell, Cell, Cell]:
    """People, percent, from, to."""
    if not rate.measured:
        return (Unsaid.NOT_MEASURED,) * 4
    low, high = rate.interval or (None, None)
    return rate.count, rate.percent, low, high


def summary_table(figures: Figures) -> Table:
    """Opens and clicks: bases, people and totals by who caused them, and the totals without anybody behind them."""
    headings = (
        _("What"), _("Measurable"), _("Not measured"), _("People"), _("%"), _("at least %"), _("at most %"),
        _("Total"), _("People, possibly automatic"), _("Total, possibly automatic"), _("People, automatic only"),
        _("Total, automatic"), _("Counted anonymously: copies"), _("Counted anonymously: total"),
    )  # fmt: skip
    rows = [
        _summary(_("Opens"), figures.opens, figures.counted_opens),
        _summary(_("Clicks"), figures.clicks, figures.counted_clicks),
    ]
    return Table("summary", _("Opens and clicks"), headings, tuple(rows), " ".join(set_aside_words(figures)))


def set_aside_words(figures: Figures) -> list[str]:
    """What of the anonymous totals was more than their people can have caused."""
    opens, clicks = figures.counted_opens.set_aside, figures.counted_clicks.set_aside
    words = []
    if opens:
        words.append(
            _("Set aside as implausible: at least %(number)s opens that so many copies cannot have caused.")
            % {"number": _said(opens)}
        )
    if clicks:
        words.append(
            _("Set aside as implausible: at least %(number)s clicks on links that so many copies cannot have caused.")
            % {"number": _said(clicks)}
        )
    if words:
        words.append(_("Everybody who got such a copy knows its address, and it was asked for again and again."))
    return words


def _summary(name: str, kind: KindReport, counted: CountedReport) -> tuple[Cell, ...]:
    numbers: tuple[Cell, ...] = (
        kind.total_human, kind.people_unsure, kind.total_unsure, kind.people_machine, kind.total_machine,
    )  # fmt: skip
    anonymous: Cell = counted.hits
    if counted.hits is None:
        anonymous = Unsaid.IMPLAUSIBLE if counted.set_aside else not_counted(counted)
    return (
        name,
        kind.base,
        kind.not_measured_count,
        *_rate_cells(kind.people),
        *(numbers if kind.base else (Unsaid.NOT_MEASURED,) * len(numbers)),
        counted.copies,
        anonymous,
    )


def several_links_tables(report: SeveralReport) -> list[Table]:
    """Where links of several emails lead; none where there is no link."""
    if not report.links:
        return []
    headings = (
        _("Address"), _("Emails"), _("Clicks"), _("Possibly automatic"), _("Automatic"), _("Counted anonymously"),
    )  # fmt: skip
    rows = []
    for link in report.links:
        counted: Cell = link.counted
        if link.counted is None:
            counted = Unsaid.IMPLAUSIBLE if link.set_aside else not_counted(report.figures.counted_clicks)
        totals: tuple[Cell, ...] = (Unsaid.NOT_MEASURED,) * 3
        if link.clicks is not None:
            totals = (link.clicks, link.clicks_unsure, link.clicks_machine)
        rows.append((link.url, link.emails, *totals, counted))
    return [Table("links", _("Links"), headings, tuple(rows))]


def not_counted(counted: CountedReport) -> Unsaid | TooFew:
    """Why there is no anonymous total."""
    return TooFew(counted.crowd) if counted.copies else Unsaid.NOT_MEASURED


def reasons_table(key: str, title: str, kind: KindReport) -> Table:
    return Table(key, title, (_("Why"), _("Copies")), tuple(kind.not_measured))


def time_table(points: Sequence[TimePoint], *, opens: KindReport, clicks: KindReport) -> Table:
    rows = tuple(
        (
            point.starts_at,
            point.opens if opens.base else Unsaid.NOT_MEASURED,
            point.clicks if clicks.base else Unsaid.NOT_MEASURED,
        )
        for point in points
    )
    return Table("time", _("Over time"), (pgettext("period", "From"), _("Opens"), _("Clicks")), rows)


def links_table(report: LaunchReport) -> Table:
    headings = (
        _("No."), _("Link"), _("Address"), _("People"), _("%"), _("at least %"), _("at most %"), _("Clicks"),
        _("Possibly automatic"), _("Automatic"), _("Counted anonymously"),
    )  # fmt: skip
    rows = []
    for link in report.links:
        totals: tuple[Cell, ...] = (link.clicks, link.clicks_unsure, link.clicks_machine)
        counted: Cell = link.counted
        if link.counted is None:
            counted = Unsaid.IMPLAUSIBLE if link.set_aside else not_counted(report.figures.counted_clicks)
        rows.append(
            (
                link.number, link.label, link.url, *_rate_cells(link.people),
                *(totals if link.people.measured else (Unsaid.NOT_MEASURED,) * 3), counted,
            )
        )  # fmt: skip
    return Table("links", _("Links"), headings, tuple(rows))


def replies_table(counted: QuestionCount) -> Table:
    """The answers to one question, of everybody who got a copy."""
    rows = tuple((one.label, one.people, share(one.people, counted.answered)) for one in counted.answers)
    question = counted.question
    note = _("%(answered)s answered, of %(asked)s who were asked, measured or not.") % {
        "answered": _said(counted.answered),
        "asked": _said(counted.asked),
    }
    return Table(f"question-{question.pk}", question.text, (_("Answer"), _("People"), _("%")), rows, note)


def _said(number: float) -> str:
    """As people write it."""
    return str(formats.number_format(number, force_grouping=True))


# --- Groups ---------------------------------------------------------------------------------------------------------


def group_tables(report: LaunchReport | SeveralReport) -> list[Table]:
    """By country, language and mail domain; those without any group that is large enough are left out."""
    titles = {
        Dimension.COUNTRY: ("countries", _("By country")),
        Dimension.LANGUAGE: ("languages", _("By language")),
        Dimension.DOMAIN: ("domains", _("By mail domain")),
    }
    told = report.figures.delivery.delivered > 0
    crowd = report.figures.crowd
    return [
        _group_table(*titles[dimension], dimension, rows, told=told, crowd=crowd)
        for dimension, rows in report.groups.items()
        if rows
    ]


def _group_table(
    key: str, title: str, dimension: Dimension, groups: Sequence[GroupRow], *, told: bool, crowd: int
) -> Table:
    headings = (
        _("Group"), _("Sent"), _("Delivered"), _("Bounced"), _("Complaints"), _("Opens measurable"), _("Opened"),
        _("Opened %"), _("Clicks measurable"), _("Clicked"), _("Clicked %"),
    )  # fmt: skip
    rows = tuple(
        (
            _group_name(dimension, group.value), group.sent, group.delivered if told else Unsaid.NOT_TOLD,
            group.bounced, group.complained,
            *_based(group.opened, crowd), *_based(group.clicked, crowd),
        )
        for group in groups
    )  # fmt: skip
    note = _("Groups of fewer than %(number)s people are among all others.") % {"number": crowd}
    return Table(key, title, headings, rows, note)


def _based(rate: Rate | None, crowd: int) -> tuple[Cell, Cell, Cell]:
    """Base, people, percent."""
    return (TooFew(crowd),) * 3 if rate is None else (rate.base, *_rate_cells(rate)[:2])


def _group_name(dimension: Dimension, value: str) -> str:
    if not value:
        return _("all others")
    if dimension == Dimension.COUNTRY:
        return str(country_name(value))
    if dimension == Dimension.LANGUAGE:
        try:
            return str(get_language_info(value)["name_translated"])
        except KeyError:
            return value
    return value


# --- Several emails -------------------------------------------------------------------------------------------------


def emails_table(report: SeveralReport) -> Table:
    """Each launch in a row, newest first."""
    headings = (
        _("Email"), _("Sent on"), _("Sent"), _("Bounced"), _("Complaints"), _("Opens measurable"), _("Opened"),
        _("Opened %"), _("at least %"), _("at most %"), _("Clicks measurable"), _("Clicked"), _("Clicked %"),
        _("at least %"), _("at most %"),
    )  # fmt: skip
    rows = tuple(
        (
            str(one.launch), one.launch.mailing.not_before, one.figures.delivery.sent,
            one.figures.delivery.bounced, one.figures.delivery.complained, one.figures.opens.base,
            *_rate_cells(one.figures.opens.people), one.figures.clicks.base, *_rate_cells(one.figures.clicks.people),
        )
        for one in report.launches
    )  # fmt: skip
    return Table("emails", _("Emails"), headings, rows)


def comparison_table(report: SeveralReport) -> Table:
    """Each email beside the first: how many points of percent it lies above, where that can be told."""
    headings = (
        _("Email"),
        _("Opened %"),
        _("Opens, compared with the first"),
        _("Clicked %"),
        _("Clicks, compared with the first"),
    )
    rows = []
    for one in report.launches:
        cells: list[Cell] = [str(one.launch)]
        for kind, first in (
            (one.figures.opens, report.launches[0].figures.opens),
            (one.figures.clicks, report.launches[0].figures.clicks),
        ):
            cells += [
                _rate_cells(kind.people)[1],
                "–" if kind is first else difference_words(kind.people, first.people),
            ]
        rows.append(tuple(cells))
    return Table("comparison", _("Comparison"), headings, tuple(rows))


def difference_words(rate: Rate, first: Rate) -> str:
    """Whether one rate is higher than another, as far as the people who could be measured can tell."""
    between = difference(rate, first)
    if between is None:
        return _("not enough people to tell")
    low, high = between
    if low > 0:
        return _("higher by %(low)s to %(high)s points") % {"low": _said(low), "high": _said(high)}
    if high < 0:
        return _("lower by %(low)s to %(high)s points") % {"low": _said(-high), "high": _said(-low)}
    return _("cannot be told apart")
