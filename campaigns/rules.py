"""When a campaign is open, when its emails may go, what their links are tagged with, and what an A/B test says."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import sqrt
from statistics import NormalDist


class CampaignStatus(StrEnum):
    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"


def campaign_status(
    *, opens_at: datetime | None, closes_at: datetime | None, archived_at: datetime | None, now: datetime
) -> CampaignStatus:
    """Where a campaign stands; one without dates is always open."""
    if archived_at is not None:
        return CampaignStatus.ARCHIVED
    if opens_at is not None and now < opens_at:
        return CampaignStatus.PLANNED
    if closes_at is not None and now >= closes_at:
        return CampaignStatus.CLOSED
    return CampaignStatus.OPEN


class TimingProblem(StrEnum):
    NOT_OPEN_YET = "not_open_yet"
    CLOSED = "closed"


def timing_problem(
    kind: str, *, opens_at: datetime | None, closes_at: datetime | None, starts_at: datetime
) -> TimingProblem | None:
    """Why an email cannot leave at that moment.

    Before a campaign opens nobody has taken part, so there is nobody to thank or to remind. Afterwards people who took
    part on the last day still get their exit-screen email, but a reminder would call for something that has ended.
    Newsletters do not depend on the dates.
    """
    if kind in ("exit_screen", "reminder") and opens_at is not None and starts_at < opens_at:
        return TimingProblem.NOT_OPEN_YET
    if kind == "reminder" and closes_at is not None and starts_at >= closes_at:
        return TimingProblem.CLOSED
    return None


def months_before(moment: datetime, months: int) -> datetime:
    """The same day so many months earlier; the last day of a month that has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    last_day = monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))


def utm_word(text: str) -> str:
    """A name as web analytics like it: "Fête d'été" is "fete-d-ete". Letters that are not Latin stay."""
    folded = "".join(
        letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter)
    )
    return "-".join(re.findall(r"\w+", folded))[:80].strip("-")


def content_digest(*, purpose: str, subject: str, preheader: str, body_format: str, body: str, text: str) -> str:
    """What two people saw when they confirmed an exempt purpose (S6); any other content has another one."""
    seen = json.dumps([purpose, subject, preheader, body_format, body, text], ensure_ascii=False)
    return hashlib.sha256(seen.encode()).hexdigest()


# --- A/B tests --------------------------------------------------------------------------------------------------------

LETTERS = "ABCDE"
SLOTS = 10_000


def slot_of(salt: str, participant_id: int) -> int:
    """The place of a person in the split of a test: by its key, the same each time, and in no other test the same."""
    digest = hashlib.sha256(f"{salt}:{participant_id}".encode()).digest()
    return int.from_bytes(digest[:4]) % SLOTS


def slots_of(position: int, versions: int, share: int) -> range:
    """The places of one version, when ``share`` percent of the people get one of so many versions."""
    tested = share * SLOTS // 100
    return range(tested * position // versions, tested * (position + 1) // versions)


def wilson_interval(count: int, base: int, *, confidence: int = 95) -> tuple[float, float] | None:
    """Where a rate lies, as shares from 0 to 1 (Wilson 1927); None without a base."""
    if base <= 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 200)
    share = count / base
    centre = (share + z * z / (2 * base)) / (1 + z * z / base)
    half = z * sqrt(share * (1 - share) / base + z * z / (4 * base * base)) / (1 + z * z / base)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, slots=True)
class Arm:
    """One version: of so many people, how many did what is counted."""

    letter: str
    people: int
    successes: int

    @property
    def rate(self) -> float:
        return self.successes / self.people if self.people else 0.0


class Standing(StrEnum):
    DECIDED = "decided"
    # A version has fewer people than the least that was set.
    TOO_FEW = "too_few"
    # So seldom, or so nearly always, that the comparison would not be sound.
    TOO_RARE = "too_rare"
    # Chance alone makes a difference as large as this one too often.
    TOO_CLOSE = "too_close"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the numbers of a test say. ``chance``: how often chance alone would make the smallest of the differences."""

    standing: Standing
    leader: str
    chance: float | None = None

    @property
    def winner(self) -> str:
        return self.leader if self.standing is Standing.DECIDED else ""


def judge(arms: Sequence[Arm], *, confidence: int, least: int) -> Verdict:
    """Whether the best version is better than each of the others.

    A two-proportion test for each other version. Which one leads is known only afterwards, so every pair counts as a
    comparison: the level is divided by their number (Bonferroni), and ``chance`` is multiplied by it.
    """
    leader = max(arms, key=lambda arm: (arm.rate, arm.letter == arms[0].letter))
    if min(arm.people for arm in arms) < max(least, 1):
        return Verdict(Standing.TOO_FEW, leader.letter)
    others = [arm for arm in arms if arm is not leader]
    if not all(_is_sound(leader, other) for other in others):
        return Verdict(Standing.TOO_RARE, leader.letter)
    pairs = len(arms) * (len(arms) - 1) // 2
    chance = min(1.0, pairs * max(_chance(leader, other) for other in others))
    decided = chance < 1 - confidence / 100
    return Verdict(Standing.DECIDED if decided else Standing.TOO_CLOSE, leader.letter, chance)


def _pooled(one: Arm, other: Arm) -> float:
    return (one.successes + other.successes) / (one.people + other.people)


def _is_sound(one: Arm, other: Arm) -> bool:
    """The usual condition of the test: five expected of each kind in each version."""
    share, people = _pooled(one, other), min(one.people, other.people)
    return people * share >= 5 and people * (1 - share) >= 5


def _chance(one: Arm, other: Arm) -> float:
    """Two-sided, with the pooled share."""
    share = _pooled(one, other)
    error = sqrt(share * (1 - share) * (1 / one.people + 1 / other.people))
    return 2 * (1 - NormalDist().cdf(abs(one.rate - other.rate) / error))
