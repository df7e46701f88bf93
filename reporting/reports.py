"""Reports of launches: of one, or of several together. Bases are the levels frozen with each sent copy (rule U2).

Read from the figures that ``rollups`` and ``counting`` keep, in a number of queries that does not depend on the data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
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


def report_several(organization: Organization, launches: Sequence[Launch]) -> SeveralReport:
    """Launches of an email, a campaign, a website or the organization together."""
    rows = read_rows(organization, launches)
    each = [LaunchFigures(launch, figures_of(launch, rows)) for launch in launches]
    timeline, by_day = _timeline(
        organization, [launch.mailing.snapshot.tracked_content_id for launch in launches], always_by_day=True
    )
    hidden = sum(
        any(one.copies and one.hits is None for one in (of.figures.counted_opens, of.figures.counted_clicks))
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
        too_small=hidden,
    )


def hits_counted_until() -> datetime | None:
    """Until when hits are in the figures."""
    return RollupCursor.objects.values_list("counted_at", flat=True).first()


def _links(launch: Launch, rows: Rows, figures: Figures) -> list[LinkRow]:
    content = launch.mailing.snapshot.tracked_content
    out = [row for row in rows.counts.get(launch.mailing_id, []) if row["status"] in GONE_OUT]
    _report, counted = anonymous_of(launch, rows, HitKind.CLICK, out)
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
            )
        )
    return found


def _groups(organization: Organization, launch: Launch, *, crowd: int) -> dict[Dimension, list[GroupRow]]:
    found: dict[Dimension, list[MailingGroup]] = {dimension: [] for dimension in Dimension}
    for row in MailingGroup.objects.filter(organization=organization, mailing=launch.mailing_id).order_by(
        "-copies", "value"
    ):
        # The rest of too few people is nobody's business, and there is none to subtract it from.
        if row.copies >= SMALLEST_CROWD:
            found[Dimension(row.dimension)].append(row)
    return {dimension: _group_rows(_shown(groups, crowd), crowd) for dimension, groups in found.items()}


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
