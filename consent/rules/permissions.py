"""What a website permits for the people of one country, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from consent.rules.names import Basis, Kind
from websites.rules import UNKNOWN_COUNTRY, EmailTracking, RuleCell, RuleKey, cell, normalise_country, strictest

_RULE_KEYS: Mapping[Kind, RuleKey] = {
    Kind.OPENS: RuleKey.INDIVIDUAL_OPENS,
    Kind.CLICKS: RuleKey.INDIVIDUAL_CLICKS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebsiteState:
    """What decides about a website at one moment."""

    tracking: EmailTracking
    country: str
    # A notice in force that covers the kind of measurement asked about (S13).
    has_notice: bool
    # The countries named by the website's confirmed legal justifications that have not ended.
    justified_countries: frozenset[str] = frozenset()
    # What the organization declared for people of this website whose country is unknown; empty: nothing (S5).
    declared_country: str = ""


def resolve_permission(website: WebsiteState, *, participant_country: str, kind: Kind, on: date) -> Basis:
    """What the website permits on a day for one kind and the people of one country (S2, S5, S7, S13)."""
    if website.tracking == EmailTracking.NEVER:
        return Basis.NEVER
    if not website.has_notice:
        return Basis.NO_NOTICE
    if website.tracking != EmailTracking.ALWAYS:
        return Basis.WITH_YES
    ruling = ruling_cell(website, participant_country=participant_country, kind=kind, on=on)
    return Basis.WITH_YES_BY_LAW if ruling is not None and ruling.asks_for_consent else Basis.UNLESS_NO


def ruling_cell(website: WebsiteState, *, participant_country: str, kind: Kind, on: date) -> RuleCell | None:
    """The strictest cell of the website's and the person's country (S5); None when justifications name both (S7)."""
    countries = {normalise_country(website.country), deciding_country(website, participant_country)}
    # A justification names countries, and an unknown one has no name: the declared country is the way to loosen it.
    justified = website.justified_countries - {UNKNOWN_COUNTRY}
    cells = [cell(_RULE_KEYS[kind], country, on) for country in countries - justified]
    return strictest(cells) if cells else None


def deciding_country(website: WebsiteState, participant_country: str) -> str:
    """Where a person counts as being: their country, else the declared one, else unknown (S5)."""
    return normalise_country(participant_country.strip() or website.declared_country)


@dataclass(frozen=True, slots=True)
class Permission:
    """Since when, without a break, a website permits measuring: people with a yes, and people without a no."""

    with_yes_since: datetime | None = None
    unless_no_since: datetime | None = None


NO_PERMISSION = Permission()


def permission_since(previous: Permission, basis: Basis, *, now: datetime) -> Permission:
    """The permission after a change: what holds on keeps its moment, what begins gets now, what ends is emptied (H1).

    Who may be measured without a yes may be measured with one, so UNLESS_NO holds both.
    """
    with_yes = basis in (Basis.WITH_YES, Basis.WITH_YES_BY_LAW, Basis.UNLESS_NO)
    unless_no = basis == Basis.UNLESS_NO
    return Permission(
        with_yes_since=(previous.with_yes_since or now) if with_yes else None,
        unless_no_since=(previous.unless_no_since or now) if unless_no else None,
    )
