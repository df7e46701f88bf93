"""Reports of launches: of one, or of several together. Bases are the levels frozen with each sent copy (rule U2).

Read from the figures that ``rollups`` and ``counting`` keep, in a number of queries that does not depend on the data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Sum

from accounts.models import Organization
from campaigns.models import Launch
from campaigns.replies import QuestionCount, count_replies
from delivery.models import Held
from reporting.counting import held_copies, server_words
from reporting.figures import (
    GONE_OUT,
    SMALL_LAUNCH,
    Figures,
    KindReport,
    Rows,
    add_up,
    anonymous_of,
    figures_of,
    read_rows,
)
from reporting.models import Dimension, HitHour, HitPeople, MailingGroup, RollupCursor
from reporting.rules import SMALLEST_CROWD, Rate, too_small
from tracking.models import Actor, HitKind

HOURS_SHOWN = timedelta(days=2)
# Destinations, and groups of people, of several emails.
MOST_TOGETHER = 50


@dataclass(frozen=True, slots=True)
class LinkRow:
    number: int
    url: str
    label: str
    people: Rate
    clicks: int
    clicks_unsure: int
    clicks_machine: int
    # Of people whom nobody can tell apart; None while they are too few (rule U3).
    counted: int | None
    # More than its people can have caused.
    set_aside: bool = False


@dataclass(frozen=True, slots=True)
class TimePoint:
    starts_at: datetime
    opens: int
    clicks: int


@dataclass(frozen=True, slots=True)
class GroupRow:
    """People of one country, language or mail domain; without a name: all others."""

    value: str
    copies: int
    sent: int
    delivered: int
    bounced: int
    complained: int
    # None where the group is too small to be shown, or others could be subtracted from the whole (rule U3).
    opened: Rate | None
    clicked: Rate | None


@dataclass(frozen=True, slots=True)
class LinkSum:
    """A destination in several emails. No people: who followed two links to it in one email would be two."""

    url: str
    emails: int
    # Of emails whose clicks could be measured; None where none were.
    clicks: int | None
    clicks_unsure: int
    clicks_machine: int
    # The sum of what each email shows.
    counted: int | None
    set_aside: bool


@dataclass(frozen=True, slots=True)
class LaunchReport:
    launch: Launch
    figures: Figures
    # Why copies that have not left wait for a later moment than the launch.
    held: list[tuple[str, int]]
    # Of mail servers and sending services, with the number of copies.
    words: list[tuple[str, int]]
    links: list[LinkRow]
    timeline: list[TimePoint]
    by_day: bool
    groups: dict[Dimension, list[GroupRow]]
    # Of everybody who got a copy, measured or not.
    replies: list[QuestionCount]
    # Hits up to this moment are in it; None before any was counted.
    hits_until: datetime | None
    copies_counted_at: datetime | None

    @property
    def audience(self) -> int:
        return self.figures.delivery.audience

    @property
    def sent(self) -> int:
        return self.figures.delivery.sent

    @property
    def unknown(self) -> int:
        """Copies that may have been sent."""
        return self.figures.delivery.unknown

    @property
    def opens(self) -> KindReport:
        return self.figures.opens

    @property
    def clicks(self) -> KindReport:
        return self.figures.clicks


@dataclass(frozen=True, slots=True)
class LaunchFigures:
    launch: Launch
    figures: Figures


@dataclass(frozen=True, slots=True)
class SeveralReport:
    """Launches together, and each of them. Sums of copies: nobody's opens of two emails are put side by side."""

    figures: Figures
    launches: list[LaunchFigures]
    replies: list[QuestionCount]
    timeline: list[TimePoint]
    by_day: bool
    hits_until: datetime | None
    links: list[LinkSum]
    groups: dict[Dimension, list[GroupRow]]
    # Launches whose anonymous totals are too small to be shown, and so in no sum.
    too_small: int = 0


# --- Launches -------------------------------------------------------------------------------------------------------


def launches_of(organization: Organization, **filters: Any) -> list[Launch]:
    """Launches with all that a report names, newest first: ``launches_of(bakery, email=3)``."""
    return list(
        Launch.objects.filter(organization=organization, **filters)
        .select_related("email__campaign__website", "mailing__snapshot__tracked_content", "segment", "variant")
        .defer("mailing__snapshot__compiled", "email__body", "email__text", "variant__body")
        .order_by("-created_at")
    )


def get_launch(organization: Organization, launch_id: int) -> Launch | None:
    """The one lookup door of report pages."""
    return next(iter(launches_of(organization, pk=launch_id)), None)


def report_launch(organization: Organization, launch: Launch) -> LaunchReport:
    """The whole report of one launch."""
    rows = read_rows(organization, [launch], small_ones_anew=True)
    content, mailing = launch.mailing.snapshot.tracked_content_id, launch.mailing_id
    timeline, by_day = _timeline(organization, [content])
    counted = rows.counted.get(mailing)
    figures = figures_of(launch, rows)
    held: Iterable[tuple[str, int]]
    if counted is not None and counted.total >= SMALL_LAUNCH:
        held, words = [(reason, n) for reason, n in counted.held], [(said, n) for said, n in counted.words]
    else:
        held, words = held_copies(organization, mailing), server_words(organization, mailing)
    return LaunchReport(
        launch=launch,
        figures=figures,
        held=[(str(Held(reason).label), n) for reason, n in held],
        words=words,
        links=_links(launch, rows, figures),
        timeline=timeline,
        by_day=by_day,
        groups=_groups(organization, launch, crowd=rows.crowd),
        replies=count_replies(organization, launch.mailing, copies={mailing: figures.delivery.sent}),
        hits_until=hits_counted_until(),
        copies_counted_at=counted.counted_at if counted is not None else None,
    )


def report_several(organization: Organization, launches: Sequence[Launch], *, whole: bool = True) -> SeveralReport:
    """Launches of an email, a campaign, a website or the organization together; only beside each other unless whole."""
    rows = read_rows(organization, launches)
    each = [LaunchFigures(launch, figures_of(launch, rows)) for launch in launches]
    timeline, by_day = _timeline(
        organization, [launch.mailing.snapshot.tracked_content_id for launch in launches], always_by_day=True
    )
    hidden = sum(
        any(
            one.copies and one.hits is None and not one.set_aside
            for one in (of.figures.counted_opens, of.figures.counted_clicks)
        )
        for of in each
    )
    return SeveralReport(
        figures=add_up([one.figures for one in each]),
        launches=each,
        replies=count_replies(
            organization,
            [one.launch.mailing for one in each],
            copies={one.launch.mailing_id: one.figures.delivery.sent for one in each},
        ),
        timeline=timeline,
        by_day=by_day,
        hits_until=hits_counted_until(),
        links=_links_together([_links(one.launch, rows, one.figures) for one in each]) if whole else [],
        groups=_groups_together(organization, launches, crowd=rows.crowd) if whole else {},
        too_small=hidden,
    )


def hits_counted_until() -> datetime | None:
    """Until when hits are in the figures."""
    return RollupCursor.objects.values_list("counted_at", flat=True).first()


def _links(launch: Launch, rows: Rows, figures: Figures) -> list[LinkRow]:
    content = launch.mailing.snapshot.tracked_content
    out = [row for row in rows.counts.get(launch.mailing_id, []) if row["status"] in GONE_OUT]
    counted = anonymous_of(launch, rows, HitKind.CLICK, out)
    found = []
    for link in content.links:
        number = link["number"]
        people = rows.people.get((content.pk, HitKind.CLICK, number)) or HitPeople()
        found.append(
            LinkRow(
                number=number,
                url=link["url"],
                label=link.get("label", ""),
                people=Rate(people.human_people, figures.clicks.base),
                clicks=people.human_hits,
                clicks_unsure=people.unsure_hits,
                clicks_machine=people.machine_hits,
                counted=counted.cells.get(number),
                set_aside=number in counted.set_aside,
            )
        )
    return found


def _links_together(of_each: Iterable[Sequence[LinkRow]]) -> list[LinkSum]:
    """By destination, those with the most clicks first."""
    found: dict[str, list[LinkRow]] = defaultdict(list)
    emails: Counter[str] = Counter()
    for links in of_each:
        for link in links:
            found[link.url].append(link)
        emails.update({link.url for link in links})
    sums = [_add_links(url, links, emails=emails[url]) for url, links in found.items()]
    return sorted(sums, key=lambda one: (-(one.clicks or 0), -(one.counted or 0), one.url))[:MOST_TOGETHER]


def _add_links(url: str, links: Sequence[LinkRow], *, emails: int) -> LinkSum:
    measured = [link for link in links if link.people.measured]
    counted = [link.counted for link in links if link.counted is not None]
    return LinkSum(
        url=url,
        emails=emails,
        clicks=sum(link.clicks for link in measured) if measured else None,
        clicks_unsure=sum(link.clicks_unsure for link in measured),
        clicks_machine=sum(link.clicks_machine for link in measured),
        counted=sum(counted) if counted else None,
        set_aside=any(link.set_aside for link in links),
    )


# --- Groups of people -----------------------------------------------------------------------------------------------


def _groups(organization: Organization, launch: Launch, *, crowd: int) -> dict[Dimension, list[GroupRow]]:
    found: dict[Dimension, list[GroupRow]] = {dimension: [] for dimension in Dimension}
    return found | dict(_shown_groups(organization, [launch], crowd=crowd))


def _groups_together(
    organization: Organization, launches: Sequence[Launch], *, crowd: int
) -> dict[Dimension, list[GroupRow]]:
    """Sums of what each launch shows, so that nothing can be had by subtraction that one of them keeps (rule U3)."""
    found: dict[Dimension, dict[str, list[GroupRow]]] = {dimension: defaultdict(list) for dimension in Dimension}
    for dimension, rows in _shown_groups(organization, launches, crowd=crowd):
        for row in rows:
            found[dimension][row.value].append(row)
    return {dimension: _largest(groups) for dimension, groups in found.items()}


def _shown_groups(
    organization: Organization, launches: Sequence[Launch], *, crowd: int
) -> Iterator[tuple[Dimension, list[GroupRow]]]:
    """Of each launch by itself: what one of them keeps is in no sum."""
    found: dict[tuple[int, Dimension], list[MailingGroup]] = defaultdict(list)
    mailings = [launch.mailing_id for launch in launches]
    # The rest of too few people is nobody's business, and there is none to subtract it from.
    crowds = MailingGroup.objects.filter(organization=organization, mailing__in=mailings, copies__gte=SMALLEST_CROWD)
    for row in crowds.order_by("-copies", "value"):
        found[row.mailing_id, Dimension(row.dimension)].append(row)
    for (_mailing, dimension), groups in found.items():
        yield dimension, _group_rows(_shown(groups, crowd), crowd)


def _largest(groups: dict[str, list[GroupRow]]) -> list[GroupRow]:
    """Each group once, the largest first; what is beyond the last of them is among all others."""
    sums = sorted((_add_groups(value, rows) for value, rows in groups.items()), key=lambda one: -one.copies)
    named = [one for one in sums if one.value]
    others = [one for one in sums if not one.value] + named[MOST_TOGETHER:]
    return named[:MOST_TOGETHER] + ([_add_groups("", others)] if others else [])


def _add_groups(value: str, rows: Sequence[GroupRow]) -> GroupRow:
    return GroupRow(
        value=value,
        copies=sum(row.copies for row in rows),
        sent=sum(row.sent for row in rows),
        delivered=sum(row.delivered for row in rows),
        bounced=sum(row.bounced for row in rows),
        complained=sum(row.complained for row in rows),
        opened=_add_rates([row.opened for row in rows]),
        clicked=_add_rates([row.clicked for row in rows]),
    )


def _add_rates(rates: Sequence[Rate | None]) -> Rate | None:
    shown = [rate for rate in rates if rate is not None and rate.measured]
    if not shown and None in rates:
        return None
    return Rate(sum(rate.count for rate in shown), sum(rate.base for rate in shown))


def _shown(groups: Sequence[MailingGroup], crowd: int) -> list[MailingGroup]:
    """Without those that were large enough when they were made, and are not for what the organization has set since."""
    hidden = too_small([row.copies for row in groups], crowd)
    return [row for place, row in enumerate(groups) if place not in hidden]


def _group_rows(groups: Sequence[MailingGroup], crowd: int) -> list[GroupRow]:
    opened = _group_rates([(row.opened, row.opens_base) for row in groups], crowd)
    clicked = _group_rates([(row.clicked, row.clicks_base) for row in groups], crowd)
    return [
        GroupRow(
            row.value, row.copies, row.sent, row.delivered, row.bounced, row.complained, opened[place], clicked[place]
        )
        for place, row in enumerate(groups)
    ]


def _group_rates(pairs: Sequence[tuple[int, int]], crowd: int) -> list[Rate | None]:
    """None for a base that is too small; a base of nobody is no secret: there, nothing was measured."""
    measured = [place for place, (_count, base) in enumerate(pairs) if base]
    hidden = {measured[place] for place in too_small([pairs[place][1] for place in measured], crowd)}
    return [None if place in hidden else Rate(min(count, base), base) for place, (count, base) in enumerate(pairs)]


# --- Over time ------------------------------------------------------------------------------------------------------


def _timeline(
    organization: Organization, contents: Sequence[int], *, always_by_day: bool = False
) -> tuple[list[TimePoint], bool]:
    """Hits by people: by hour for the first two days, then by day, in the organization's time zone."""
    zone = ZoneInfo(organization.timezone)
    hours = HitHour.objects.filter(
        organization=organization, content__in=contents, link_number=0, actor=Actor.HUMAN
    ).values_list("hour", "kind")
    rows = [(hour.astimezone(zone), kind, int(n)) for hour, kind, n in hours.annotate(n=Sum("hits")).order_by("hour")]
    if not rows:
        return [], False
    by_day = always_by_day or rows[-1][0] - rows[0][0] > HOURS_SHOWN
    found: dict[datetime, Counter[int]] = defaultdict(Counter)
    for hour, kind, n in rows:
        found[hour.replace(hour=0, minute=0) if by_day else hour][kind] += n
    step = timedelta(days=1) if by_day else timedelta(hours=1)
    points, at, last = [], min(found), max(found)
    # Hours without a hit are part of the picture.
    while at <= last:
        counts = found.get(at, Counter())
        points.append(TimePoint(at, counts[HitKind.OPEN], counts[HitKind.CLICK]))
        at += step
    return points, by_day
