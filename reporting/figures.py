"""The figures that one launch and several of them have in common: delivery, bases, opens and clicks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Sum

from accounts.models import Organization
from campaigns.models import Launch
from consent.reasons import REASONS
from consent.rules import EXEMPT_REASONS, Level, Reason
from delivery.connection_models import News
from delivery.models import Message, MessageStatus
from reporting.models import CountedMailing, HitPeople, MailingCount
from reporting.rules import SMALLEST_CROWD, Rate, publish, share
from tracking.models import Actor, AnonymousTotal, HitKind
from tracking.rules import is_plausible

# A mail server has, or may have, these.
GONE_OUT = (MessageStatus.SENT, MessageStatus.UNKNOWN)
BOUNCED = (News.SOFT_BOUNCE, News.HARD_BOUNCE, News.REJECTED)
# The copies of a smaller launch are counted for each page, so that it shows what has just happened.
SMALL_LAUNCH = 10_000


@dataclass(frozen=True, slots=True)
class KindReport:
    """Opens or clicks. People are sent copies: somebody who got two emails of a campaign may count twice in it."""

    base: int
    sent: int
    people: Rate
    people_unsure: int
    people_machine: int
    total_human: int
    total_unsure: int
    total_machine: int
    not_measured: list[tuple[str, int]]

    @property
    def not_measured_count(self) -> int:
        return self.sent - self.base

    @property
    def base_share(self) -> float | None:
        return share(self.base, self.sent)

    @property
    def estimate(self) -> tuple[int, int] | None:
        """For everybody who got a copy; shown only to who asks for it, and called an estimate."""
        return self.people.estimate(self.sent) if self.base < self.sent else None


@dataclass(frozen=True, slots=True)
class CountedReport:
    """How often people whom nobody can tell apart opened, or followed links; None while too few did (rule U3)."""

    copies: int
    hits: int | None
    # Of fewer people nothing is shown.
    crowd: int = SMALLEST_CROWD
    # Of what may be shown, more than so many copies can have caused: in no total, and said apart.
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class CountedCells:
    """The same of a launch, by link. None where too few did, or where it is set aside."""

    report: CountedReport
    cells: dict[int, int | None]
    set_aside: frozenset[int]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the copies, as the mail servers tell."""

    audience: int
    statuses: list[tuple[str, int]]
    sent: int
    delivered: int
    bounced: int
    complained: int
    unsubscribed: int
    # May have been sent; they are among those sent.
    unknown: int
    # Copies that an outside sender sent instead of Pli.
    sent_outside: int

    @property
    def all_were_sent(self) -> bool:
        """Whether there is nothing to say of their states."""
        return self.sent == self.audience and not self.unknown


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that one launch and several of them have in common."""

    delivery: Delivery
    opens: KindReport
    clicks: KindReport
    # Beside the rates and never in them: nobody stands behind these (rule S9).
    counted_opens: CountedReport
    counted_clicks: CountedReport

    @property
    def crowd(self) -> int:
        """Of fewer people nothing is shown that is anonymous (rule U3)."""
        return max(self.counted_opens.crowd, self.counted_clicks.crowd)

    @property
    def anything_measured(self) -> bool:
        return self.opens.base + self.clicks.base > 0


@dataclass(slots=True)
class Rows:
    """What was read of some launches, by mailing or content."""

    counts: dict[int, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    counted: dict[int, CountedMailing] = field(default_factory=dict)
    people: dict[tuple[int, int, int], HitPeople] = field(default_factory=dict)
    # By content and kind, then by link; the whole mailing is their sum.
    anonymous: dict[tuple[int, int], dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    # As the organization set it.
    crowd: int = SMALLEST_CROWD


# --- Reading --------------------------------------------------------------------------------------------------------

_GROUPING = ("status", "news", "opens", "opens_reason", "clicks", "clicks_reason")


def read_rows(organization: Organization, launches: Sequence[Launch], *, small_ones_anew: bool = False) -> Rows:
    rows = Rows(crowd=organization.smallest_crowd)
    mailings = [launch.mailing_id for launch in launches]
    contents = [launch.mailing.snapshot.tracked_content_id for launch in launches]
    rows.counted = {
        row.mailing_id: row for row in CountedMailing.objects.filter(organization=organization, mailing__in=mailings)
    }
    kept = [
        number
        for number in mailings
        if number in rows.counted and not (small_ones_anew and rows.counted[number].total < SMALL_LAUNCH)
    ]
    stored = MailingCount.objects.filter(organization=organization, mailing__in=kept)
    for row in stored.values("mailing_id", *_GROUPING, "copies"):
        rows.counts[row["mailing_id"]].append(row)
    others = Message.objects.filter(organization=organization, mailing__in=set(mailings) - set(kept))
    for row in others.values("mailing_id", *_GROUPING).annotate(copies=Count("id")):
        rows.counts[row["mailing_id"]].append(row)
    for people in HitPeople.objects.filter(organization=organization, content__in=contents):
        rows.people[people.content_id, people.kind, people.link_number] = people
    totals = AnonymousTotal.objects.filter(organization_id=organization.pk, content__in=contents)
    # Without what machines fetched. Automatic clients share the address with everybody.
    by_link = totals.exclude(actor=Actor.MACHINE).values_list("content_id", "kind", "link_number")
    for content, kind, link, hits in by_link.annotate(n=Sum("hits")):
        rows.anonymous[content, kind][link] = int(hits)
    return rows


def figures_of(launch: Launch, rows: Rows) -> Figures:
    counts = rows.counts.get(launch.mailing_id, [])
    counted = rows.counted.get(launch.mailing_id)
    out = [row for row in counts if row["status"] in GONE_OUT]
    return Figures(
        delivery=_delivery(counts, out, unsubscribed=counted.unsubscribed if counted is not None else 0),
        opens=_kind(launch, rows, HitKind.OPEN, out),
        clicks=_kind(launch, rows, HitKind.CLICK, out),
        counted_opens=anonymous_of(launch, rows, HitKind.OPEN, out).report,
        counted_clicks=anonymous_of(launch, rows, HitKind.CLICK, out).report,
    )


def _delivery(counts: Sequence[Mapping[str, Any]], out: Sequence[Mapping[str, Any]], *, unsubscribed: int) -> Delivery:
    statuses: Counter[str] = Counter()
    for row in counts:
        statuses[row["status"]] += row["copies"]
    arrived = (News.DELIVERED, News.COMPLAINED)
    return Delivery(
        audience=sum(statuses.values()),
        statuses=[(str(MessageStatus(status).label), n) for status, n in statuses.most_common()],
        sent=sum(row["copies"] for row in out),
        delivered=sum(row["copies"] for row in out if row["news"] in arrived),
        bounced=sum(row["copies"] for row in counts if row["news"] in BOUNCED),
        complained=sum(row["copies"] for row in counts if row["news"] == News.COMPLAINED),
        unsubscribed=unsubscribed,
        unknown=statuses[MessageStatus.UNKNOWN],
        sent_outside=sum(row["copies"] for row in out if row["opens_reason"] == Reason.SENT_OUTSIDE),
    )


def _in_base(row: Mapping[str, Any], name: str) -> bool:
    """Whether these copies could be measured for a report."""
    return bool(row[name] == Level.INDIVIDUAL and row[f"{name}_reason"] not in EXEMPT_REASONS)


def _name(kind: HitKind) -> str:
    return "opens" if kind == HitKind.OPEN else "clicks"


def _kind(launch: Launch, rows: Rows, kind: HitKind, out: Sequence[Mapping[str, Any]]) -> KindReport:
    name = _name(kind)
    base = sum(row["copies"] for row in out if _in_base(row, name))
    reasons: Counter[str] = Counter()
    for row in out:
        if not _in_base(row, name):
            reasons[row[f"{name}_reason"]] += row["copies"]
    people = rows.people.get((launch.mailing.snapshot.tracked_content_id, kind, 0)) or HitPeople()
    return KindReport(
        base=base,
        sent=sum(row["copies"] for row in out),
        people=Rate(people.human_people, base),
        people_unsure=people.unsure_people,
        people_machine=people.machine_people,
        total_human=people.human_hits,
        total_unsure=people.unsure_hits,
        total_machine=people.machine_hits,
        not_measured=[(reason_sentence(reason), n) for reason, n in reasons.most_common()],
    )


def anonymous_of(launch: Launch, rows: Rows, kind: HitKind, out: Sequence[Mapping[str, Any]]) -> CountedCells:
    """As it may be shown: of the whole, and of each link.

    What is implausible is so by what is shown, so that nothing more can be told from it (rule U3).
    """
    name = _name(kind)
    copies = sum(row["copies"] for row in out if row[name] == Level.ANONYMOUS)
    content = launch.mailing.snapshot.tracked_content
    numbers = [0] if kind == HitKind.OPEN else [link["number"] for link in content.links]
    found = rows.anonymous.get((content.pk, kind), {})
    totals = dict.fromkeys(numbers, 0) | found
    shown = publish(totals, copies=copies, k=rows.crowd)
    beyond = {link: hits for link, hits in shown.cells.items() if hits and not _can_come_from(copies, kind, hits)}
    aside = sum(beyond.values())
    report = CountedReport(copies, (shown.total or 0) - aside or None, rows.crowd, aside)
    return CountedCells(
        report, {link: None if link in beyond else hits for link, hits in shown.cells.items()}, frozenset(beyond)
    )


def _can_come_from(copies: int, kind: HitKind, hits: int) -> bool:
    if kind == HitKind.OPEN:
        return is_plausible(opens=hits, most_clicks_on_a_link=0, copies=copies)
    return is_plausible(opens=0, most_clicks_on_a_link=hits, copies=copies)


def reason_sentence(reason: str) -> str:
    return str(REASONS[Reason(reason)]) if reason else ""


# --- Together -------------------------------------------------------------------------------------------------------


def add_up(figures: Sequence[Figures]) -> Figures:
    delivery = [one.delivery for one in figures]
    statuses: Counter[str] = Counter()
    for one in delivery:
        statuses.update(dict(one.statuses))
    return Figures(
        delivery=Delivery(
            audience=sum(one.audience for one in delivery),
            statuses=statuses.most_common(),
            sent=sum(one.sent for one in delivery),
            delivered=sum(one.delivered for one in delivery),
            bounced=sum(one.bounced for one in delivery),
            complained=sum(one.complained for one in delivery),
            unsubscribed=sum(one.unsubscribed for one in delivery),
            unknown=sum(one.unknown for one in delivery),
            sent_outside=sum(one.sent_outside for one in delivery),
        ),
        opens=_sum_of_kind([one.opens for one in figures]),
        clicks=_sum_of_kind([one.clicks for one in figures]),
        counted_opens=_sum_of_counted([one.counted_opens for one in figures]),
        counted_clicks=_sum_of_counted([one.counted_clicks for one in figures]),
    )


def _sum_of_kind(kinds: Sequence[KindReport]) -> KindReport:
    reasons: Counter[str] = Counter()
    for one in kinds:
        reasons.update(dict(one.not_measured))
    base = sum(one.base for one in kinds)
    return KindReport(
        base=base,
        sent=sum(one.sent for one in kinds),
        people=Rate(sum(one.people.count for one in kinds if one.base), base),
        people_unsure=sum(one.people_unsure for one in kinds),
        people_machine=sum(one.people_machine for one in kinds),
        total_human=sum(one.total_human for one in kinds),
        total_unsure=sum(one.total_unsure for one in kinds),
        total_machine=sum(one.total_machine for one in kinds),
        not_measured=reasons.most_common(),
    )


def _sum_of_counted(reports: Sequence[CountedReport]) -> CountedReport:
    """Of what is shown of each, so that nothing can be had by subtraction that one of them keeps (rule U3)."""
    shown = [one.hits for one in reports if one.hits is not None]
    crowd = max((one.crowd for one in reports), default=SMALLEST_CROWD)
    return CountedReport(
        sum(one.copies for one in reports),
        sum(shown) if shown else None,
        crowd,
        sum(one.set_aside for one in reports),
    )
