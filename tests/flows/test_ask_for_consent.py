"""Asking for consent: a person is asked, does not answer, and is not asked again before the time has passed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from campaigns.asking import LeftOut, count_asking, people_to_ask
from campaigns.models import Campaign, Email, EmailKind, Launch
from campaigns.services import LaunchRefused, launch_email
from common.tenancy import tenant
from consent.models import Topic
from consent.rules import ChoiceValue, Reason, Source
from consent.services import create_scope, record_choice
from delivery.models import ConsentRequest, Message, Suppression
from delivery.sending import send_mailing
from delivery.services import pause_mailing
from participants.models import Participant
from tests.campaigns.world import make_campaign, make_email, take_part
from tests.support.cast import Cast
from tests.support.smtp import SmtpServer
from tests.support.world import choose, make_participant, make_topic, make_website, subscribe_to
from tracking.models import TrackedMessage
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

YES, NO = ChoiceValue.YES, ChoiceValue.NO
ASKS = (
    '<mjml><mj-body><mj-section><mj-column><mj-text>May we measure? <a href="{{ consent_url }}">Answer here</a>'
    "</mj-text></mj-column></mj-section></mj-body></mjml>"
)


@dataclass
class World:
    cast: Cast
    campaign: Campaign
    topic: Topic
    email: Email
    time: datetime

    def person(self, name: str) -> Participant:
        person = make_participant(self.cast.bakery, f"{name}@example.org", country="CH", now=self.time)
        take_part(self.cast.bakery, self.campaign, person, now=self.time)
        return person

    def launch(self, *, after: timedelta = timedelta(0)) -> Launch:
        self.time += after
        with tenant(self.cast.bakery.pk):
            email = Email.objects.select_related("organization", "campaign__website").get(pk=self.email.pk)
            return launch_email(self.cast.bakery, email, author=self.cast.max, now=self.time)

    def ask(self, *, after: timedelta = timedelta(0)) -> Launch:
        launch = self.launch(after=after)
        send_mailing(self.cast.bakery.pk, launch.mailing_id, clock=lambda: self.time)
        return launch

    def left_out(self) -> tuple[int, dict[LeftOut, int]]:
        with tenant(self.cast.bakery.pk):
            asking = count_asking(self.cast.bakery, self.email, now=self.time)
        return asking.asked, {one.reason: one.people for one in asking.left_out}

    def refusal(self, *, after: timedelta = timedelta(0)) -> str:
        with pytest.raises(LaunchRefused) as refused:
            self.launch(after=after)
        (problem,) = refused.value.problems
        return problem


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


@pytest.fixture
def world(cast: Cast, now: datetime) -> World:
    """A website where everybody but refusers is measured: only the email's own kind can keep it from being so."""
    website = make_website(cast.bakery, cast.ana, country="CH", tracking=EmailTracking.ALWAYS, now=now)
    campaign = make_campaign(cast.bakery, website, now=now)
    fields = {"kind": EmailKind.CONSENT_REQUEST, "purpose": "transactional", "body": ASKS, "subject": "May we?"}
    email = make_email(cast.bakery, campaign, name="Question", now=now, **fields)
    return World(cast, campaign, make_topic(cast.bakery, website), email, now + timedelta(minutes=5))


def test_c3_c4_ask_ignore_and_be_asked_too_early(world: World, server: SmtpServer) -> None:
    sue = world.person("sue")
    launch = world.ask()
    (received,) = server.messages()
    html = received.message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    (place,) = set(re.findall(r'href="https://pli\.example(/p/[^"#]+)#choice"', html))
    assert '<section class="card" id="choice"' in Client().get(place).content.decode()
    assert "/o/" not in html
    assert "/c/" not in html
    with tenant(world.cast.bakery.pk):
        copy = Message.objects.get(mailing=launch.mailing_id)
        assert (copy.opens, copy.clicks) == ("none", "none")
        assert copy.opens_reason == copy.clicks_reason == Reason.CONSENT_REQUEST
        assert not TrackedMessage.objects.exists()
        request = ConsentRequest.objects.get()
    website = world.campaign.website
    assert (request.participant_id, request.scope_id, request.message_id) == (sue.pk, website.consent_scope_id, copy.pk)
    assert request.asked_at == world.time

    problem = world.refusal(after=timedelta(days=100))
    assert "Nobody may be asked now. Of 1 people: 1: They were asked less than 6 months ago." in problem
    assert len(server.messages()) == 1
    world.ask(after=timedelta(days=83))  # six months later, to the day, and an hour
    assert len(server.messages()) == 2


def test_c4_who_is_left_out_is_counted_by_the_reason(world: World, server: SmtpServer) -> None:
    world.person("asked")
    world.ask()
    organization = world.cast.bakery
    world.person("silent")
    half = world.person("half")
    choose(organization, half, opens=YES, now=world.time)
    refused, answered, gone = world.person("refused"), world.person("answered"), world.person("gone")
    choose(organization, refused, opens=NO, now=world.time)
    choose(organization, answered, opens=YES, clicks=YES, now=world.time)
    with tenant(organization.pk):
        Suppression.objects.create(organization=organization, email_norm=gone.email_norm, reason="unsubscribed")
    assert world.left_out() == (
        2,
        {LeftOut.SUPPRESSED: 1, LeftOut.REFUSED: 1, LeftOut.ANSWERED: 1, LeftOut.ASKED: 1},
    )
    world.ask(after=timedelta(days=1))
    addresses = sorted(received.rcpt_to for received in server.messages())
    assert addresses == ["asked@example.org", "half@example.org", "silent@example.org"]


def test_c4_who_refused_or_was_asked_for_another_scope_is_left_alone_for_months(world: World) -> None:
    organization, silent = world.cast.bakery, world.person("silent")
    refused, asked = world.person("refused"), world.person("asked")
    with tenant(organization.pk):
        brand = create_scope(organization, name="Brand", author=world.cast.ana, now=world.time)
        record_choice(
            organization, refused, opens=NO, clicks=None, scope=brand, source=Source.PERSON, method="test",
            happened_at=world.time, now=world.time,
        )  # fmt: skip
        ConsentRequest.objects.create(organization=organization, participant=asked, scope=brand, asked_at=world.time)
    assert world.left_out() == (1, {LeftOut.REFUSED: 1, LeftOut.ASKED: 1})
    with tenant(organization.pk):
        assert list(people_to_ask(organization, world.email, now=world.time)) == [silent]
    world.time += timedelta(days=200)
    assert world.left_out() == (3, {})


def test_c4_an_organization_may_wait_longer_but_never_less(world: World, server: SmtpServer) -> None:
    world.person("sue")
    world.ask()
    world.cast.bakery.consent_request_months = 9
    assert "less than 9 months" in world.refusal(after=timedelta(days=200))
    with tenant(world.cast.bakery.pk):
        world.cast.bakery.consent_request_months = 5
        with pytest.raises(Exception, match="six_months_between_requests"):
            world.cast.bakery.save()


def test_c4_whoever_waits_for_a_request_is_not_asked_by_another(world: World) -> None:
    world.person("sue")
    launch = world.launch()
    with tenant(world.cast.bakery.pk):
        pause_mailing(world.cast.bakery, launch.mailing, now=world.time)
    assert world.left_out() == (0, {LeftOut.WAITING: 1})
    assert "A request to them is waiting to be sent." in world.refusal()


def test_c4_an_answer_that_comes_before_the_message_leaves_spares_the_question(
    world: World, server: SmtpServer
) -> None:
    sue, tom = world.person("sue"), world.person("tom")
    launch = world.launch()
    choose(world.cast.bakery, sue, opens=NO, clicks=NO, now=world.time)
    send_mailing(world.cast.bakery.pk, launch.mailing_id, clock=lambda: world.time)
    assert [received.rcpt_to for received in server.messages()] == ["tom@example.org"]
    with tenant(world.cast.bakery.pk):
        assert [one.participant for one in ConsentRequest.objects.all()] == [tom]


def test_with_a_topic_its_subscribers_are_asked(world: World, server: SmtpServer) -> None:
    world.person("player")
    reader = make_participant(world.cast.bakery, "reader@example.org", now=world.time)
    subscribe_to(world.cast.bakery, reader, world.topic, now=world.time)
    with tenant(world.cast.bakery.pk):
        Email.objects.filter(pk=world.email.pk).update(topic=world.topic)
    world.ask()
    assert [received.rcpt_to for received in server.messages()] == ["reader@example.org"]


def test_a_request_needs_its_link_and_is_no_marketing(world: World) -> None:
    world.person("sue")
    with tenant(world.cast.bakery.pk):
        Email.objects.update(body=ASKS.replace("{{ consent_url }}", "https://bread.example/"))
    assert "needs a link to the page where people answer" in world.refusal()
    with tenant(world.cast.bakery.pk):
        Email.objects.update(body=ASKS, purpose="marketing")
    assert "advertises nothing" in world.refusal()
