"""The decision at send, and again at the hit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from consent.rules.choices import ChoiceState
from consent.rules.names import Basis, ChoiceValue, InformedGround, Kind, Level, Permit, Purpose, Reason, Untracked
from consent.rules.permissions import Permission

# --- On what a person may be measured one by one ----------------------------------------------------------------------

# The permit that an exempt purpose needs, and the reason that a copy measured for it carries (S6).
EXEMPT_PERMITS: Mapping[Purpose, Permit] = {
    Purpose.AUTHENTICATION: Permit.AUTHENTICATION,
    Purpose.LEGAL_NOTICE: Permit.LEGAL_NOTICE,
}
_EXEMPT_REASON: Mapping[Purpose, Reason] = {
    Purpose.AUTHENTICATION: Reason.EXEMPT_AUTHENTICATION,
    Purpose.LEGAL_NOTICE: Reason.EXEMPT_LEGAL_NOTICE,
}
# What each ground of an informed person needs of the website (C2, C10).
INFORMED_PERMITS: Mapping[InformedGround, Permit] = {
    InformedGround.EXISTING: Permit.IF_INFORMED,
    InformedGround.PROFESSIONAL: Permit.PROFESSIONALS,
}


def ground_of(permission: Permission, choice: ChoiceState, *, decided_at: datetime, now: datetime) -> Permit | None:
    """The permit on which a copy decided at that moment may be measured individually now; None when there is none.

    Each ground needs both its sides to have held since before the copy was decided (H1). The hit statement says the
    same in SQL.
    """
    if _held(permission, Permit.WITH_YES, choice.yes_since, decided_at=decided_at, now=now):
        return Permit.WITH_YES
    if _held(permission, Permit.UNLESS_NO, choice.not_no_since, decided_at=decided_at, now=now):
        return Permit.UNLESS_NO
    if choice.informed is None:
        return None
    permit = INFORMED_PERMITS[choice.informed.ground]
    if permit == Permit.IF_INFORMED and not _in_time(permission, choice):
        return None
    return permit if _held(permission, permit, choice.informed_since, decided_at=decided_at, now=now) else None


def may_measure(permission: Permission, choice: ChoiceState, *, decided_at: datetime, now: datetime) -> bool:
    """Whether a copy decided at that moment may be measured individually now, on the ordinary grounds."""
    return ground_of(permission, choice, decided_at=decided_at, now=now) is not None


def may_measure_exempt(
    permission: Permission, choice: ChoiceState, purpose: Purpose, *, decided_at: datetime, now: datetime
) -> bool:
    """Whether it may be measured for its exempt purpose: everybody who did not say no (S6)."""
    permit = EXEMPT_PERMITS[purpose]
    return _held(permission, permit, choice.not_no_since, decided_at=decided_at, now=now)


def may_keep_last_open_day(
    permission: Permission, choice: ChoiceState, *, decided_at: datetime, now: datetime, subscribed_mail: bool
) -> bool:
    """Whether the day of its last open may be kept: mail that the person subscribed to, and no no (S4, S8)."""
    permit = Permit.LAST_OPEN_DAY
    return subscribed_mail and _held(permission, permit, choice.not_no_since, decided_at=decided_at, now=now)


def counts_anonymously(permissions: Collection[Permission | None], *, decided_at: datetime, now: datetime) -> bool:
    """Whether a launch may be counted, given what each country permits whose people share its address (S9).

    Who opened, nobody can tell: one country that no longer permits it silences the address.
    """
    moments = [one.since(Permit.ANONYMOUS, now=now) if one else None for one in permissions]
    return bool(moments) and all(moment is not None and moment <= decided_at for moment in moments)


def _held(
    permission: Permission, permit: Permit, chosen: datetime | None, *, decided_at: datetime, now: datetime
) -> bool:
    permitted = permission.since(permit, now=now)
    return permitted is not None and chosen is not None and permitted <= decided_at and chosen <= decided_at


def _in_time(permission: Permission, choice: ChoiceState) -> bool:
    """Whether somebody was collected and informed by the dates of the rule table (C10)."""
    if choice.informed is None:
        return False
    return _before(choice.informed.collected_at, permission.collected_before) and _before(
        choice.informed.informed_at, permission.informed_before
    )


def _before(moment: datetime | None, limit: datetime | None) -> bool:
    return limit is None or (moment is not None and moment < limit)


# --- The decision at send ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grounds:
    """All that the decision about one kind rests on."""

    basis: Basis
    permission: Permission
    choice: ChoiceState
    # Objected to anonymous totals (S4).
    objects_to_totals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What is decided about: why an email is sent, and to whom."""

    purpose: Purpose
    # A second person approved that it is measured for its exempt purpose.
    exempt_approved: bool = False
    # Mail of a topic that the person subscribed to.
    subscribed: bool = False
    untracked: Untracked | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done for one message, and why; frozen with the sent copy (S12)."""

    opens: Level
    clicks: Level
    opens_reason: Reason
    clicks_reason: Reason
    # The exempt purpose that it is measured for, and for nothing else (S6).
    exempt: Purpose | None = None


_FORBIDDEN_BY: Mapping[Basis, Reason] = {
    Basis.NEVER: Reason.WEBSITE_NEVER_TRACKS,
    Basis.STOPPED: Reason.MEASURING_STOPPED,
    Basis.NO_NOTICE: Reason.NO_NOTICE,
}
_MEASURED_BY: Mapping[Permit, Reason] = {
    Permit.WITH_YES: Reason.PERSON_SAID_YES,
    Permit.UNLESS_NO: Reason.PERSON_DID_NOT_REFUSE,
    Permit.IF_INFORMED: Reason.INFORMED_IN_TIME,
    Permit.PROFESSIONALS: Reason.PROFESSIONAL_DID_NOT_OBJECT,
}


def decide(opens: Grounds, clicks: Grounds, mail: Mail, *, now: datetime) -> Decision:
    """What is measured on one copy sent now. Opens and clicks are decided apart: neither implies the other (S3)."""
    # A new purpose must say what it means here; until then it is refused, not guessed.
    purpose = Purpose(mail.purpose)
    if mail.untracked is not None:
        reason = Reason(mail.untracked)
        return Decision(Level.NONE, Level.NONE, reason, reason)
    exempt = purpose if _is_exempt(opens, mail, now) or _is_exempt(clicks, mail, now) else None
    opens_level, opens_reason = _decide_kind(Kind.OPENS, opens, mail, exempt, now)
    clicks_level, clicks_reason = _decide_kind(Kind.CLICKS, clicks, mail, exempt, now)
    return Decision(opens_level, clicks_level, opens_reason, clicks_reason, exempt)


def _is_exempt(grounds: Grounds, mail: Mail, now: datetime) -> bool:
    """Whether a copy is measured for its exempt purpose. Then nothing of it is measured on other grounds: what is
    recorded belongs to that purpose or to reports, and never to both."""
    if not mail.exempt_approved or mail.purpose not in EXEMPT_PERMITS or grounds.basis in _FORBIDDEN_BY:
        return False
    if grounds.choice.value == ChoiceValue.NO:
        return False
    return may_measure_exempt(grounds.permission, grounds.choice, mail.purpose, decided_at=now, now=now)


def _decide_kind(
    kind: Kind, grounds: Grounds, mail: Mail, exempt: Purpose | None, now: datetime
) -> tuple[Level, Reason]:
    if forbidden := _FORBIDDEN_BY.get(grounds.basis):
        return Level.NONE, forbidden
    if individually := _individually(grounds, mail, exempt, now):
        return Level.INDIVIDUAL, individually
    if kind == Kind.OPENS and _keeps_last_open_day(grounds, mail, now):
        return Level.LAST_OPEN_DAY, Reason.LAST_OPEN_DAY_ONLY
    if _counts(grounds, now):
        return _counted(grounds)
    return Level.NONE, _why_not(grounds, now)


def _individually(grounds: Grounds, mail: Mail, exempt: Purpose | None, now: datetime) -> Reason | None:
    """The reason to measure this person one by one; None when there is none. A no is one against it (S4)."""
    if grounds.choice.value == ChoiceValue.NO:
        return None
    if exempt is not None:
        return _EXEMPT_REASON[exempt] if _is_exempt(grounds, mail, now) else None
    ground = ground_of(grounds.permission, grounds.choice, decided_at=now, now=now)
    if ground == Permit.UNLESS_NO and grounds.choice.value == ChoiceValue.YES:
        return Reason.PERSON_SAID_YES
    return _MEASURED_BY[ground] if ground else None


def _keeps_last_open_day(grounds: Grounds, mail: Mail, now: datetime) -> bool:
    if grounds.choice.value == ChoiceValue.NO:
        return False
    return may_keep_last_open_day(
        grounds.permission, grounds.choice, decided_at=now, now=now, subscribed_mail=mail.subscribed
    )


def _counts(grounds: Grounds, now: datetime) -> bool:
    return counts_anonymously([grounds.permission], decided_at=now, now=now)


def _counted(grounds: Grounds) -> tuple[Level, Reason]:
    """A no does not forbid totals without a person; an objection to them does (S4)."""
    if grounds.objects_to_totals:
        return Level.NONE, Reason.OBJECTED_TO_TOTALS
    said_no = grounds.choice.value == ChoiceValue.NO
    return Level.ANONYMOUS, Reason.COUNTED_AFTER_NO if said_no else Reason.COUNTED_WITHOUT_YES


def _why_not(grounds: Grounds, now: datetime) -> Reason:
    value, permission = grounds.choice.value, grounds.permission
    if value == ChoiceValue.NO:
        return Reason.PERSON_SAID_NO
    lapsed = permission.has_lapsed(now)
    if value == ChoiceValue.YES or (grounds.basis == Basis.UNLESS_NO and not lapsed):
        # Two clocks disagree, or a state is stale. Frozen as measured, the copy would be silent at every hit.
        return Reason.PERMISSION_BEGAN_LATER
    if value == ChoiceValue.INFORMED and grounds.choice.informed is not None:
        return _why_informed_is_not_enough(permission, grounds.choice, grounds.choice.informed.ground, now)
    return Reason.NO_ANSWER if grounds.basis == Basis.WITH_YES else Reason.COUNTRY_ASKS_FOR_YES


def _why_informed_is_not_enough(
    permission: Permission, choice: ChoiceState, ground: InformedGround, now: datetime
) -> Reason:
    if permission.since(INFORMED_PERMITS[ground], now=now) is None:
        existing = ground == InformedGround.EXISTING
        return Reason.INFORMED_NOT_ENOUGH if existing else Reason.TICKED_BOX_NOT_ENOUGH
    if ground == InformedGround.EXISTING and not _in_time(permission, choice):
        return Reason.INFORMED_TOO_LATE
    return Reason.PERMISSION_BEGAN_LATER


# --- The decision at the hit ------------------------------------------------------------------------------------------

# What is left of a copy frozen at the first level when the second one is permitted now: the same, the day of the last
# open where there would have been a hit, and nothing else. Tightening lowers a sent copy, loosening never raises it.
EFFECT_AT_HIT: Mapping[tuple[Level, Level], Level] = dict.fromkeys(product(Level, Level), Level.NONE) | {
    (Level.INDIVIDUAL, Level.INDIVIDUAL): Level.INDIVIDUAL,
    (Level.INDIVIDUAL, Level.LAST_OPEN_DAY): Level.LAST_OPEN_DAY,
    (Level.LAST_OPEN_DAY, Level.LAST_OPEN_DAY): Level.LAST_OPEN_DAY,
    (Level.ANONYMOUS, Level.ANONYMOUS): Level.ANONYMOUS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCopy:
    """What was frozen of one kind when a copy was decided."""

    kind: Kind
    frozen: Level
    decided_at: datetime
    exempt: Purpose | None = None
    # The approval of that purpose was taken back since. It says nothing of copies that are measured on other grounds.
    exempt_ended: bool = False
    subscribed: bool = False


def effect_at_hit(frozen: Level, permitted: Iterable[Level]) -> Level:
    """The most that a hit may leave on a copy, given all that is permitted now (H1)."""
    effects = {EFFECT_AT_HIT[frozen, level] for level in permitted}
    return next((level for level in reversed(Level) if level in effects), Level.NONE)


def permitted_now(copy: SentCopy, permission: Permission, choice: ChoiceState, *, now: datetime) -> set[Level]:
    """Everything about one person that has been permitted since before a copy was decided, and still is."""
    permitted: set[Level] = set()
    if copy.exempt is not None and copy.exempt_ended:
        return permitted
    if copy.exempt is None:
        individually = may_measure(permission, choice, decided_at=copy.decided_at, now=now)
    else:
        individually = may_measure_exempt(permission, choice, copy.exempt, decided_at=copy.decided_at, now=now)
    if individually:
        permitted.add(Level.INDIVIDUAL)
    if copy.kind == Kind.OPENS and may_keep_last_open_day(
        permission, choice, decided_at=copy.decided_at, now=now, subscribed_mail=copy.subscribed
    ):
        permitted.add(Level.LAST_OPEN_DAY)
    return permitted


def level_at_hit(
    copy: SentCopy, permission: Permission, choice: ChoiceState, *, now: datetime, by_machine: bool = False
) -> Level:
    """What a hit on a person's copy leaves with the permission and the choice as they are now."""
    level = effect_at_hit(copy.frozen, permitted_now(copy, permission, choice, now=now))
    # A program that opens mail says nothing about when its reader did (S8).
    return Level.NONE if by_machine and level == Level.LAST_OPEN_DAY else level
