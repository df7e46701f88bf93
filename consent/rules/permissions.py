"""What a website permits for the people of one country, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from consent.rules.names import Basis, InformedGround, Kind, Measurement, Permit
from websites.rules import (
    UNKNOWN_COUNTRY,
    EmailTracking,
    RuleCell,
    RuleKey,
    cell,
    normalise_country,
    rule_table,
    strictest,
)

INDIVIDUAL: Mapping[Kind, RuleKey] = {
    Kind.OPENS: RuleKey.INDIVIDUAL_OPENS,
    Kind.CLICKS: RuleKey.INDIVIDUAL_CLICKS,
}
TOTALS: Mapping[Kind, RuleKey] = {
    Kind.OPENS: RuleKey.ANONYMOUS_OPENS,
    Kind.CLICKS: RuleKey.ANONYMOUS_CLICKS,
}
EXEMPT: Mapping[Permit, RuleKey] = {
    Permit.AUTHENTICATION: RuleKey.AUTHENTICATION_SECURITY,
    Permit.LEGAL_NOTICE: RuleKey.LEGAL_NOTICE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Justified:
    """A confirmed legal justification: which rows of the table it loosens, where, from when, until which day."""

    rule_keys: frozenset[str]
    countries: frozenset[str]
    confirmed_at: datetime
    # Counts too.
    ends_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class WebsiteState:
    """What decides about a website at one moment."""

    tracking: EmailTracking
    country: str
    # ``Measurement``: what the notices in force tell of (S13).
    notice_covers: frozenset[str]
    # Confirmed and not withdrawn. Those that have ended count for nothing, and say when they did.
    justifications: tuple[Justified, ...] = ()
    # What the organization declared for people of this website whose country is unknown; empty: nothing (S5).
    declared_country: str = ""
    stopped: bool = False
    for_professionals: bool = False
    # What is left of everybody who is not measured one by one: "none", "anonymous", "last_open_day" (opens only).
    opens_fallback: str = "none"
    clicks_fallback: str = "none"

    def fallback(self, kind: Kind) -> str:
        """What is left of one kind for everybody else."""
        return self.opens_fallback if kind == Kind.OPENS else self.clicks_fallback

    def as_known(self, at: datetime) -> WebsiteState:
        """The same without the justifications that were confirmed later."""
        return replace(self, justifications=tuple(one for one in self.justifications if one.confirmed_at <= at))


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a website permits on a day for one kind and the people of one country."""

    basis: Basis
    permits: frozenset[Permit] = frozenset()
    # With IF_INFORMED: collected before the first day, and informed by the end of the second. None: no such limit.
    collected_before: date | None = None
    informed_by: date | None = None

    def loses_to(self, later: Resolved) -> bool:
        """Whether something that is permitted here no longer is there."""
        if not self.permits <= later.permits:
            return True
        return Permit.IF_INFORMED in self.permits and self.limits != later.limits

    @property
    def limits(self) -> tuple[date | None, date | None]:
        return self.collected_before, self.informed_by


def resolve_permission(website: WebsiteState, *, participant_country: str, kind: Kind, on: date) -> Resolved:
    """Everything that a website permits for one kind and the people of one country (S2, S5-S9, S13, C2, C10)."""
    if forbidden := _forbidden(website, kind):
        return Resolved(forbidden)
    place = _Place(website, participant_country, on)
    without_asking = website.tracking == EmailTracking.ALWAYS and place.permits(INDIVIDUAL[kind])
    permits = {Permit.WITH_YES, *(permit for permit, key in EXEMPT.items() if place.permits(key))}
    if without_asking:
        permits.add(Permit.UNLESS_NO)
    if place.permits(RuleKey.INFORMED_DID_NOT_REFUSE):
        permits.add(Permit.IF_INFORMED)
    if website.for_professionals and place.permits(RuleKey.PROFESSIONALS_OPT_OUT):
        permits.add(Permit.PROFESSIONALS)
    permits |= _left_for_everybody_else(website, place, kind)
    limits = place.limits() if Permit.IF_INFORMED in permits else (None, None)
    return Resolved(_basis(website, without_asking), frozenset(permits), *limits)


def _forbidden(website: WebsiteState, kind: Kind) -> Basis | None:
    if website.stopped:
        return Basis.STOPPED
    if website.tracking == EmailTracking.NEVER:
        return Basis.NEVER
    return None if Measurement(kind) in website.notice_covers else Basis.NO_NOTICE


def _basis(website: WebsiteState, without_asking: bool) -> Basis:
    if without_asking:
        return Basis.UNLESS_NO
    return Basis.WITH_YES_BY_LAW if website.tracking == EmailTracking.ALWAYS else Basis.WITH_YES


def _left_for_everybody_else(website: WebsiteState, place: _Place, kind: Kind) -> set[Permit]:
    """Anonymous totals or the last open day: as set, told of in the notice, and permitted (S8, S9)."""
    left = website.fallback(kind)
    if left not in website.notice_covers:
        return set()
    if left == Measurement.ANONYMOUS and place.permits(TOTALS[kind]):
        return {Permit.ANONYMOUS}
    if left == Measurement.LAST_OPEN_DAY and kind == Kind.OPENS and place.permits(RuleKey.LAST_OPEN_DAY):
        return {Permit.LAST_OPEN_DAY}
    return set()


class _Place:
    """The rules of a website's country and of a person's, less what legal justifications loosen there."""

    def __init__(self, website: WebsiteState, participant_country: str, on: date) -> None:
        self._countries = {normalise_country(website.country), deciding_country(website, participant_country)}
        self._lifted = {country: lifted_keys(website, country, on) for country in self._countries}
        self._on = on

    def cells(self, key: RuleKey) -> list[RuleCell]:
        """The cells of a row that count; none where justifications name all the countries."""
        return [cell(key, country, self._on) for country in self._countries if key not in self._lifted[country]]

    def ruling(self, key: RuleKey) -> RuleCell | None:
        """The strictest of them (S5)."""
        cells = self.cells(key)
        return strictest(cells) if cells else None

    def permits(self, key: RuleKey) -> bool:
        """Whether a row can be used without a yes: neither country asks for one, or for more than one."""
        return not any(one.asks_for_consent for one in self.cells(key))

    def limits(self) -> tuple[date | None, date | None]:
        """By when people must have been collected and informed, wherever one of the two countries says so."""
        cells = self.cells(RuleKey.INFORMED_DID_NOT_REFUSE)
        return (
            min((one.collected_before for one in cells if one.collected_before), default=None),
            min((one.informed_by for one in cells if one.informed_by), default=None),
        )


def ruling_cell(website: WebsiteState, *, participant_country: str, key: RuleKey, on: date) -> RuleCell | None:
    """The strictest cell of the website's and the person's country (S5); None when justifications name both (S7)."""
    return _Place(website, participant_country, on).ruling(key)


@dataclass(frozen=True, slots=True)
class InformedRule:
    """Whether people who were informed and did not refuse count somewhere, and by which days (C2, C10)."""

    allowed: bool
    # Collected before the first day, and informed by the end of the second. None: no such limit.
    collected_before: date | None = None
    informed_by: date | None = None

    def in_time(self, *, collected_on: date, informed_on: date) -> bool:
        """Whether somebody was, on these days."""
        return (self.collected_before is None or collected_on < self.collected_before) and (
            self.informed_by is None or informed_on <= self.informed_by
        )


def informed_rule(website: WebsiteState, *, participant_country: str, ground: InformedGround, on: date) -> InformedRule:
    """What a ground needs for the people of one country, whatever the website is set to measure meanwhile."""
    place = _Place(website, participant_country, on)
    if ground is InformedGround.PROFESSIONAL:
        return InformedRule(website.for_professionals and place.permits(RuleKey.PROFESSIONALS_OPT_OUT))
    if not place.permits(RuleKey.INFORMED_DID_NOT_REFUSE):
        return InformedRule(allowed=False)
    return InformedRule(True, *place.limits())


def lifted_keys(website: WebsiteState, country: str, on: date) -> frozenset[str]:
    """The rows of the table that legal justifications loosen in a country on a day.

    A justification names countries, and an unknown one has no name: the declared country is the way to loosen it.
    """
    if country == UNKNOWN_COUNTRY:
        return frozenset()
    running = (one for one in website.justifications if on <= one.ends_on and country in one.countries)
    return frozenset(key for one in running for key in one.rule_keys)


def deciding_country(website: WebsiteState, participant_country: str) -> str:
    """Where a person counts as being: their country, else the declared one, else unknown (S5)."""
    return normalise_country(participant_country.strip() or website.declared_country)


def days_of_change(website: WebsiteState, *, after: date) -> list[date]:
    """The days to come on which time alone changes what is permitted: a justification has ended, a cell begins."""
    ends = (one.ends_on + timedelta(days=1) for one in website.justifications)
    begins = (version.valid_from for versions in rule_table().values() for version in versions)
    return sorted({day for day in (*ends, *begins) if day > after})


# --- Since when -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Permission:
    """Since when, without a break, a website permits each thing for one kind and the people of one country.

    ``until`` is the moment at which time alone takes something back. From then on nothing but a yes counts, until the
    permission has been resolved anew (by beat within a minute).
    """

    with_yes_since: datetime | None = None
    unless_no_since: datetime | None = None
    if_informed_since: datetime | None = None
    professionals_since: datetime | None = None
    authentication_since: datetime | None = None
    legal_notice_since: datetime | None = None
    anonymous_since: datetime | None = None
    last_open_day_since: datetime | None = None
    # With IF_INFORMED: collected before the first moment, and informed before the second.
    collected_before: datetime | None = None
    informed_before: datetime | None = None
    until: datetime | None = None

    def since(self, permit: Permit, *, now: datetime) -> datetime | None:
        """Since when something is permitted; None when it is not, or no longer."""
        if permit != Permit.WITH_YES and self.has_lapsed(now):
            return None
        moment: datetime | None = getattr(self, f"{permit.value}_since")
        return moment

    def has_lapsed(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now

    def keeping(self, permits: Iterable[Permit]) -> Permission:
        """The same with only these."""
        gone = {f"{permit.value}_since": None for permit in set(Permit) - set(permits)}
        return replace(self, **gone) if gone else self


NO_PERMISSION = Permission()


@dataclass(frozen=True, slots=True)
class Limits:
    """The moments that belong to the days of a resolved permission, in the organization's time zone."""

    collected_before: datetime | None = None
    informed_before: datetime | None = None
    until: datetime | None = None


NO_LIMITS = Limits()


def permission_since(
    previous: Permission, permits: Iterable[Permit], *, now: datetime, limits: Limits = NO_LIMITS
) -> Permission:
    """The permission after a change: what holds on keeps its moment, what begins gets now, what ends is emptied."""
    known = (previous.collected_before, previous.informed_before)
    if known != (limits.collected_before, limits.informed_before):
        # Other people fit between other dates: what held for them in between, nobody knows.
        previous = previous.keeping(set(Permit) - {Permit.IF_INFORMED})
    moments = {f"{permit.value}_since": getattr(previous, f"{permit.value}_since") or now for permit in permits}
    return Permission(
        **moments,
        collected_before=limits.collected_before,
        informed_before=limits.informed_before,
        until=limits.until,
    )
