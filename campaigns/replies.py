"""Declared replies: questions of an email, what people answer to them, and how many gave which answer.

An answer is given by POST on a page of its own, so nothing is read from anybody's device and no program gives one. It
counts for everybody, whatever they chose about opens and clicks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.launches import lock_email
from campaigns.models import DeclaredReply, Email, Launch, Question, QuestionKind
from campaigns.questions import RATINGS, YES_NO
from campaigns.refusals import CampaignRefused
from campaigns.rendering import language_of
from campaigns.selectors import launches_of
from delivery.models import Mailing, Message, MessageStatus
from participants.models import Participant

MOST_QUESTIONS, LONGEST_QUESTION = 20, 200
FEWEST_TOPICS, MOST_TOPICS, LONGEST_TOPIC = 2, 10, 80
# A mail server has, or may have, these.
_LEFT = (MessageStatus.SENT, MessageStatus.UNKNOWN)


# --- Questions --------------------------------------------------------------------------------------------------------


def save_question(
    organization: Organization,
    email: Email,
    *,
    kind: QuestionKind | str,
    text: str,
    topics: Sequence[str] = (),
    question: Question | None = None,
    now: datetime,
) -> Question:
    """A new question of an email, or another wording of one. What an email was sent with stays as it is."""
    text = _one_line(text)
    if kind not in QuestionKind:
        raise CampaignRefused(_("Choose what kind of answers it has."))
    if not 0 < len(text) <= LONGEST_QUESTION:
        raise CampaignRefused(_("Write the question, in at most 200 letters."))
    with transaction.atomic():
        current = lock_email(organization, email)
        if question is None:
            numbers = list(
                Question.objects.filter(organization=organization, email=current).values_list("number", flat=True)
            )
            if len(numbers) >= MOST_QUESTIONS:
                raise CampaignRefused(_("An email has at most %(most)s questions.") % {"most": MOST_QUESTIONS})
            question = Question(
                organization=organization, email=current, number=max(numbers, default=0) + 1, created_at=now
            )
        else:
            _refuse_sent(organization, current)
        question.kind, question.text = QuestionKind(kind), text
        question.options = _options(QuestionKind(kind), topics, language=language_of(current))
        question.save()
    return question


def remove_question(organization: Organization, email: Email, question: Question) -> None:
    """Take a question away. Its buttons in the template, if any, have to go too."""
    with transaction.atomic():
        _refuse_sent(organization, lock_email(organization, email))
        Question.objects.filter(organization=organization, email=email, pk=question.pk).delete()


def _refuse_sent(organization: Organization, email: Email) -> None:
    if launches_of(organization, email).exists():
        raise CampaignRefused(_("The email was sent with this question, which stays as it is. Add another one."))


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    if "{{" in text or "{%" in text:
        raise CampaignRefused(_("A question is the same for everybody: it cannot hold “{{” or “{%”."))
    return text


def _options(kind: QuestionKind, topics: Sequence[str], *, language: str) -> list[str]:
    if kind == QuestionKind.YES_NO:
        return list(YES_NO.get(language, YES_NO["en"]))
    if kind == QuestionKind.RATING:
        return list(RATINGS)
    named = list(dict.fromkeys(filter(None, (_one_line(topic) for topic in topics))))
    if not FEWEST_TOPICS <= len(named) <= MOST_TOPICS or any(len(topic) > LONGEST_TOPIC for topic in named):
        raise CampaignRefused(_("Give two to ten topics, one in each line, of at most 80 letters."))
    return named


# --- Answers ----------------------------------------------------------------------------------------------------------


def question_asked(organization: Organization, message: Message, number: int) -> Question | None:
    """The question with this number of the email that a copy belongs to."""
    found = Question.objects.filter(organization=organization, email__launches__mailing=message.mailing_id)
    return next(
        (one for one in found.select_related("email__campaign__website").distinct() if one.number == number), None
    )


def reply_to(organization: Organization, question: Question, message: Message) -> DeclaredReply | None:
    """What was answered to a question by the reader of a copy."""
    return DeclaredReply.objects.filter(organization=organization, question=question, message=message).first()


def record_reply(
    organization: Organization, question: Question, message: Message, *, answer: int, now: datetime
) -> DeclaredReply | None:
    """Keep what somebody answered; an answer given again counts once, another one instead of it.

    None for a person who is gone, and for an answer that is not offered.
    """
    if not 1 <= answer <= len(question.options) or message.participant_id is None:
        return None
    with transaction.atomic():
        # An erasure that runs at this moment must not find a row left behind.
        people = Participant.objects.select_for_update(no_key=True)
        person = people.filter(organization=organization, pk=message.participant_id).first()
        if person is None:
            return None
        reply, _is_new = DeclaredReply.objects.update_or_create(
            organization=organization,
            message=message,
            question=question,
            defaults={"answer": answer, "answered_at": now},
            create_defaults={
                "answer": answer,
                "answered_at": now,
                "first_answered_at": now,
                "participant": person,
                "mailing_id": message.mailing_id,
            },
        )
    return reply


# --- Counts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnswerCount:
    """One answer, and how many readers gave it."""

    number: int
    label: str
    people: int


@dataclass(frozen=True, slots=True)
class QuestionCount:
    """The answers to one question of one mailing or of several taken together."""

    question: Question
    # Copies that have, or may have, reached somebody: everybody could answer.
    asked: int
    answers: tuple[AnswerCount, ...]

    @property
    def answered(self) -> int:
        return sum(one.people for one in self.answers)

    @property
    def mean(self) -> float | None:
        """Of a rating; None of anything else, and without an answer."""
        if self.question.kind != QuestionKind.RATING or not self.answered:
            return None
        return round(sum(one.number * one.people for one in self.answers) / self.answered, 2)


def count_replies(
    organization: Organization, mailings: Mailing | Iterable[Mailing], *, copies: Mapping[int, int] | None = None
) -> list[QuestionCount]:
    """How many readers of these mailings gave which answer, question by question, everybody included.

    ``copies`` says how many of each mailing have left, for who knows it already: of a million, counting takes long.
    """
    wanted = [mailings] if isinstance(mailings, Mailing) else list(mailings)
    ids = [mailing.pk for mailing in wanted]
    questions = list(
        Question.objects.filter(organization=organization, email__launches__mailing__in=ids)
        .distinct()
        .order_by("email", "number")
    )
    if not questions:
        return []
    rows = (
        DeclaredReply.objects.filter(organization=organization, mailing__in=ids)
        .order_by()
        .values_list("question", "answer")
        .annotate(people=Count("pk"))
    )
    counts: dict[int, Counter[int]] = defaultdict(Counter)
    for question_id, answer, people in rows:
        counts[question_id][answer] += people
    asked = _asked_by_email(organization, ids, copies)
    return [
        QuestionCount(
            question,
            asked[question.email_id],
            tuple(
                AnswerCount(number, option, counts[question.pk][number])
                for number, option in enumerate(question.options, start=1)
            ),
        )
        for question in questions
    ]


def _asked_by_email(
    organization: Organization, mailing_ids: Sequence[int], copies: Mapping[int, int] | None
) -> Counter[int]:
    """An email's questions are asked by its own mailings only."""
    left = _copies_that_left(organization, mailing_ids) if copies is None else copies
    emails = Launch.objects.filter(organization=organization, mailing__in=mailing_ids).order_by()
    asked: Counter[int] = Counter()
    for mailing_id, email_id in emails.values_list("mailing", "email"):
        asked[email_id] += left.get(mailing_id, 0)
    return asked


def _copies_that_left(organization: Organization, mailing_ids: Sequence[int]) -> dict[int, int]:
    left = Message.objects.filter(organization=organization, mailing__in=mailing_ids, status__in=_LEFT)
    return dict(left.order_by().values_list("mailing").annotate(copies=Count("pk")))
