"""What the versions of an A/B test achieved, counted as far as it may decide something.

Opens and clicks are those of people whose copy could be measured from sending until now (rule U1), by people and not by
programs. Totals without a person are never read here: they choose no winner (rule S9). Answers count for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Organization
from campaigns.models import DeclaredReply, Launch, Measure, Question, QuestionKind, SplitTest
from campaigns.rules import Arm, months_before
from delivery.connection_models import News
from delivery.models import Message, MessageStatus
from tracking.forgetting import hit_keeping
from tracking.models import Actor, HitKind
from tracking.recorder import CHOICE, may_measure_sql

# From here on a rating speaks for the email.
_GOOD_RATING = 4
_NOT_THERE = (News.HARD_BOUNCE, News.SOFT_BOUNCE, News.REJECTED)

_MEASURED = """
SELECT count(*), count(*) FILTER (WHERE EXISTS (
         SELECT FROM tracking_hit h
          WHERE h.organization_id = %(organization)s AND h.content_id = m.content_id AND h.tracked_message_id = m.id
            AND h.kind = %(kind)s AND h.actor = {human}))
  FROM delivery_message d
  JOIN tracking_trackedmessage m ON m.id = d.tracked_message_id
  LEFT JOIN websites_measurementpermission p ON p.website_id = m.website_id AND p.country = m.country
  {choice}
 WHERE d.organization_id = %(organization)s AND d.mailing_id = %(mailing)s AND d.status = 'sent'
   AND NOT d.news = ANY(%(gone)s) AND m.exempt_purpose = '' AND m.decided_at >= %(kept_since)s
   AND coalesce({measured}, false)
"""


def launches_of_test(organization: Organization, test: SplitTest) -> list[Launch]:
    """The launches of its versions in the order of their letters, without that of the rest."""
    found = Launch.objects.filter(organization=organization, variant__test=test, sends_rest=False)
    return list(found.select_related("mailing__snapshot", "variant", "email").order_by("variant__letter"))


def count_arms(organization: Organization, test: SplitTest, launches: Sequence[Launch], *, now: datetime) -> list[Arm]:
    """Of each version: how many people count, and how many of them did what the test is about."""
    if test.measure == Measure.REPLIES:
        return [_arm(launch, *_answered(organization, test.question, launch)) for launch in launches]
    kind = HitKind.OPEN if test.measure == Measure.OPENS else HitKind.CLICK
    return [_arm(launch, *_measured(organization, launch, kind, now=now)) for launch in launches]


def _arm(launch: Launch, people: int, successes: int) -> Arm:
    return Arm(str(launch.variant), people, successes)


def _measured(organization: Organization, launch: Launch, kind: HitKind, *, now: datetime) -> tuple[int, int]:
    measured = may_measure_sql("opens" if kind == HitKind.OPEN else "clicks")
    query = _MEASURED.format(choice=CHOICE, measured=measured, human=Actor.HUMAN.value)
    parameters: dict[str, Any] = {
        "organization": organization.pk,
        "mailing": launch.mailing_id,
        "kind": kind.value,
        "gone": [news.value for news in _NOT_THERE],
        "kept_since": months_before(now, hit_keeping(organization).months),
    }
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        people, successes = cursor.fetchone()
    return int(people), int(successes)


def good_answers(question: Question) -> list[int]:
    """The answers that speak for an email: yes, 4 and 5, any of several topics."""
    if question.kind == QuestionKind.YES_NO:
        return [1]
    first = _GOOD_RATING if question.kind == QuestionKind.RATING else 1
    return list(range(first, len(question.options) + 1))


def _answered(organization: Organization, question: Question | None, launch: Launch) -> tuple[int, int]:
    sent = Message.objects.filter(
        organization=organization, mailing=launch.mailing_id, status=MessageStatus.SENT, participant__isnull=False
    ).exclude(news__in=_NOT_THERE)
    if question is None:
        return sent.count(), 0
    good = DeclaredReply.objects.filter(
        organization=organization, mailing=launch.mailing_id, question=question, answer__in=good_answers(question),
        message__in=sent.values("pk"),
    )  # fmt: skip
    return sent.count(), good.count()
