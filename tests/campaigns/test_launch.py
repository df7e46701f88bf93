"""Sending an email: everything is checked first, and what is refused leaves nothing behind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import Organization
from campaigns.models import Campaign, Email, Launch
from campaigns.services import LaunchRefused, expand_audience, launch_email
from campaigns.tasks import expand_due_launches
from common.tenancy import tenant
from consent.models import Topic
from delivery.models import ContentSnapshot, Mailing, Message
from delivery.rendering import CompiledEmail
from delivery.services import cancel_mailing, pause_mailing, resume_mailing
from tests.campaigns.world import MakePerson, make_campaign, make_email
from tests.support.cast import Cast
from tests.support.world import later, make_topic, make_website
from tracking.models import TrackedContent


def launch(cast: Cast, email: Email, *, now: datetime, **options: Any) -> Launch:
    with tenant(cast.bakery.pk):
        return launch_email(cast.bakery, email, author=cast.max, now=now, **options)


def refusal(cast: Cast, email: Email, *, now: datetime, **options: Any) -> list[str]:
    """Every reason, having made sure that nothing was done."""
    with pytest.raises(LaunchRefused) as refused:
        launch(cast, email, now=now, **options)
    with tenant(cast.bakery.pk):
        for model in (Launch, Mailing, Message, ContentSnapshot, TrackedContent):
            assert not model._default_manager.exists()
    return refused.value.problems


def change(cast: Cast, row: Any, **fields: Any) -> None:
    with tenant(cast.bakery.pk):
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=list(fields))


def recipients(cast: Cast, launched: Launch) -> set[str]:
    with tenant(cast.bakery.pk):
        messages = Message.objects.filter(mailing=launched.mailing_id).select_related("participant")
        return {message.participant.first_name for message in messages}


def test_a_launch_queues_one_message_for_each_person_and_asks_a_worker_to_send(
    cast: Cast,
    email: Email,
    subscriber: MakePerson,
    now: datetime,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, kwargs, **_more: asked.append((name, kwargs)))
    subscriber("sue")
    subscriber("sam")
    with django_capture_on_commit_callbacks(execute=True):
        launched = launch(cast, email, now=now)
    assert recipients(cast, launched) == {"Sue", "Sam"}
    expected = {"organization_id": cast.bakery.pk, "mailing_id": launched.mailing_id}
    assert asked == [("delivery.send_mailing", expected)]
    with tenant(cast.bakery.pk):
        messages = list(Message.objects.all())
        assert {(message.status, message.reference, message.unsubscribe_key) for message in messages} == {
            ("queued", None, None)
        }
        assert launched.launched_by == cast.max


def test_the_content_is_frozen_with_sender_links_and_tags(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    change(cast, email, sender_name="Ana of Bakery", reply_to="ana@bread.example")
    launched = launch(cast, email, now=now)
    change(cast, email, subject="Something else")
    with tenant(cast.bakery.pk):
        frozen = ContentSnapshot.objects.get().compiled
        links = TrackedContent.objects.get().links
    assert CompiledEmail.from_dict(frozen).subject == "Bread for {{ first_name }}"
    assert frozen["envelope"]["from_name"] == "Ana of Bakery"
    assert frozen["envelope"]["reply_to"] == "ana@bread.example"
    assert frozen["envelope"]["campaign"] == "Bread 2026"
    tags = "utm_source=bread.example&utm_medium=email&utm_campaign=bread-2026"
    assert [link["url"] for link in links] == [
        f"https://shop.example.org/rye?{tags}",
        f"https://shop.example.org/spelt?size=2&{tags}",
    ]
    assert launched.email.subject == "Bread for {{ first_name }}"


def test_without_utm_tags_links_stay_as_written(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    change(cast, email, add_utm=False)
    launch(cast, email, now=now)
    with tenant(cast.bakery.pk):
        assert TrackedContent.objects.get().links[0]["url"] == "https://shop.example.org/rye"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"body": "<mjml><mj-body>\n<mj-section>\n</mj-body></mjml>"}, "Body: Line 2: <mj-section> is never closed."),
        ({"body": "<mjml><mj-body>{% if %}</mj-body></mjml>"}, "Body: Line 1: Liquid"),
        ({"subject": "Hello {{ firstname }}"}, "Subject: Line 1: There is no variable “firstname”"),
        ({"subject": "   "}, "Subject: The subject is empty."),
        ({"body": ""}, "Body: The email has no content."),
        ({"text": "{% for x in y %}"}, "Plain text: "),
        ({"topic": None}, "Choose a topic: marketing goes to the people who subscribed to one."),
        ({"kind": "exit_screen"}, "An exit-screen email answers somebody who took part"),
    ],
)
def test_what_has_to_be_put_right_is_said_in_the_persons_words(
    cast: Cast, email: Email, subscriber: MakePerson, fields: dict[str, Any], problem: str, now: datetime
) -> None:
    subscriber("sue")
    change(cast, email, **fields)
    (only,) = refusal(cast, email, now=now)
    assert only.startswith(problem)


def test_every_problem_is_named_at_once(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    subscriber("sue")
    change(cast, email, subject="{{ nobody }}", body="<mjml></mj-body>", topic=None)
    problems = refusal(cast, email, now=now)
    assert len(problems) == 4
    assert "nobody" in problems[0]
    assert "topic" in problems[-1]


def test_with_nobody_to_send_to_nothing_is_sent(cast: Cast, email: Email, now: datetime) -> None:
    (problem,) = refusal(cast, email, now=now)
    assert "nobody whose address accepts mail is subscribed to “Weekly news”" in problem


def test_an_exit_screen_email_waits_for_somebody_who_takes_part(cast: Cast, campaign: Campaign, now: datetime) -> None:
    email = make_email(cast.bakery, campaign, kind="exit_screen", purpose="transactional", now=now)
    (problem,) = refusal(cast, email, now=now)
    assert "nobody has taken part" in problem


def test_an_exit_screen_email_goes_once_to_each_entry(
    cast: Cast, campaign: Campaign, player: MakePerson, now: datetime
) -> None:
    email = make_email(cast.bakery, campaign, kind="exit_screen", purpose="transactional", now=now)
    player("paul")
    assert recipients(cast, launch(cast, email, now=now)) == {"Paul"}
    player("pia")
    assert recipients(cast, launch(cast, email, now=later(now, hours=1))) == {"Pia"}


def test_a_newsletter_that_is_sent_again_goes_to_everybody_again(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    launch(cast, email, now=now)
    assert recipients(cast, launch(cast, email, now=later(now, days=1))) == {"Sue"}


def test_the_topic_must_be_one_of_the_campaigns_website(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    other = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, name="Other", now=now))
    change(cast, email, topic=other)
    assert refusal(cast, email, now=now) == ["The topic belongs to another website than the campaign."]


def test_archived_emails_and_campaigns_are_not_sent(
    cast: Cast, email: Email, campaign: Campaign, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    change(cast, campaign, archived_at=now)
    assert refusal(cast, email, now=now) == ["The campaign is archived. Bring it back first."]
    change(cast, email, archived_at=now)
    assert refusal(cast, email, now=now) == ["The email is archived. Bring it back first."]


def test_a_website_without_sender_and_an_organization_without_address_cannot_send(
    cast: Cast, email: Email, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    change(cast, topic.website, sender_email="")
    with tenant(cast.bakery.pk):
        Organization.objects.filter(pk=cast.bakery.pk).update(legal_address=" ")
        cast.bakery.refresh_from_db()
    problems = refusal(cast, email, now=now)
    assert [problem.split(",")[0].split(".")[0] for problem in problems] == [
        "The website has no sender address",
        "Your organization has no postal address",
    ]


def test_a_reminder_keeps_to_the_dates_of_its_campaign(
    cast: Cast, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    campaign = make_campaign(
        cast.bakery, topic.website, opens_at=later(now, days=1), closes_at=later(now, days=2), now=now
    )
    email = make_email(cast.bakery, campaign, topic, kind="reminder", now=now)
    assert "not open" in refusal(cast, email, now=now)[0]
    assert "closed" in refusal(cast, email, now=now, not_before=later(now, days=2))[0]


def test_a_button_pressed_twice_sends_once(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    subscriber("sue")
    launch(cast, email, launches_seen=0, now=now)
    with pytest.raises(LaunchRefused, match="It was sent in the meantime, by Max at 10:00"):
        launch(cast, email, launches_seen=0, now=now)
    with tenant(cast.bakery.pk):
        assert Launch.objects.count() == 1


def test_a_strangers_email_cannot_be_sent(cast: Cast, email: Email, now: datetime) -> None:
    with tenant(cast.cinema.pk), pytest.raises(Email.DoesNotExist):
        launch_email(cast.cinema, email, author=cast.cleo, now=now)


# --- At a time --------------------------------------------------------------------------------------------------------


def test_a_planned_launch_takes_its_audience_when_it_starts(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts_at = later(now, hours=1)
    launched = launch(cast, email, not_before=starts_at, now=now)
    assert recipients(cast, launched) == set()
    subscriber("late")
    monkeypatch.setattr("django.utils.timezone.now", lambda: later(now, minutes=59))
    assert expand_due_launches() == 0
    monkeypatch.setattr("django.utils.timezone.now", lambda: starts_at)
    assert expand_due_launches() == 1
    assert recipients(cast, launched) == {"Late"}
    subscriber("later")
    assert expand_due_launches() == 0
    assert recipients(cast, launched) == {"Late"}


def test_expanding_again_adds_nobody(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    subscriber("sue")
    launched = launch(cast, email, now=now)
    subscriber("sam")
    with tenant(cast.bakery.pk):
        assert expand_audience(cast.bakery, launched, now=now) == 0
        # A crash between the messages and the mark: the messages that stand are not doubled.
        Mailing.objects.update(expanded_at=None)
        assert expand_audience(cast.bakery, launched, now=now) == 1
    assert recipients(cast, launched) == {"Sue", "Sam"}


def test_a_planned_launch_that_is_paused_or_cancelled_does_not_start(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber("sue")
    paused = launch(cast, email, not_before=later(now, hours=1), now=now)
    cancelled = launch(cast, email, not_before=later(now, hours=1), now=now)
    pause_mailing(cast.bakery, paused.mailing, now=now)
    cancel_mailing(cast.bakery, cancelled.mailing, now=now)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later(now, hours=2))
    assert expand_due_launches() == 0
    resume_mailing(cast.bakery, paused.mailing, now=later(now, hours=2))
    assert expand_due_launches() == 1
    assert recipients(cast, paused) == {"Sue"}
    assert recipients(cast, cancelled) == set()
