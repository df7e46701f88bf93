"""The exact messages that people of different classes would get, and where they differ (side-by-side MIME).

Made by the same code that sends, for one real person of each class. Nothing is sent, kept or measured: the keys are
made up, so whatever is fetched or clicked with them leaves nothing (rule S14).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import SequenceMatcher
from email import message_from_bytes
from email.policy import default as modern
from itertools import zip_longest
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.forecasts import CopyClass, Forecast, decided_for, title_of
from campaigns.lint import review_shown
from campaigns.models import Email
from campaigns.selectors import is_exempt_approved
from consent.grounds import Decided
from delivery.composing import Composer
from delivery.models import ContentSnapshot, Mailing
from delivery.outbox import Claimed, Person
from delivery.rendering import CompiledEmail
from delivery.services import envelope_of
from delivery.templating import TemplateError
from participants.models import Participant
from tracking.models import TrackedContent

# No message that was sent has them.
REFERENCE, TRACKING, UNSUBSCRIBING, PREFERRING, PAGE, REPLYING = (
    UUID(f"{number}0000000-0000-4000-8000-000000000000") for number in ("a", "b", "c", "d", "e", "f")
)
# Longer runs of equal lines are folded.
AROUND = 3
LONG = 160
_WORDS = 400


@dataclass(frozen=True, slots=True)
class Example:
    """The message of one real person of a class."""

    copy: CopyClass
    person: Participant
    data: bytes

    @property
    def title(self) -> str:
        return title_of(self.copy.opens, self.copy.clicks)


def example_of(
    organization: Organization, email: Email, copy: CopyClass, *, now: datetime, is_version: bool = False
) -> Example | None:
    """The message that the person who stands for a class would get; None when it cannot be written."""
    review = review_shown(organization, email)
    person = Participant.objects.filter(organization=organization, pk=copy.example or 0).first()
    if review.compiled is None or person is None:
        return None
    try:
        decided = decided_for(organization, email, [person.pk], now=now, is_version=is_version)[person.pk]
        data = _compose(organization, email, review.compiled, person, decided, now=now)
    except (TemplateError, ValueError):
        return None
    return Example(copy, person, data)


def two_classes(predicted: Forecast, *, left: str, right: str) -> tuple[CopyClass | None, CopyClass | None]:
    """The classes that were chosen, else the most measured one and the one that is not."""
    there = [one for one in predicted.classes if one.example is not None]
    by_name = {one.name: one for one in there}
    chosen = by_name.get(left) or (there[0] if there else None)
    others = [one for one in there if one is not chosen]
    return chosen, by_name.get(right) or (others[0] if others else None)


def _compose(
    organization: Organization,
    email: Email,
    compiled: CompiledEmail,
    person: Participant,
    decided: Decided,
    *,
    now: datetime,
) -> bytes:
    claimed = Claimed(
        id=0,
        reference=REFERENCE,
        unsubscribe_key=UNSUBSCRIBING,
        preference_key=PREFERRING,
        attempts=0,
        person=Person(
            id=person.pk,
            email=person.email,
            email_norm=person.email_norm,
            first_name=person.first_name,
            last_name=person.last_name,
            country=str(person.country),
            locale=person.locale,
            attributes=person.attributes,
        ),
        decided=decided,
        decided_at=now,
        tracking_key=TRACKING,
        shared_key=TRACKING,
        web_version_key=PAGE,
        reply_key=REPLYING,
    )
    return Composer(unsaved_mailing(organization, email, compiled, now=now)).compose(claimed, now=now).data


def unsaved_mailing(organization: Organization, email: Email, compiled: CompiledEmail, *, now: datetime) -> Mailing:
    """A mailing as a launch would make it, which exists nowhere else."""
    website = email.campaign.website
    envelope = envelope_of(
        organization,
        website,
        purpose=email.purpose,
        sender_name=email.sender_name,
        reply_to=email.reply_to,
        campaign_name=email.campaign.name,
    )
    snapshot = ContentSnapshot(
        organization=organization,
        website=website,
        tracked_content=TrackedContent(organization=organization, website=website),
        compiled={**compiled.to_dict(), "envelope": asdict(envelope)},
    )
    return Mailing(
        pk=0,
        organization=organization,
        website=website,
        snapshot=snapshot,
        purpose=email.purpose,
        exempt_approved=is_exempt_approved(organization, email),
    )


# --- What is in a message ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """Headers, or one decoded part."""

    name: str
    lines: list[str]


def sections_of(data: bytes) -> list[Section]:
    """A message as people can read it: headers decoded, then each part."""
    message = message_from_bytes(data, policy=modern)
    sections = [Section(_("Headers"), [f"{name}: {value}" for name, value in message.items()])]
    for part in message.walk():
        if not part.is_multipart():
            text = str(part.get_content())
            lines = text.rstrip("\n").split("\n")
            if part.get_content_type() == "text/html":
                lines = [piece for line in lines for piece in _broken(line)]
            sections.append(Section(part.get_content_type(), lines))
    return sections


def _broken(line: str) -> list[str]:
    """A long line of HTML, one tag below the other: compiled MJML is a single line, in which nobody finds anything."""
    return re.split(r"(?<=>)(?=<)", line) if len(line) > LONG else [line]


# --- Where two messages differ ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, and whether the other message has it too."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line beside the other; None where a message has none. ``folded``: so many equal lines are left out here."""

    left: list[Piece] | None
    right: list[Piece] | None
    differs: bool = False
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    name: str
    rows: list[Row]

    @property
    def differences(self) -> int:
        return sum(row.differs for row in self.rows)


def compare(left: bytes, right: bytes, *, only_differences: bool) -> list[Comparison]:
    """Two messages beside each other, section by section."""
    pairs = zip_longest(sections_of(left), sections_of(right))
    comparisons = []
    for one, other in pairs:
        rows = list(_rows(one.lines if one else [], other.lines if other else []))
        name = (one or other).name
        comparisons.append(Comparison(name, list(_folded(rows)) if only_differences else rows))
    return comparisons


def _rows(left: Sequence[str], right: Sequence[str]) -> Iterator[Row]:
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for tag, left_start, left_end, right_start, right_end in matcher.get_opcodes():
        if tag == "equal":
            for line in left[left_start:left_end]:
                yield Row([Piece(line)], [Piece(line)])
            continue
        for one, other in zip_longest(left[left_start:left_end], right[right_start:right_end]):
            yield _differing(one, other)


def _differing(left: str | None, right: str | None) -> Row:
    if left is None or right is None:
        only = [Piece(left or right or "", differs=True)]
        return Row(only if left is not None else None, only if right is not None else None, differs=True)
    one, other = _cut(left), _cut(right)
    left_pieces: list[Piece] = []
    right_pieces: list[Piece] = []
    for tag, left_start, left_end, right_start, right_end in SequenceMatcher(None, one, other, False).get_opcodes():
        differs = tag != "equal"
        left_pieces.append(Piece("".join(one[left_start:left_end]), differs))
        right_pieces.append(Piece("".join(other[right_start:right_end]), differs))
    return Row(_seen(left_pieces), _seen(right_pieces), differs=True)


def _cut(line: str) -> list[str]:
    """A line as words and signs; a very long one in fewer, larger pieces, since comparing takes their square."""
    words: list[str] = []
    for letter in line:
        if words and letter.isalnum() and words[-1][-1].isalnum():
            words[-1] += letter
        else:
            words.append(letter)
    size = len(words) // _WORDS + 1
    return words if size == 1 else ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _seen(pieces: Sequence[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.text]


def _folded(rows: Sequence[Row]) -> Iterator[Row]:
    """Without the equal lines, but for a few around each difference."""
    near = {index + offset for index, row in enumerate(rows) if row.differs for offset in range(-AROUND, AROUND + 1)}
    left_out = 0
    for index, row in enumerate(rows):
        if index in near:
            if left_out:
                yield Row(None, None, folded=left_out)
            left_out = 0
            yield row
        else:
            left_out += 1
    if left_out:
        yield Row(None, None, folded=left_out)
