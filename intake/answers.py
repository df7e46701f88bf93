"""A filled-in participation page, whatever page it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent.models import Topic
from consent.rules import ChoiceValue, Kind


@dataclass(frozen=True, slots=True)
class Tracking:
    """What somebody said about being measured. None: nothing, and nothing is written (rule C2)."""

    opens: ChoiceValue | None = None
    clicks: ChoiceValue | None = None
    # A no for every website of the organization (rule C8).
    everywhere: bool = False
    # Left the ticked box of a form for professionals as it was.
    informed: bool = False
    # The consent text beside each answer.
    texts: Mapping[Kind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A filled-in form."""

    email: str
    columns: Mapping[str, str]
    attributes: Mapping[str, Any]
    answers: Mapping[str, Any]
    source: str
    tracking: Tracking
    # Topics that were ticked, with the consent text beside the box.
    topics: Sequence[tuple[Topic, int]]
