"""What an email would measure if it were sent now: of how many people, of whom, and why not of the others.

Within a website and a moment the decision depends on what ``_GROUPS`` groups by and on nothing else, so one person of
each group is asked about. That keeps the answer quick for a million people; a test compares it with asking everybody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from campaigns.models import Email, EmailKind
from campaigns.segments import EVERYBODY, Definition, Narrowing, people_in
from campaigns.selectors import audience_of, is_exempt_approved, many_people
from consent.reasons import REASONS
from consent.rules import Kind, Level, Reason, Untracked
from consent.selectors import Decided, country_name, decisions_for
from delivery.measuring import without_totals
from delivery.models import Purpose
from delivery.rules import needs_subscription
from participants.models import Participant
from websites.models import Website

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# From the most that is measured to nothing.
ORDER: Mapping[Kind, tuple[Level, ...]] = {
    Kind.OPENS: (Level.INDIVIDUAL, Level.LAST_OPEN_DAY, Level.ANONYMOUS, Level.NONE),
    Kind.CLICKS: (Level.INDIVIDUAL, Level.ANONYMOUS, Level.NONE),
}
LEVEL_LABELS: Mapping[Level, _StrPromise] = {
    Level.INDIVIDUAL: _("Measured one by one"),
    Level.LAST_OPEN_DAY: _("Only the day of the last open"),
    Level.ANONYMOUS: _("Counted in anonymous totals"),
    Level.NONE: _("Not measured"),
}
# What a copy of a class carries; how to name what is not in the list follows from it.
TITLES: Mapping[tuple[Level, Level], tuple[str, _StrPromise]] = {
    (Level.INDIVIDUAL, Level.INDIVIDUAL): ("both", _("Measured: opens and clicks")),
    (Level.INDIVIDUAL, Level.NONE): ("opens", _("Measured: opens only")),
    (Level.NONE, Level.INDIVIDUAL): ("clicks", _("Measured: clicks only")),
    (Level.NONE, Level.NONE): ("none", _("Not measured")),
}
# The most measured copy first and the one that is not second, as they are compared.
_FIRST = ((Level.INDIVIDUAL, Level.INDIVIDUAL), (Level.NONE, Level.NONE))


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """People for whom one rule decided."""

    reason: Reason
    people: int

    @property
    def sentence(self) -> _StrPromise:
        return REASONS[self.reason]


@dataclass(frozen=True, slots=True)
class LevelForecast:
    """People of whom the same is measured, with the rules that decided so."""

    level: Level
    people: int
    reasons: list[ReasonCount]

    @property
    def label(self) -> _StrPromise:
        return LEVEL_LABELS[self.level]


@dataclass(frozen=True, slots=True)
class KindForecast:
    """Opens or clicks: every level that occurs, and the two ends of the scale in any case."""

    total: int
    levels: list[LevelForecast]

    def people(self, level: Level) -> int:
        return next((one.people for one in self.levels if one.level is level), 0)

    @property
    def measured(self) -> int:
        return self.people(Level.INDIVIDUAL)

    @property
    def not_measured(self) -> int:
        return self.people(Level.NONE)


@dataclass(frozen=True, slots=True)
class CountryForecast:
    """The people of one country; "ZZ" for those whose country is unknown."""

    country: str
    people: int
    opens: dict[Level, int]
    clicks: dict[Level, int]

    @property
    def name(self) -> str:
        return country_name(self.country)

    @property
    def opens_in_order(self) -> list[tuple[_StrPromise, int]]:
        return _in_order(Kind.OPENS, self.opens)

    @property
    def clicks_in_order(self) -> list[tuple[_StrPromise, int]]:
        return _in_order(Kind.CLICKS, self.clicks)


@dataclass(frozen=True, slots=True)
class CopyClass:
    """People whose copies carry the same, and one of them."""

    opens: Level
    clicks: Level
    people: int
    # Nobody, when the class is shown though nobody is in it.
    example: int | None = None

    @property
    def name(self) -> str:
        """In addresses of pages."""
        return TITLES[self.levels][0] if self.levels in TITLES else f"{self.opens}-{self.clicks}"

    @property
    def levels(self) -> tuple[Level, Level]:
        return self.opens, self.clicks

    @property
    def title(self) -> str:
        return title_of(self.opens, self.clicks)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an email measures if it is sent now."""

    total: int
    opens: KindForecast
    clicks: KindForecast
    # The most measured copy, the one that is not measured (always there), then what lies between.
    classes: list[CopyClass]
    # Most people first.
    countries: list[CountryForecast]

    def as_dict(self) -> dict[str, Any]:
        """For other programs: names of levels and reasons as the code has them, with their sentences."""
        return {
            "total": self.total,
            "opens": _kind_as_dict(self.opens),
            "clicks": _kind_as_dict(self.clicks),
            "classes": [{"opens": one.opens, "clicks": one.clicks, "people": one.people} for one in self.classes],
            "countries": [
                {"country": one.country, "people": one.people, "opens": one.opens, "clicks": one.clicks}
                for one in self.countries
            ],
        }


def title_of(opens: Level, clicks: Level) -> str:
    """What a copy of two levels carries, in words."""
    if (opens, clicks) in TITLES:
        return str(TITLES[opens, clicks][1])
    return str(_("Opens: %(opens)s. Clicks: %(clicks)s.")) % {
        "opens": str(LEVEL_LABELS[opens]).lower(),
        "clicks": str(LEVEL_LABELS[clicks]).lower(),
    }


def levels_of(name: str) -> tuple[Level, Level] | None:
    """The levels behind a class's name."""
    classes = (CopyClass(opens, clicks, 0) for opens in ORDER[Kind.OPENS] for clicks in ORDER[Kind.CLICKS])
    return next((one.levels for one in classes if one.name == name), None)


def untracked_of(email: Email) -> Untracked | None:
    """Why nothing of an email is ever measured: an email that asks for consent is not (rule C3)."""
    return Untracked.CONSENT_REQUEST if email.kind == EmailKind.CONSENT_REQUEST else None


def decided_for(
    organization: Organization, email: Email, people: Sequence[int], *, now: datetime, is_version: bool = False
) -> dict[int, Decided]:
    """What would be measured of people's copies if they left now. ``is_version``: as those of an A/B test."""
    decided = decisions_for(
        organization,
        email.campaign.website,
        people,
        purpose=email.purpose,
        now=now,
        exempt_approved=is_exempt_approved(organization, email),
        subscribed_mail=email.topic_id is not None and needs_subscription(email.purpose),
        untracked=untracked_of(email),
    )
    return without_totals(decided) if is_version else decided


# --- Counting ---------------------------------------------------------------------------------------------------------

_GROUPS = """
SELECT min(audience.id), count(*)
  FROM ({audience}) AS audience (id, country)
  LEFT JOIN consent_choice choice ON choice.participant_id = audience.id AND choice.scope_id = %s
 GROUP BY audience.country, choice.opens, choice.clicks, choice.informed_ground,
          choice.opens_informed_since IS NULL, choice.clicks_informed_since IS NULL,
          choice.collected_at::date, choice.informed_at::date, choice.anonymous_objected_at IS NULL
"""


def forecast(
    organization: Organization,
    email: Email,
    *,
    now: datetime,
    narrowing: Narrowing = EVERYBODY,
    is_version: bool = False,
) -> Forecast:
    """Of the audience: of how many people is measured what, by class, rule and country."""
    return count_decisions(_decided_groups(organization, email, narrowing, now=now, is_version=is_version))


@dataclass(frozen=True, slots=True)
class Group:
    """People for whom the same is decided, and one of them."""

    example: int
    people: int
    decided: Decided


def _decided_groups(
    organization: Organization, email: Email, narrowing: Narrowing, *, now: datetime, is_version: bool
) -> list[Group]:
    people = audience_of(organization, email, now=now, narrowing=narrowing)
    rows = _count_groups(people, email.campaign.website)
    examples = [example for example, _people in rows]
    decided = decided_for(organization, email, examples, now=now, is_version=is_version)
    return [Group(example, number, decided[example]) for example, number in rows]


def forecast_segment(
    organization: Organization, website: Website, definition: Definition, *, now: datetime
) -> Forecast:
    """Of the people of a segment: what would be measured of marketing that a website sent to all of them."""
    rows = _count_groups(people_in(organization, definition, now=now), website)
    examples = [example for example, _people in rows]
    decided = decisions_for(organization, website, examples, purpose=Purpose.MARKETING, now=now, subscribed_mail=True)
    return count_decisions([Group(example, number, decided[example]) for example, number in rows])


def _count_groups(people: QuerySet[Participant], website: Website) -> list[tuple[int, int]]:
    """One person of each group of people for whom a website decides the same, and how many they are."""
    audience, parameters = people.order_by().values_list("id", "country").query.sql_with_params()
    with many_people(), connection.cursor() as cursor:
        cursor.execute(_GROUPS.format(audience=audience), [*parameters, website.consent_scope_id])
        return cursor.fetchall()


def count_decisions(groups: Sequence[Group]) -> Forecast:
    """Add up what was decided for groups of people."""
    return Forecast(
        total=sum(group.people for group in groups),
        opens=_kind_forecast(groups, Kind.OPENS),
        clicks=_kind_forecast(groups, Kind.CLICKS),
        classes=_classes(groups),
        countries=_countries(groups),
    )


def level_and_reason(decided: Decided, kind: Kind) -> tuple[Level, Reason]:
    """One half of a decision."""
    decision = decided.decision
    if kind is Kind.OPENS:
        return decision.opens, decision.opens_reason
    return decision.clicks, decision.clicks_reason


def _kind_forecast(groups: Iterable[Group], kind: Kind) -> KindForecast:
    reasons: dict[Level, Counter[Reason]] = defaultdict(Counter)
    for group in groups:
        level, reason = level_and_reason(group.decided, kind)
        reasons[level][reason] += group.people
    levels = [
        LevelForecast(
            level, reasons[level].total(), [ReasonCount(*counted) for counted in reasons[level].most_common()]
        )
        for level in ORDER[kind]
        if level in (Level.INDIVIDUAL, Level.NONE) or reasons[level].total()
    ]
    return KindForecast(total=sum(one.people for one in levels), levels=levels)


def _classes(groups: Iterable[Group]) -> list[CopyClass]:
    people: Counter[tuple[Level, Level]] = Counter({(Level.NONE, Level.NONE): 0})
    examples: dict[tuple[Level, Level], int] = {}
    for group in groups:
        levels = group.decided.decision.opens, group.decided.decision.clicks
        people[levels] += group.people
        examples[levels] = min(group.example, examples.get(levels, group.example))
    return [CopyClass(*levels, people[levels], examples.get(levels)) for levels in sorted(people, key=_place)]


def _place(levels: tuple[Level, Level]) -> tuple[int, ...]:
    if levels in _FIRST:
        return (_FIRST.index(levels),)
    return len(_FIRST), ORDER[Kind.OPENS].index(levels[0]), ORDER[Kind.CLICKS].index(levels[1])


def _countries(groups: Iterable[Group]) -> list[CountryForecast]:
    people: Counter[str] = Counter()
    levels: dict[tuple[str, Kind], Counter[Level]] = defaultdict(Counter)
    for group in groups:
        country = group.decided.country
        people[country] += group.people
        for kind in Kind:
            levels[country, kind][level_and_reason(group.decided, kind)[0]] += group.people
    return [
        CountryForecast(country, number, dict(levels[country, Kind.OPENS]), dict(levels[country, Kind.CLICKS]))
        for country, number in sorted(people.items(), key=lambda item: (-item[1], item[0]))
    ]


def _in_order(kind: Kind, people: Mapping[Level, int]) -> list[tuple[_StrPromise, int]]:
    return [(LEVEL_LABELS[level], people[level]) for level in ORDER[kind] if people.get(level)]


def _kind_as_dict(kind: KindForecast) -> dict[str, Any]:
    return {
        one.level.value: {
            "people": one.people,
            "reasons": [
                {"reason": counted.reason, "people": counted.people, "sentence": str(counted.sentence)}
                for counted in one.reasons
            ],
        }
        for one in kind.levels
    }


def examples_of(predicted: Forecast) -> Iterator[CopyClass]:
    """The classes in which there is somebody."""
    yield from (one for one in predicted.classes if one.example is not None)
