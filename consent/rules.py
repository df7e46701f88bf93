"""May we measure this person? Which of two answers about a person counts? Plain functions, every outcome with a reason.

The decision has two stages. ``resolve_permission`` and ``permission_since`` say what a website permits for people of
one country; ``choice_since`` says what a person chose. Both keep only the moment since when something holds without a
break, so that ``may_measure`` is four comparisons, which SQL repeats at every hit.

"Now" is always the moment of recording, never a date that somebody claims: a permission that reached back would make
copies measurable that were decided without it (H1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from websites.rules import UNKNOWN_COUNTRY, EmailTracking, RuleCell, RuleKey, cell, normalise_country, strictest


class Kind(StrEnum):
    """Opens and clicks are two choices (S3), with two permissions and two decisions."""

    OPENS = "opens"
    CLICKS = "clicks"


class Level(StrEnum):
    """How a sent copy is measured. Names, not a chain: what a hit leaves is in EFFECT_AT_HIT."""

    NONE = "none"
    INDIVIDUAL = "individual"


class ChoiceValue(StrEnum):
    """What a person said. Unknown is not yes (S2), and it is not no either."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Purpose(StrEnum):
    """Why an email is sent."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"
    AUTHENTICATION = "authentication"
    LEGAL_NOTICE = "legal_notice"


class Untracked(StrEnum):
    """What is never measured, whatever the settings say (S14)."""

    TEST_SEND = "test_send"
    PREVIEW = "preview"
    WEB_VERSION = "web_version"


class Basis(StrEnum):
    """What a website permits for the people of one country."""

    NEVER = "never"
    NO_NOTICE = "no_notice"
    # By consent: only people who said yes.
    WITH_YES = "with_yes"
    # Always, but a country asks for a yes: the same people, for another reason.
    WITH_YES_BY_LAW = "with_yes_by_law"
    # Always: everybody who did not say no.
    UNLESS_NO = "unless_no"


class Reason(StrEnum):
    """Why a copy is measured or not; consent/reasons.py has the sentences."""

    PERSON_SAID_YES = "person_said_yes"
    PERSON_DID_NOT_REFUSE = "person_did_not_refuse"
    WEBSITE_NEVER_TRACKS = "website_never_tracks"
    NO_NOTICE = "no_notice"
    PERSON_SAID_NO = "person_said_no"
    NO_ANSWER = "no_answer"
    COUNTRY_ASKS_FOR_YES = "country_asks_for_yes"
    PERMISSION_BEGAN_LATER = "permission_began_later"
    TEST_SEND = "test_send"
    PREVIEW = "preview"
    WEB_VERSION = "web_version"


# --- What a website permits ---------------------------------------------------------------------------------------

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


# --- What a person chose --------------------------------------------------------------------------------------------

# Before any copy. Not the earliest moment that exists: that one overflows as soon as it is shown west of Greenwich.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChoiceState:
    """A person's choice about one kind: the answer, since when the yes holds, since when there is no no."""

    value: ChoiceValue = ChoiceValue.UNKNOWN
    yes_since: datetime | None = None
    not_no_since: datetime | None = BEGINNING


NEVER_ANSWERED = ChoiceState()


def choice_since(previous: ChoiceState, value: ChoiceValue, *, now: datetime) -> ChoiceState:
    """The choice after an answer recorded now. No answer changes nothing (C2), and nobody becomes unknown again."""
    if value == ChoiceValue.UNKNOWN:
        return previous
    if value == ChoiceValue.NO:
        return ChoiceState(ChoiceValue.NO, yes_since=None, not_no_since=None)
    return ChoiceState(
        ChoiceValue.YES,
        yes_since=previous.yes_since or now,
        not_no_since=previous.not_no_since or now,
    )


def choice_after_move(previous: ChoiceState, *, now: datetime) -> ChoiceState:
    """The choice of a person whose country changed now: silence counts from now on, a yes goes on.

    The permission of the new country may have held for long, and that of the old one may come back with the person;
    neither says what held for this person in between. Without this, moving to a country that asks for a yes and back
    would make copies measurable again that the first move had silenced (H1).
    """
    return ChoiceState(previous.value, previous.yes_since, now if previous.not_no_since else None)


# --- The decision at send -------------------------------------------------------------------------------------------


def may_measure(permission: Permission, choice: ChoiceState, *, decided_at: datetime) -> bool:
    """Whether a copy decided at that moment may be measured now (H1). The hit statement says the same in SQL."""
    return _held_since(permission.with_yes_since, choice.yes_since, decided_at) or _held_since(
        permission.unless_no_since, choice.not_no_since, decided_at
    )


def _held_since(permitted: datetime | None, chosen: datetime | None, decided_at: datetime) -> bool:
    return permitted is not None and chosen is not None and permitted <= decided_at and chosen <= decided_at


@dataclass(frozen=True, slots=True)
class Grounds:
    """All that the decision about one kind rests on."""

    basis: Basis
    permission: Permission
    choice: ChoiceState


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done for one message, and why; frozen with the sent copy (S12)."""

    opens: Level
    clicks: Level
    opens_reason: Reason
    clicks_reason: Reason


_FORBIDDEN_BY: Mapping[Basis, Reason] = {
    Basis.NEVER: Reason.WEBSITE_NEVER_TRACKS,
    Basis.NO_NOTICE: Reason.NO_NOTICE,
}
_UNANSWERED: Mapping[Basis, Reason] = {
    Basis.WITH_YES: Reason.NO_ANSWER,
    Basis.WITH_YES_BY_LAW: Reason.COUNTRY_ASKS_FOR_YES,
}


def decide(
    opens: Grounds, clicks: Grounds, *, purpose: Purpose, now: datetime, untracked: Untracked | None = None
) -> Decision:
    """What is measured on one copy sent now. Opens and clicks are decided apart: neither implies the other (S3)."""
    # No purpose loosens anything without a second person's approval (S6). A new purpose must say what it means here.
    Purpose(purpose)
    if untracked is not None:
        reason = Reason(untracked)
        return Decision(Level.NONE, Level.NONE, reason, reason)
    opens_level, opens_reason = _decide_kind(opens, now)
    clicks_level, clicks_reason = _decide_kind(clicks, now)
    return Decision(opens_level, clicks_level, opens_reason, clicks_reason)


def _decide_kind(grounds: Grounds, now: datetime) -> tuple[Level, Reason]:
    if forbidden := _FORBIDDEN_BY.get(grounds.basis):
        return Level.NONE, forbidden
    if grounds.choice.value == ChoiceValue.NO:
        return Level.NONE, Reason.PERSON_SAID_NO
    said_yes = grounds.choice.value == ChoiceValue.YES
    if not said_yes and grounds.basis != Basis.UNLESS_NO:
        return Level.NONE, _UNANSWERED[grounds.basis]
    if not may_measure(grounds.permission, grounds.choice, decided_at=now):
        # Two clocks disagree, or a state is stale. Frozen as measured, the copy would be silent at every hit.
        return Level.NONE, Reason.PERMISSION_BEGAN_LATER
    return Level.INDIVIDUAL, Reason.PERSON_SAID_YES if said_yes else Reason.PERSON_DID_NOT_REFUSE


# --- The decision at the hit ----------------------------------------------------------------------------------------

# What is left of a copy frozen at the first level when the second one holds now.
EFFECT_AT_HIT: Mapping[tuple[Level, Level], Level] = {
    (Level.NONE, Level.NONE): Level.NONE,
    (Level.NONE, Level.INDIVIDUAL): Level.NONE,
    (Level.INDIVIDUAL, Level.NONE): Level.NONE,
    (Level.INDIVIDUAL, Level.INDIVIDUAL): Level.INDIVIDUAL,
}


def effect_at_hit(frozen: Level, current: Level) -> Level:
    """What a hit may leave: tightening lowers a sent copy, loosening never raises it (H1)."""
    return EFFECT_AT_HIT[frozen, current]


def level_at_hit(frozen: Level, permission: Permission, choice: ChoiceState, *, decided_at: datetime) -> Level:
    """What a hit on a copy may leave with the permission and the choice as they are now."""
    current = Level.INDIVIDUAL if may_measure(permission, choice, decided_at=decided_at) else Level.NONE
    return effect_at_hit(frozen, current)


# --- Which of two answers counts ------------------------------------------------------------------------------------


class Source(StrEnum):
    """Who says what a person chose."""

    PERSON = "person"
    MEMBER = "member"
    IMPORT = "import"
    API = "api"


@dataclass(frozen=True, slots=True)
class ChoiceFact:
    """One answer as somebody brings it. ``at`` is when the person gave it, never later than its recording."""

    value: ChoiceValue
    source: Source
    at: datetime
    # Provenance of a yes that the person did not give to us: where, when, which wording (C7).
    has_evidence: bool = False


class Verdict(StrEnum):
    """What becomes of an answer. Only APPLIED changes the current fact: its value, or just its date or source."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    KEPT_PERSONS_OWN = "kept_persons_own"
    KEPT_NEWER = "kept_newer"
    KEPT_NO = "kept_no"
    NO_PROVENANCE = "no_provenance"


def supersedes(current: ChoiceFact | None, incoming: ChoiceFact) -> Verdict:
    """Whether an answer takes the place of the current one (C2, C6, C7)."""
    if incoming.value == ChoiceValue.UNKNOWN:
        return Verdict.UNCHANGED
    if current is None or current.value == ChoiceValue.UNKNOWN:
        return Verdict.NO_PROVENANCE if _lacks_provenance(incoming) else Verdict.APPLIED
    if incoming.value == current.value:
        return _confirm(current, incoming)
    return _turn_to_no(current, incoming) if incoming.value == ChoiceValue.NO else _turn_to_yes(current, incoming)


def _lacks_provenance(fact: ChoiceFact) -> bool:
    return fact.value == ChoiceValue.YES and fact.source != Source.PERSON and not fact.has_evidence


def _turn_to_yes(current: ChoiceFact, incoming: ChoiceFact) -> Verdict:
    """Only a later act of the person turns a no into a yes, whoever recorded the no."""
    if incoming.source == Source.PERSON:
        return Verdict.APPLIED if incoming.at > current.at else Verdict.KEPT_NO
    return Verdict.KEPT_PERSONS_OWN if current.source == Source.PERSON else Verdict.KEPT_NO


def _turn_to_no(current: ChoiceFact, incoming: ChoiceFact) -> Verdict:
    """A no tightens: a member's counts at any time, others' unless something newer or the person's own stands."""
    if incoming.source == Source.MEMBER:
        return Verdict.APPLIED
    if current.source == Source.PERSON and incoming.source != Source.PERSON:
        return Verdict.APPLIED if incoming.at > current.at else Verdict.KEPT_PERSONS_OWN
    if incoming.source == Source.PERSON and current.source != Source.PERSON:
        return Verdict.APPLIED
    return Verdict.APPLIED if incoming.at >= current.at else Verdict.KEPT_NEWER


def _confirm(current: ChoiceFact, incoming: ChoiceFact) -> Verdict:
    """The same answer again. The date moves on, so that what happened in between cannot undo it later."""
    if incoming.value == ChoiceValue.NO:
        return Verdict.APPLIED if incoming.at > current.at else Verdict.UNCHANGED
    if _lacks_provenance(incoming):
        return Verdict.UNCHANGED
    if (incoming.source == Source.PERSON) != (current.source == Source.PERSON):
        # The person's own yes takes the place of a brought one, even an older one; never the other way round.
        return Verdict.APPLIED if incoming.source == Source.PERSON else Verdict.UNCHANGED
    return Verdict.APPLIED if incoming.at > current.at else Verdict.UNCHANGED
