"""Declared replies: only a POST is an answer, everybody's counts, and who is gone leaves none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default as modern
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from campaigns.lint import review_draft
from campaigns.models import DeclaredReply, Email, Launch, Question, QuestionKind
from campaigns.previews import copy_html
from campaigns.refusals import CampaignRefused
from campaigns.rendering import check_draft
from campaigns.replies import count_replies, record_reply, remove_question, save_question
from campaigns.services import LaunchRefused, launch_email
from common.keys import encode_key, new_key
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.composing import Composer
from delivery.models import Mailing, Message, MessageStatus, ReplyKey
from delivery.outbox import claim_messages
from delivery.services import begin_mailing
from delivery.web_version import web_version_of
from participants.models import Participant
from privacy.services.erasure import erase_participant
from tests.campaigns.console import address, signed_in
from tests.campaigns.world import BODY, MakePerson
from tests.support.cast import Cast
from tests.support.world import choose, later, set_tracking
from tracking.models import TrackedMessage

pytestmark = pytest.mark.django_db

ENGLISH = BODY.replace("<mjml>", '<mjml lang="en">')
ASKING = ENGLISH.replace(
    "</mj-text>", '</mj-text><mj-text>{% question 1 %}<a href="{{ reply_url }}/2/4">4</a></mj-text>'
)


@pytest.fixture
def now() -> datetime:
    """Pages ask the clock themselves."""
    return timezone.now() - timedelta(minutes=5)


@pytest.fixture
def questions(cast: Cast, email: Email, now: datetime) -> list[Question]:
    with tenant(cast.bakery.pk):
        email.body = ENGLISH
        email.save()
        asked = [
            save_question(cast.bakery, email, kind=kind, text=text, now=now)
            for kind, text in ((QuestionKind.YES_NO, "More <rye>?"), (QuestionKind.RATING, "How was it?"))
        ]
        email.body = ASKING
        email.save()
    return asked


def send(cast: Cast, email: Email, *, now: datetime) -> dict[str, str]:
    """Launch it and write its copies, which are taken for sent: HTML by first name."""
    with tenant(cast.bakery.pk):
        launched = launch_email(cast.bakery, email, author=cast.max, now=now)
        mailing = begin_mailing(cast.bakery.pk, launched.mailing_id, now=now)
        assert mailing is not None
        claim = claim_messages(mailing, after=0, limit=100, now=now)
        composer = Composer(mailing)
        copies = {one.person.first_name: html_of(composer.compose(one, now=now).data) for one in claim.messages}
        Message.objects.filter(mailing=mailing).update(status=MessageStatus.SENT, sent_at=now)
    return copies


def html_of(data: bytes) -> str:
    part = message_from_bytes(data, policy=modern).get_body(("html",))
    assert part is not None
    return str(part.get_content())


def links_of(copy: str) -> list[str]:
    return re.findall(r'href="https?://[^/"]+(/a/[\w-]{22}/\d+/\d+)"', copy)


def shown(response: HttpResponse) -> str:
    return response.content.decode()


def replies(cast: Cast) -> list[tuple[str, int, int]]:
    with tenant(cast.bakery.pk):
        found = DeclaredReply.objects.order_by("pk")
        return list(found.values_list("participant__first_name", "question__number", "answer"))


@pytest.fixture
def sent(
    cast: Cast, email: Email, questions: list[Question], subscriber: MakePerson, now: datetime
) -> Iterator[dict[str, str]]:
    """To Yes, who is measured, and to No, who must not be."""
    set_tracking(cast.bakery, email.campaign.website, "by_consent", now=now)
    for name, choice in (("yes", ChoiceValue.YES), ("no", ChoiceValue.NO)):
        choose(cast.bakery, subscriber(name), now=now, opens=choice, clicks=choice)
    return send(cast, email, now=later(now, minutes=1))


def test_h2_looking_answers_nothing_and_a_post_does(cast: Cast, sent: dict[str, str], client: Client) -> None:
    yes, no, rating = links_of(sent["No"])
    for _time in range(2):
        assert client.get(yes, headers={"User-Agent": "LinkScanner"}).status_code == 200
        assert client.head(no).status_code == 200
    assert replies(cast) == []
    page = shown(client.get(no))
    assert re.findall(r'value="(\d)" required( checked)?', page) == [("1", ""), ("2", " checked")]
    assert "More &lt;rye&gt;?" in page
    assert "<script" not in page
    answered = client.post(no, {"answer": "1"})
    assert answered.status_code == 200
    assert not answered.cookies
    assert 'You answered: <strong lang="en">Yes</strong>' in shown(answered)
    assert replies(cast) == [("No", 1, 1)]
    client.post(yes, {"answer": "2"})
    client.post(rating, {"answer": "4"})
    assert replies(cast) == [("No", 1, 2), ("No", 2, 4)]


def test_answers_count_for_measured_people_and_for_others_alike(
    cast: Cast, email: Email, sent: dict[str, str], client: Client
) -> None:
    with tenant(cast.bakery.pk):
        assert TrackedMessage.objects.count() == 1
    assert "/c/" in sent["Yes"]
    assert "/c/" not in sent["No"]
    for copy in sent.values():
        assert len(links_of(copy)) == 3
        client.post(links_of(copy)[0], {"answer": "1"})
    with tenant(cast.bakery.pk):
        first, second = count_replies(cast.bakery, Mailing.objects.get())
    assert (first.asked, first.answered) == (2, 2)
    assert [(one.label, one.people) for one in first.answers] == [("Yes", 2), ("No", 0)]
    assert (second.answered, second.mean) == (0, None)


def test_what_is_not_offered_is_no_answer(cast: Cast, sent: dict[str, str], client: Client) -> None:
    link = links_of(sent["No"])[0]
    for typed in ({}, {"answer": "3"}, {"answer": "0"}, {"answer": "x"}, {"answer": "99999"}, {"answer": "²"}):
        response = client.post(link, typed)
        assert response.status_code == 422
        assert "Choose one of the answers." in shown(response)
    base = link.rsplit("/", 2)[0]
    for path in (f"{base}/3/1", f"{base}/99999999999999999999/1", f"/a/{encode_key(new_key())}/1/1", "/a/nothing/1/1"):
        for response in (client.get(path), client.post(path, {"answer": "1"})):
            assert response.status_code == 404
    assert client.get(f"{base}/1/9").status_code == 200
    assert replies(cast) == []


def test_h3_the_key_is_the_copys_own_and_opens_nothing_else(cast: Cast, sent: dict[str, str], client: Client) -> None:
    keys = {links_of(copy)[0].split("/")[2] for copy in sent.values()}
    assert len(keys) == 2
    with tenant(cast.bakery.pk):
        for message in Message.objects.all():
            assert encode_key(message.unsubscribe_key) not in keys
            assert f"/a/{encode_key(message.reply_key.key)}/1/1" in (web_version_of(cast.bakery.pk, message.pk) or "")
    for key in keys:
        assert client.get(f"/u/{key}").status_code == client.get(f"/p/{key}").status_code == 404


def test_d2_an_erased_person_answers_no_more_and_their_answers_go(
    cast: Cast, sent: dict[str, str], client: Client, now: datetime
) -> None:
    link = links_of(sent["No"])[0]
    client.post(link, {"answer": "1"})
    with tenant(cast.bakery.pk):
        person = Participant.objects.get(first_name="No")
        question, message = Question.objects.get(number=1), Message.objects.get(participant=person)
        erase_participant(cast.bakery, person, actor=cast.dana, reason="Letter", now=now)
        # A page that was being read at that moment.
        assert record_reply(cast.bakery, question, message, answer=1, now=now) is None
        assert ReplyKey.objects.count() == 1
    assert client.post(link, {"answer": "1"}).status_code == 404
    assert replies(cast) == []


def test_a_copy_that_is_written_anew_keeps_the_key_of_its_buttons(
    cast: Cast, email: Email, questions: list[Question], subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        launched = launch_email(cast.bakery, email, author=cast.max, now=now)
        mailing = begin_mailing(cast.bakery.pk, launched.mailing_id, now=now)
        assert mailing is not None
        keys = {
            claim_messages(mailing, after=0, limit=9, now=later(now, minutes=minutes)).messages[0].reply_key
            for minutes in (0, 5)
        }
    assert len(keys) == 1
    assert None not in keys


def test_buttons_are_no_finding_of_the_privacy_check_and_show_in_the_preview(
    cast: Cast, email: Email, questions: list[Question], subscriber: MakePerson
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        review = review_draft(cast.bakery, email)
        preview = copy_html(cast.bakery, email, name="none", participant=None)
    assert (review.problems, review.errors) == ([], [])
    assert review.compiled is not None
    assert [link.destination.partition("?")[0] for link in review.compiled.links] == [
        "https://shop.example.org/rye",
        "https://shop.example.org/spelt",
    ]
    assert "More &lt;rye&gt;?" in (preview or "")
    assert "/a/example/1/2" in (preview or "")


@pytest.mark.parametrize(
    "wrong",
    [
        "{% question 7 %}",
        '<a href="{{ reply_url }}">x</a>',
        '<a href="{{ reply_url }}/1/3">x</a>',
        '<a href="{{ reply_url }}/9/1">x</a>',
        '<a href="{{ reply_url | upcase }}/1/1">x</a>',
        "{% assign other = reply_url %}",
    ],
)
def test_buttons_that_lead_nowhere_are_refused(
    cast: Cast, email: Email, questions: list[Question], subscriber: MakePerson, now: datetime, wrong: str
) -> None:
    subscriber("sue")
    email.body = ASKING.replace("{% question 1 %}", wrong)
    with tenant(cast.bakery.pk):
        assert "Line 1: There is no such question or answer" in str(check_draft(email)[0])
        email.save()
        with pytest.raises(LaunchRefused):
            launch_email(cast.bakery, email, author=cast.max, now=now)


def test_the_key_is_handed_to_no_other_site(cast: Cast, email: Email, questions: list[Question]) -> None:
    email.body = ASKING.replace("{% question 1 %}", '<a href="https://x.example/?u={{ reply_url }}/1/1">x</a>')
    with tenant(cast.bakery.pk):
        assert "key_in_url" in {finding.code for finding in review_draft(cast.bakery, email).errors}


def test_a_question_that_was_sent_stays_as_it_is(
    cast: Cast, email: Email, sent: dict[str, str], questions: list[Question], now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        with pytest.raises(CampaignRefused):
            remove_question(cast.bakery, email, questions[0])
        with pytest.raises(CampaignRefused):
            save_question(cast.bakery, email, kind="rating", text="Other?", question=questions[0], now=now)
        added = save_question(cast.bakery, email, kind="interest", text="Which?", topics=["Rye", "Rye", "Oat"], now=now)
        assert (added.number, added.options) == (3, ["Rye", "Oat"])


@pytest.mark.parametrize("topics", [["Rye"], [], ["x"] * 3, [str(number) for number in range(11)], ["a", "b" * 81]])
def test_an_interest_has_two_to_ten_topics(cast: Cast, email: Email, now: datetime, topics: list[str]) -> None:
    with tenant(cast.bakery.pk), pytest.raises(CampaignRefused):
        save_question(cast.bakery, email, kind="interest", text="Which?", topics=topics, now=now)


def test_the_page_speaks_the_readers_language_and_the_question_its_own(
    cast: Cast, sent: dict[str, str], client: Client
) -> None:
    page = client.get(f"{links_of(sent['No'])[0]}?lang=fr")
    assert page["Content-Language"] == "fr"
    assert '<legend class="question" lang="en">' in page.content.decode()


def test_questions_are_written_and_counted_in_the_console(
    cast: Cast, email: Email, sent: dict[str, str], client: Client
) -> None:
    client.post(links_of(sent["No"])[2], {"answer": "5"})
    max_, ben = signed_in(cast.max), signed_in(cast.ben)
    page = address(email, "questions")
    page_of_ben = shown(ben.get(page))
    assert "1 answered of 2 people who got it." in page_of_ben
    assert "Mean: 5.0 of 5." in page_of_ben
    form = {"kind": "interest", "text": "Which bread?", "topics": "Rye\nOat\n", "question": ""}
    assert ben.post(page, form).status_code == 403
    assert max_.post(page, form | {"topics": "Rye"}).status_code == 422
    assert max_.post(page, form).status_code == 302
    assert "{{ reply_url }}/3/2" in shown(max_.get(page))
    with tenant(cast.bakery.pk):
        assert Launch.objects.count() == 1
        question = Question.objects.get(number=3)
    assert max_.post(address(email, "question_remove", question.pk)).status_code == 302
    assert ben.post(address(email, "question_remove", question.pk)).status_code == 403
    assert signed_in(cast.cleo).get(page).status_code == 404
    with tenant(cast.bakery.pk):
        assert Question.objects.count() == 3, "the email was sent: its questions stay"


def test_a_draft_may_lose_and_change_questions(cast: Cast, email: Email, questions: list[Question]) -> None:
    max_ = signed_in(cast.max)
    page = address(email, "questions")
    form: dict[str, Any] = {"kind": "yes_no", "text": "Less rye?", "topics": "", "question": questions[0].pk}
    assert 'value="More &lt;rye&gt;?"' in shown(max_.get(f"{page}?edit={questions[0].pk}"))
    assert max_.post(page, form).status_code == 302
    assert max_.post(page, form | {"question": "0"}).status_code == 404
    max_.post(address(email, "question_remove", questions[1].pk))
    with tenant(cast.bakery.pk):
        assert list(Question.objects.values_list("number", "text")) == [(1, "Less rye?")]
