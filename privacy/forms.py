"""What a person can say on a public page. What a page did not offer is not read."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from consent.rules import ChoiceValue
from privacy.models import RequestKind

PAUSES = (30, 60, 90)
_ANSWERS = {"yes": ChoiceValue.YES, "no": ChoiceValue.NO}


@dataclass(frozen=True, slots=True)
class TrackingAnswer:
    """An answer about opens and clicks; None for a question that was left alone, which writes nothing (rule C2)."""

    opens: ChoiceValue | None
    clicks: ChoiceValue | None
    everywhere: bool

    @property
    def refuses(self) -> bool:
        return ChoiceValue.NO in (self.opens, self.clicks)


def tracking_answer(data: QueryDict) -> TrackingAnswer | None:
    """One button for both questions, or one field for each. None where nothing was said."""
    both = data.get("both", "")
    everywhere = both == "no_everywhere" or data.get("everywhere") == "1"
    if both:
        value = _ANSWERS.get(both.removesuffix("_everywhere"))
        opens = clicks = value
    else:
        opens, clicks = _ANSWERS.get(data.get("about_opens", "")), _ANSWERS.get(data.get("about_clicks", ""))
    if opens is None and clicks is None:
        return None
    return TrackingAnswer(opens, clicks, everywhere)


def pause_days(act: str) -> int | None:
    """The length of a pause that a page offers, such as ``pause_30``."""
    name, _line, days = act.partition("_")
    return int(days) if name == "pause" and days in {str(known) for known in PAUSES} else None


LONGEST_REQUEST = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wrote into the request form of their page, and what is wrong with it."""

    kind: str
    details: str
    fault: str = ""


def asked_request(data: QueryDict) -> Asked:
    """The kind and the words of a request; nothing is guessed where one is missing."""
    kind = data.get("kind", "")
    # A text of the database has no NUL in it.
    details = data.get("details", "").replace("\x00", "").strip()
    if kind not in (RequestKind.RECTIFICATION, RequestKind.OBJECTION):
        return Asked("", details, "request_kind")
    if not details:
        return Asked(kind, "", "request_empty")
    return Asked(kind, details, "request_long" if len(details) > LONGEST_REQUEST else "")
