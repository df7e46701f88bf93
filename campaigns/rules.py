"""When a campaign is open, when its emails may go, and what their links are tagged with. Plain functions."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from calendar import monthrange
from datetime import datetime
from enum import StrEnum


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
