"""Segments by declared replies: what was answered, by whom, and who was asked and kept silent."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.audiences import check_definition
from campaigns.models import Email, Question, QuestionKind, Segment
from campaigns.replies import record_reply, save_question
from campaigns.segments import SegmentError, people_in, read_definition
from campaigns.selectors import many_people
from campaigns.services import launch_email
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import Message
from tests.campaigns.world import BODY, MakePerson, make_campaign, make_email, reply_key_for
from tests.support.cast import Cast
from tests.support.world import choose, make_website

pytestmark = pytest.mark.django_db

ASKING = BODY.replace("<mjml>", '<mjml lang="en">').replace(
    "</mj-text>", "</mj-text><mj-text>{% question 1 %}{% question 2 %}</mj-text>"
)
ASKED = ("yes", "no", "refuser", "quiet", "bounced", "unsure", "buttonless")


@pytest.fixture
def now() -> datetime:
    """Pages ask the clock themselves."""
    return timezone.now() - timedelta(minutes=5)


@pytest.fixture
def asked(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> list[Question]:
    """An email that asks two questions was sent, and some answered the first one."""
    people = {name: subscriber(name) for name in ASKED}
    choose(cast.bakery, people["refuser"], opens=ChoiceValue.NO, clicks=ChoiceValue.NO, now=now)
    with tenant(cast.bakery.pk):
        Email.objects.filter(pk=email.pk).update(body=ASKING)
        questions = [
            save_question(cast.bakery, email, kind=kind, text=text, now=now)
            for kind, text in ((QuestionKind.YES_NO, "More rye?"), (QuestionKind.RATING, "How was it?"))
        ]
        launch_email(cast.bakery, email, author=cast.max, now=now)
        Message.objects.update(status="sent", sent_at=now)
        Message.objects.filter(participant=people["bounced"]).update(news="hard_bounce")
        Message.objects.filter(participant=people["unsure"]).update(status="unknown")
        for message in Message.objects.exclude(participant=people["buttonless"]):
            reply_key_for(message)
        for name, number in (("yes", 1), ("refuser", 1), ("no", 2)):
            message = Message.objects.get(participant=people[name])
            record_reply(cast.bakery, questions[0], message, answer=number, now=now)
    subscriber("newcomer")
    return questions


def found(cast: Cast, row: dict[str, Any], now: datetime) -> set[str]:
    definition = read_definition({"match": "all", "rows": [{"about": "reply", **row}]})
    with tenant(cast.bakery.pk), many_people():
        return {one.email.split("@")[0] for one in people_in(cast.bakery, definition, now=now)}


def test_answers_count_for_everybody_and_silence_only_for_those_who_were_asked(
    cast: Cast, asked: list[Question], now: datetime
) -> None:
    rye, taste = (one.pk for one in asked)
    assert found(cast, {"op": "answered"}, now) == {"yes", "no", "refuser"}
    assert found(cast, {"op": "answered", "question": rye}, now) == {"yes", "no", "refuser"}
    assert found(cast, {"op": "answered", "question": taste}, now) == set()
    assert found(cast, {"op": "gave", "question": rye, "answer": f"{rye}:1"}, now) == {"yes", "refuser"}
    assert found(cast, {"op": "gave", "question": rye, "answer": f"{rye}:2"}, now) == {"no"}
    assert found(cast, {"op": "did_not", "question": rye}, now) == {"quiet"}
    assert found(cast, {"op": "did_not", "question": taste}, now) == {"yes", "no", "refuser", "quiet"}


def test_days_are_those_since_the_answer_or_since_the_question_was_asked(
    cast: Cast, asked: list[Question], now: datetime
) -> None:
    rye, later = asked[0].pk, now + timedelta(days=4)
    assert found(cast, {"op": "answered", "question": rye, "days": 5}, later) == {"yes", "no", "refuser"}
    assert found(cast, {"op": "answered", "question": rye, "days": 3}, later) == set()
    assert found(cast, {"op": "did_not", "question": rye, "days": 5}, later) == {"quiet"}
    assert found(cast, {"op": "did_not", "question": rye, "days": 3}, later) == set()


def test_questions_and_answers_are_ones_own(cast: Cast, asked: list[Question], now: datetime) -> None:
    website = make_website(cast.cinema, cast.cleo, now=now)
    theirs_in = make_email(cast.cinema, make_campaign(cast.cinema, website, now=now), now=now)
    with tenant(cast.cinema.pk):
        theirs = save_question(cast.cinema, theirs_in, kind=QuestionKind.YES_NO, text="Popcorn?", now=now)
    rye = asked[0].pk
    for row in (
        {"op": "answered", "question": theirs.pk},
        {"op": "gave", "question": rye, "answer": f"{rye}:3"},
        {"op": "gave", "question": rye, "answer": f"{rye}:0"},
    ):
        with tenant(cast.bakery.pk), pytest.raises(SegmentError):
            check_definition(cast.bakery, {"match": "all", "rows": [{"about": "reply", **row}]})
    assert found(cast, {"op": "answered", "question": theirs.pk}, now) == set()


@pytest.mark.parametrize(
    "row",
    [
        {"op": "did_not"},
        {"op": "gave"},
        {"op": "gave", "question": 1},
        # The answer belongs to another question, which was chosen before.
        {"op": "gave", "question": 1, "answer": "2:1"},
        {"op": "gave", "question": 1, "answer": "1"},
        {"op": "gave", "question": 1, "answer": "1:x"},
        {"op": "answered", "question": "1; DROP TABLE"},
        {"op": "answered", "days": 0},
    ],
)
def test_what_is_no_question_and_no_answer_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(SegmentError):
        read_definition({"match": "all", "rows": [{"about": "reply", **row}]})


def test_the_editor_offers_the_answers_of_the_question_that_was_chosen(
    cast: Cast, asked: list[Question], client: Client
) -> None:
    rye, taste = (one.pk for one in asked)
    client.force_login(cast.max)
    address = reverse("admin:campaigns_segment_add")

    def options(page: Any, name: str) -> list[tuple[str, str]]:
        select = re.search(rf'<select name="row-0-{name}"[^>]*>(.*?)</select>', page.content.decode())
        assert select
        return re.findall(r'<option value="([\d:]*)"(?: selected)?>([^<]*)<', select[1])

    typed: dict[str, Any] = {"name": "Rye", "match": "all"}
    page = client.post(address, {**typed, "add": "1", "new_about": "reply"})
    assert [label for _number, label in options(page, "question")] == [
        "any question", "November · How was it?", "November · More rye?",
    ]  # fmt: skip
    assert options(page, "answer") == [("", "—")]
    typed |= {"row-0-about": "reply", "row-0-op": "gave", "row-0-question": rye}
    page = client.post(address, {**typed, "count": "1"})
    assert options(page, "answer") == [("", "—"), (f"{rye}:1", "Yes"), (f"{rye}:2", "No")]
    refused = client.post(address, {**typed, "save": "1"})
    assert refused.status_code == 422
    assert "Choose an answer." in refused.content.decode()
    page = client.post(address, {**typed, "row-0-answer": f"{rye}:1", "count": "1"})
    assert re.findall(r'id="segment-people">(\d+)', page.content.decode()) == ["2"]
    # Another question takes the answer along.
    page = client.post(address, {**typed, "row-0-question": taste, "row-0-answer": f"{rye}:1", "save": "1"})
    assert page.status_code == 422
    assert client.post(address, {**typed, "row-0-answer": f"{rye}:1", "save": "1"}).status_code == 302
    with tenant(cast.bakery.pk):
        segment = Segment.objects.get()
    assert segment.definition["rows"] == [
        {"about": "reply", "op": "gave", "question": rye, "answer": f"{rye}:1", "days": None}
    ]
    again = client.get(reverse("admin:campaigns_segment_change", args=[segment.pk])).content.decode()
    assert f'<option value="{rye}:1" selected>Yes</option>' in again
