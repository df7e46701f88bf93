"""May we measure this person? Which of two answers about a person counts? Plain functions, every outcome with a reason.

The decision has two stages. ``resolve_permission`` and ``permission_since`` say what a website permits for people of
one country; ``choice_since`` says what a person chose. Both keep only the moment since when something holds without a
break, so that ``may_measure`` is four comparisons, which SQL repeats at every hit.

"Now" is always the moment of recording, never a date that somebody claims: a permission that reached back would make
copies measurable that were decided without it (H1).
"""

from __future__ import annotations

from consent.rules.choices import (
    BEGINNING,
    NEVER_ANSWERED,
    REFUSED,
    ChoiceState,
    Informed,
    choice_after_move,
    choice_since,
    choice_when_informed,
)
from consent.rules.decision import EFFECT_AT_HIT, Decision, Grounds, decide, effect_at_hit, level_at_hit, may_measure
from consent.rules.names import Basis, ChoiceValue, InformedGround, Kind, Level, Measurement, Purpose, Reason, Untracked
from consent.rules.permissions import (
    NO_PERMISSION,
    Permission,
    WebsiteState,
    deciding_country,
    permission_since,
    resolve_permission,
    ruling_cell,
)
from consent.rules.precedence import ChoiceFact, Source, Verdict, supersedes

__all__ = [
    "BEGINNING",
    "EFFECT_AT_HIT",
    "NEVER_ANSWERED",
    "NO_PERMISSION",
    "REFUSED",
    "Basis",
    "ChoiceFact",
    "ChoiceState",
    "ChoiceValue",
    "Decision",
    "Grounds",
    "Informed",
    "InformedGround",
    "Kind",
    "Level",
    "Measurement",
    "Permission",
    "Purpose",
    "Reason",
    "Source",
    "Untracked",
    "Verdict",
    "WebsiteState",
    "choice_after_move",
    "choice_since",
    "choice_when_informed",
    "decide",
    "deciding_country",
    "effect_at_hit",
    "level_at_hit",
    "may_measure",
    "permission_since",
    "resolve_permission",
    "ruling_cell",
    "supersedes",
]
