"""What the report pages show, read from the rows of messages and hits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from accounts.models import Organization
from campaigns.models import Launch
from consent.models import Choice
from consent.reasons import REASONS
from consent.rules import EXEMPT_REASONS, Level, Reason
from delivery.models import Held, Message, MessageStatus
from delivery.news import without_addresses
from participants.models import Participant
from reporting.rules import SMALLEST_CROWD, Rate, share
from tracking.models import Actor, AnonymousTotal, ForgottenTotal, Hit, HitKind, TrackedMessage
from websites.models import Website

# A mail server has, or may have, these.
WORDS_SHOWN = 8
GONE_OUT = (MessageStatus.SENT, MessageStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class KindReport:
    """Opens or clicks of one launch."""

    base: int
    sent: int
    people: Rate
    people_unsure: int
    people_machine: int
    total_human: int
    not_measured: list[tuple[str, int]]

    @property
    def not_measured_count(self) -> int:
        return self.sent - self.base

    @property
    def base_share(self) -> float | None:
        return share(self.base, self.sent)


@dataclass(frozen=True, slots=True)
class LinkRow:
    number: int
    url: str
    label: str
    people: Rate
    clicks: int


@dataclass(frozen=True, slots=True)
class TimePoint:
    starts_at: datetime
    opens: int
    clicks: int


@dataclass(frozen=True, slots=True)
class CountedReport:
    """How often people whom nobody can tell apart opened, or followed links; None while too few could have (U3)."""

    copies: int
    hits: int | None


@dataclass(frozen=True, slots=True)
class LaunchReport:
    launch: Launch
    audience: int
    statuses: list[tuple[str, int]]
    # Why copies that have not left wait for a later moment than the launch.
    held: list[tuple[str, int]]
    # Of mail servers and sending services, with the number of copies.
    words: list[tuple[str, int]]
    sent: int
    opens: KindReport
    clicks: KindReport
    links: list[LinkRow]
    timeline: list[TimePoint]
    by_day: bool
    # Beside the rates and never in them: nobody stands behind these (rule S9).
    counted_opens: CountedReport
    counted_clicks: CountedReport
    # Copies that an outside sender sent instead of Pli.
    sent_outside: int

    @property
    def anything_measured(self) -> bool:
        return self.opens.base + self.clicks.base > 0


def get_launch(organization: Organization, launch_id: int) -> Launch | None:
    """The one lookup door of report pages."""
    return (
        Launch.objects.filter(organization=organization, pk=launch_id)
        .select_related("email__campaign__website", "mailing__snapshot__tracked_content")
        .first()
    )


def report_launch(organization: Organization, launch: Launch) -> LaunchReport:
    """The whole report of one launch. Bases are the levels frozen with each sent copy."""
    groups = list(
        Message.objects.filter(organization=organization, mailing=launch.mailing)
        .values("status", "opens", "opens_reason", "clicks", "clicks_reason")
        .annotate(n=Count("id"))
    )
    statuses: Counter[str] = Counter()
    for group in groups:
        statuses[group["status"]] += group["n"]
    out = [group for group in groups if group["status"] in GONE_OUT]
    people = _people_by_actor(organization, launch)
    timeline, by_day = _timeline(organization, launch)
    return LaunchReport(
        launch=launch,
        audience=sum(statuses.values()),
        statuses=[(str(MessageStatus(status).label), n) for status, n in statuses.most_common()],
        held=_held(organization, launch),
        words=_server_words(organization, launch),
        sent=sum(group["n"] for group in out),
        opens=_kind_report("opens", out, people[HitKind.OPEN]),
        clicks=_kind_report("clicks", out, people[HitKind.CLICK]),
        links=_links(organization, launch, out),
        timeline=timeline,
        by_day=by_day,
        counted_opens=_counted(launch, HitKind.OPEN, out),
        counted_clicks=_counted(launch, HitKind.CLICK, out),
        sent_outside=sum(group["n"] for group in out if group["opens_reason"] == Reason.SENT_OUTSIDE),
    )


def _held(organization: Organization, launch: Launch) -> list[tuple[str, int]]:
    waiting = Message.objects.filter(organization=organization, mailing=launch.mailing, status=MessageStatus.QUEUED)
    rows = waiting.exclude(held_for="").filter(due_at__isnull=False).values_list("held_for").annotate(n=Count("id"))
    return [(str(Held(reason).label), n) for reason, n in rows.order_by("held_for")]


def _server_words(organization: Organization, launch: Launch) -> list[tuple[str, int]]:
    """What mail servers and services said of messages, and of how many; without the addresses that they repeat."""
    said: Counter[str] = Counter()
    mine = Message.objects.filter(organization=organization, mailing=launch.mailing)
    for column in ("error", "news_words"):
        rows = mine.exclude(**{column: ""}).values_list(column).annotate(n=Count("id")).order_by("-n")[:200]
        for words, n in rows:
            said[without_addresses(words)] += n
    return said.most_common(WORDS_SHOWN)


def _counted(launch: Launch, kind: HitKind, groups: Sequence[Mapping[str, Any]]) -> CountedReport:
    """Without what machines fetched. Automatic clients share the address with everybody."""
    name = "opens" if kind == HitKind.OPEN else "clicks"
    copies = sum(group["n"] for group in groups if group[name] == Level.ANONYMOUS)
    totals = AnonymousTotal.objects.filter(content=launch.mailing.snapshot.tracked_content_id, kind=kind)
    hits = totals.exclude(actor=Actor.MACHINE).aggregate(hits=Sum("hits"))["hits"] or 0
    shown = min(copies, hits) >= SMALLEST_CROWD
    return CountedReport(copies, hits if shown else None)


@dataclass(slots=True)
class _People:
    human: int = 0
    unsure: int = 0
    machine: int = 0
    total_human: int = 0


def _hits(organization: Organization, launch: Launch) -> Any:
    hits = Hit.objects.filter(organization_id=organization.pk, content_id=launch.mailing.snapshot.tracked_content_id)
    if not launch.mailing.exempt_approved:
        return hits
    exempt = TrackedMessage.objects.filter(pk=OuterRef("tracked_message_id")).exclude(exempt_purpose="")
    return hits.exclude(Exists(exempt))


# What is recorded for an exempt purpose is no report's business (rule S6). Asked only of mailings that have one.
_REPORTED = """(NOT %(exempt)s OR NOT EXISTS (
               SELECT FROM tracking_trackedmessage m WHERE m.id = tracked_message_id AND m.exempt_purpose <> ''))"""


PEOPLE = f"""
SELECT kind, count(*) FILTER (WHERE human > 0), count(*) FILTER (WHERE human = 0 AND unsure > 0),
       count(*) FILTER (WHERE human = 0 AND unsure = 0), sum(human)
  FROM (SELECT kind, count(*) FILTER (WHERE actor = 1) AS human, count(*) FILTER (WHERE actor = 3) AS unsure
          FROM tracking_hit
         WHERE organization_id = %(organization)s AND content_id = %(content)s AND tracked_message_id IS NOT NULL
           AND {_REPORTED}
         GROUP BY kind, tracked_message_id) AS per_person
 GROUP BY kind
"""  # noqa: S608 - made of constants


def _people_by_actor(organization: Organization, launch: Launch) -> dict[int, _People]:
    """Each person counts once and under the surest of their hits."""
    people = {HitKind.OPEN.value: _People(), HitKind.CLICK.value: _People()}
    content_id = launch.mailing.snapshot.tracked_content_id
    with connection.cursor() as cursor:
        cursor.execute(
            PEOPLE,
            {"organization": organization.pk, "content": content_id, "exempt": launch.mailing.exempt_approved},
        )
        for kind, human, unsure, machine, total in cursor.fetchall():
            people[kind] = _People(human, unsure, machine, int(total))
    for gone in _forgotten(content_id).filter(link_number=0):
        of_kind = people[gone.kind]
        of_kind.human += gone.human_people
        of_kind.unsure += gone.unsure_people
        of_kind.machine += gone.machine_people
        of_kind.total_human += gone.human_hits
    return people


def _forgotten(content_id: int) -> QuerySet[ForgottenTotal]:
    """What hits had added that are gone since, or made anonymous: a report says what it said before (rule C11)."""
    return ForgottenTotal.objects.filter(content=content_id)


def _in_base(group: Mapping[str, Any], kind: str) -> bool:
    """Whether these copies could be measured for a report."""
    return bool(group[kind] == Level.INDIVIDUAL and group[f"{kind}_reason"] not in EXEMPT_REASONS)


def _kind_report(kind: str, groups: Sequence[Mapping[str, Any]], people: _People) -> KindReport:
    sent = sum(group["n"] for group in groups)
    base = sum(group["n"] for group in groups if _in_base(group, kind))
    reasons: Counter[str] = Counter()
    for group in groups:
        if not _in_base(group, kind):
            reasons[group[f"{kind}_reason"]] += group["n"]
    return KindReport(
        base=base,
        sent=sent,
        people=Rate(people.human, base),
        people_unsure=people.unsure,
        people_machine=people.machine,
        total_human=people.total_human,
        not_measured=[(reason_sentence(reason), n) for reason, n in reasons.most_common()],
    )


def reason_sentence(reason: str) -> str:
    return str(REASONS[Reason(reason)]) if reason else ""


def _links(organization: Organization, launch: Launch, groups: Sequence[Mapping[str, Any]]) -> list[LinkRow]:
    base = sum(group["n"] for group in groups if _in_base(group, "clicks"))
    counted = {
        row["link_number"]: row
        for row in _hits(organization, launch)
        .filter(kind=HitKind.CLICK, actor=Actor.HUMAN, tracked_message__isnull=False)
        .values("link_number")
        .annotate(n=Count("id"), people=Count("tracked_message_id", distinct=True))
    }
    for gone in _forgotten(launch.mailing.snapshot.tracked_content_id).filter(kind=HitKind.CLICK, link_number__gt=0):
        row = counted.setdefault(gone.link_number, {"n": 0, "people": 0})
        row["n"] += gone.human_hits
        row["people"] += gone.human_people
    rows = []
    for link in launch.mailing.snapshot.tracked_content.links:
        row = counted.get(link["number"], {"n": 0, "people": 0})
        rows.append(LinkRow(link["number"], link["url"], link.get("label", ""), Rate(row["people"], base), row["n"]))
    return rows


TIMELINE = f"""
SELECT date_trunc(%(unit)s, received_at, %(zone)s) AS starts_at,
       count(*) FILTER (WHERE kind = 1), count(*) FILTER (WHERE kind = 2)
  FROM tracking_hit
 WHERE organization_id = %(organization)s AND content_id = %(content)s AND actor = 1 AND {_REPORTED}
 GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - made of constants


def _timeline(organization: Organization, launch: Launch) -> tuple[list[TimePoint], bool]:
    """Hits by people over time: by hour for the first two days, then by day, in the organization's time zone."""
    hits = _hits(organization, launch).filter(actor=Actor.HUMAN)
    first, last = (
        hits.order_by("received_at").values_list("received_at", flat=True).first(),
        hits.order_by("-received_at").values_list("received_at", flat=True).first(),
    )
    if first is None or last is None:
        return [], False
    by_day = last - first > timedelta(days=2)
    with connection.cursor() as cursor:
        cursor.execute(
            TIMELINE,
            {
                "unit": "day" if by_day else "hour",
                "zone": organization.timezone,
                "organization": organization.pk,
                "content": launch.mailing.snapshot.tracked_content_id,
                "exempt": launch.mailing.exempt_approved,
            },
        )
        zone = ZoneInfo(organization.timezone)
        found = {
            row[0].astimezone(zone): TimePoint(row[0].astimezone(zone), row[1], row[2]) for row in cursor.fetchall()
        }
    return _without_gaps(found, timedelta(days=1) if by_day else timedelta(hours=1)), by_day


def _without_gaps(found: dict[datetime, TimePoint], step: timedelta) -> list[TimePoint]:
    """Hours without a hit are part of the picture."""
    points, at, last = [], min(found), max(found)
    while at <= last:
        points.append(found.get(at, TimePoint(at, 0, 0)))
        at += step
    return points


@dataclass(frozen=True, slots=True)
class Overview:
    """The dashboard of an organization."""

    participants: int
    choices: list[tuple[str, int]]
    websites: list[Website]
    launches: list[LaunchRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LaunchRow:
    launch: Launch
    sent: int
    total: int
    opens_base: int
    clicks_base: int


def summarize(organization: Organization) -> Overview:
    return Overview(
        participants=Participant.objects.filter(organization=organization).count(),
        choices=_choice_counts(organization),
        websites=list(Website.objects.filter(organization=organization).order_by("name")),
        launches=latest_launches(organization, limit=8),
    )


def _choice_counts(organization: Organization) -> list[tuple[str, int]]:
    counts = Choice.objects.filter(organization=organization, scope__is_default=True).aggregate(
        both=Count("participant", filter=Q(opens="yes", clicks="yes")),
        one=Count("participant", filter=Q(opens="yes") ^ Q(clicks="yes")),
        no=Count("participant", filter=~Q(opens="yes") & ~Q(clicks="yes") & (Q(opens="no") | Q(clicks="no"))),
    )
    return [("both", counts["both"]), ("one", counts["one"]), ("no", counts["no"])]


def latest_launches(organization: Organization, *, limit: int) -> list[LaunchRow]:
    """Newest launches with what was sent and who could be measured; one query for all the counts."""
    launches = list(
        Launch.objects.filter(organization=organization)
        .select_related("email__campaign__website", "mailing")
        .order_by("-created_at")[:limit]
    )
    counts = {
        row["mailing_id"]: row
        for row in Message.objects.filter(
            organization=organization, mailing_id__in=[launch.mailing_id for launch in launches]
        )
        .values("mailing_id")
        .annotate(
            total=Count("id"),
            sent=Count("id", filter=Q(status__in=GONE_OUT)),
            opens_base=Count(
                "id", filter=Q(status__in=GONE_OUT, opens=Level.INDIVIDUAL) & ~Q(opens_reason__in=EXEMPT_REASONS)
            ),
            clicks_base=Count(
                "id", filter=Q(status__in=GONE_OUT, clicks=Level.INDIVIDUAL) & ~Q(clicks_reason__in=EXEMPT_REASONS)
            ),
        )
    }
    empty = {"sent": 0, "total": 0, "opens_base": 0, "clicks_base": 0}
    rows = []
    for launch in launches:
        row = counts.get(launch.mailing_id, empty)
        rows.append(LaunchRow(launch, row["sent"], row["total"], row["opens_base"], row["clicks_base"]))
    return rows


def chart_series(points: Iterable[TimePoint], *, by_day: bool) -> tuple[list[str], list[int], list[int]]:
    """Labels, opens and clicks as a chart wants them."""
    labels, opens, clicks = [], [], []
    for point in points:
        labels.append(point.starts_at.strftime("%d.%m." if by_day else "%d.%m. %H:%M"))
        opens.append(point.opens)
        clicks.append(point.clicks)
    return labels, opens, clicks
