"""The decision at send, and again at the hit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from consent.rules.choices import ChoiceState
from consent.rules.names import Basis, ChoiceValue, Level, Purpose, Reason, Untracked
from consent.rules.permissions import Permission


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
