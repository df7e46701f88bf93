"""What the words know of a random history: people and what they answered, copies and what they could be measured on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from consent.rules import ChoiceValue, InformedGround, Kind, WebsiteState
from delivery.models import Mailing
from delivery.outbox import Claimed
from participants.models import Participant
from tests.support.words import in_words

COUNTRIES = ("BE", "CH", "FR", "IT", "ZZ")
SCOPES = 2


@dataclass
class Answers:
    """What somebody said in one consent scope."""

    said: dict[Kind, ChoiceValue] = field(default_factory=lambda: dict.fromkeys(Kind, ChoiceValue.UNKNOWN))
    informed: tuple[InformedGround, bool] | None = None
    objects: bool = False

    def inform(self, ground: InformedGround, in_time: bool) -> None:
        """Told, and silent since; whoever answered everything is not told anew."""
        if any(value in (ChoiceValue.UNKNOWN, ChoiceValue.INFORMED) for value in self.said.values()):
            self.informed = (ground, in_time)
            for kind in Kind:
                if self.said[kind] == ChoiceValue.UNKNOWN:
                    self.said[kind] = ChoiceValue.INFORMED

    def take_along(self, before: Answers) -> None:
        """A website comes from the scope of other answers: who refused there has refused here, too."""
        for kind in Kind:
            if before.said[kind] == ChoiceValue.NO:
                self.said[kind] = ChoiceValue.NO
        self.objects |= before.objects


@dataclass
class Person:
    """Somebody as the words know them; the answers by the number of the scope."""

    row: Participant
    country: str
    answers: list[Answers] = field(default_factory=lambda: [Answers() for _scope in range(SCOPES)])


@dataclass
class Launch:
    """What is sent together, and which of its countries could be counted at every moment since its first copy."""

    mailing: Mailing
    purpose: str
    looked_until: int = 0
    counted: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})
    sharing: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})
    begun: bool = False

    def lose(self, countries: Iterable[str]) -> None:
        """What is counted of these begins anew, so this one no longer is."""
        for kind in Kind:
            self.counted[kind] -= set(countries)


@dataclass
class Sent:
    """A copy, and on which grounds it could be measured at every moment since it was decided."""

    claimed: Claimed
    person: Person
    launch: Launch
    held: dict[Kind, set[str]]


@dataclass
class Tally:
    """What many histories added up to."""

    histories: int = 0
    steps: int = 0
    hits: int = 0
    recorded: int = 0
    forbidden: list[str] = field(default_factory=list)


def grounds_of(state: WebsiteState, sent: Sent, answers: Answers, kind: Kind, *, on: date) -> set[str]:
    """On which grounds a copy may be measured on a day."""
    said, country = answers.said[kind], sent.person.country
    _basis, permits = in_words(state, country, kind, on=on)
    if said == ChoiceValue.NO:
        return set()
    exempt = sent.claimed.decided.decision.exempt
    last_open_day = {"last_open_day"} if sent.launch.purpose == "marketing" else set()
    if exempt is not None:
        return permits & {exempt.value, *last_open_day}
    grounds = {"unless_no", *last_open_day}
    if said == ChoiceValue.YES:
        grounds.add("with_yes")
    if answers.informed is not None:
        ground, in_time = answers.informed
        if ground == InformedGround.PROFESSIONAL:
            grounds.add("professionals")
        elif in_time or not _has_dates(state, country):
            grounds.add("if_informed")
    return permits & grounds


def _has_dates(state: WebsiteState, country: str) -> bool:
    """Whether the rules of one of the two countries name dates, and no justification lifts them."""
    lifted = {code for one in state.justifications for code in one.countries}
    return bool({state.country, country or state.declared_country} & {"FR", "IT"} - lifted)


def counts(state: WebsiteState, country: str, kind: Kind, *, on: date) -> bool:
    """Whether people of a country may be counted without anybody behind them on a day."""
    return "anonymous" in in_words(state, "" if country == "ZZ" else country, kind, on=on)[1]
