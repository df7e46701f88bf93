"""Which of two answers about a person counts (rules C2, C6, C7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from consent.rules.names import ChoiceValue


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
    if incoming.value not in (ChoiceValue.YES, ChoiceValue.NO):
        return Verdict.UNCHANGED
    # Who was informed and let it be gave no answer that could stand against one (C10).
    if current is None or current.value not in (ChoiceValue.YES, ChoiceValue.NO):
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
