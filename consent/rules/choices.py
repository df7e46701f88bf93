"""What a person chose, and since when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from consent.rules.names import ChoiceValue, InformedGround

# Before any copy. Not the earliest moment that exists: that one overflows as soon as it is shown west of Greenwich.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Informed:
    """Why somebody counts as informed who did not refuse, when their address came in, and when they were told."""

    ground: InformedGround
    collected_at: datetime | None = None
    informed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChoiceState:
    """A person's choice about one kind: the answer, since when the yes holds, since when there is no no.

    ``informed_since`` is the moment since when the person counts as informed; empty unless ``informed`` says why.
    """

    value: ChoiceValue = ChoiceValue.UNKNOWN
    yes_since: datetime | None = None
    not_no_since: datetime | None = BEGINNING
    informed_since: datetime | None = None
    informed: Informed | None = None


NEVER_ANSWERED = ChoiceState()
REFUSED = ChoiceState(ChoiceValue.NO, yes_since=None, not_no_since=None)


def choice_since(previous: ChoiceState, value: ChoiceValue, *, now: datetime) -> ChoiceState:
    """The choice after an answer recorded now. No answer changes nothing (C2), and nobody becomes unknown again."""
    if value == ChoiceValue.NO:
        return REFUSED
    if value != ChoiceValue.YES:
        return previous
    return replace(
        previous,
        value=ChoiceValue.YES,
        yes_since=previous.yes_since or now,
        not_no_since=previous.not_no_since or now,
    )


def choice_when_informed(previous: ChoiceState, informed: Informed, *, now: datetime) -> ChoiceState:
    """The choice of somebody of whom we hear now that they were informed (C10). An answer of their own goes first."""
    if previous.value in (ChoiceValue.YES, ChoiceValue.NO) or previous.informed == informed:
        return previous
    # Other dates may count where the old ones did not, so they count from now on.
    return replace(previous, value=ChoiceValue.INFORMED, informed_since=now, informed=informed)


def choice_after_move(previous: ChoiceState, *, now: datetime) -> ChoiceState:
    """The choice of a person whose country changed now: silence counts from now on, a yes goes on.

    The permission of the new country may have held for long, and that of the old one may come back with the person;
    neither says what held for this person in between. Without this, moving to a country that asks for a yes and back
    would make copies measurable again that the first move had silenced (H1).
    """
    return replace(
        previous,
        not_no_since=now if previous.not_no_since else None,
        informed_since=now if previous.informed_since else None,
    )
