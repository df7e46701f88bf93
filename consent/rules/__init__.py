"""May we measure this person? Which of two answers about a person counts? Plain functions, every outcome with a reason.

The decision has two stages. ``resolve_permission`` and ``permission_since`` say what a website permits for people of
one country; ``choice_since`` says what a person chose. Both keep only the moments since when something holds without a
break, so that ``level_at_hit`` is a few comparisons, which SQL repeats at every hit.

Read ``names``, ``permissions``, ``choices``, ``decision`` in this order; ``precedence`` stands by itself.

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
from consent.rules.decision import (
    EFFECT_AT_HIT,
    EXEMPT_PERMITS,
    INFORMED_PERMITS,
    Decision,
    Grounds,
    Mail,
    SentCopy,
    counts_anonymously,
    decide,
    effect_at_hit,
    ground_of,
    level_at_hit,
    may_keep_last_open_day,
    may_measure,
    may_measure_exempt,
    permitted_now,
)
from consent.rules.names import (
    EXEMPT_REASONS,
    LEVELS,
    Basis,
    ChoiceValue,
    InformedGround,
    Kind,
    Level,
    Measurement,
    Permit,
    Purpose,
    Reason,
    Untracked,
)
from consent.rules.permissions import (
    EXEMPT,
    INDIVIDUAL,
    NO_LIMITS,
    NO_PERMISSION,
    TOTALS,
    Justified,
    Limits,
    Permission,
    Resolved,
    WebsiteState,
    days_of_change,
    deciding_country,
    lifted_keys,
    permission_since,
    resolve_permission,
    ruling_cell,
)
from consent.rules.precedence import ChoiceFact, Source, Verdict, supersedes

__all__ = [
    "BEGINNING",
    "EFFECT_AT_HIT",
    "EXEMPT",
    "EXEMPT_PERMITS",
    "EXEMPT_REASONS",
    "INDIVIDUAL",
    "INFORMED_PERMITS",
    "LEVELS",
    "NEVER_ANSWERED",
    "NO_LIMITS",
    "NO_PERMISSION",
    "REFUSED",
    "TOTALS",
    "Basis",
    "ChoiceFact",
    "ChoiceState",
    "ChoiceValue",
    "Decision",
    "Grounds",
    "Informed",
    "InformedGround",
    "Justified",
    "Kind",
    "Level",
    "Limits",
    "Mail",
    "Measurement",
    "Permission",
    "Permit",
    "Purpose",
    "Reason",
    "Resolved",
    "SentCopy",
    "Source",
    "Untracked",
    "Verdict",
    "WebsiteState",
    "choice_after_move",
    "choice_since",
    "choice_when_informed",
    "counts_anonymously",
    "days_of_change",
    "decide",
    "deciding_country",
    "effect_at_hit",
    "ground_of",
    "level_at_hit",
    "lifted_keys",
    "may_keep_last_open_day",
    "may_measure",
    "may_measure_exempt",
    "permission_since",
    "permitted_now",
    "resolve_permission",
    "ruling_cell",
    "supersedes",
]
