"""From a participation page to an outside sender: it gets the email with what the person said, and hears of changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import EmailKind
from common.keys import encode_key
from common.tenancy import tenant
from consent.models import PreferenceKey
from delivery.connection_models import Connection, WebsiteConnection
from delivery.connections import built_in, seal_secrets
from delivery.models import CaughtMessage, Message, Purpose
from delivery.tasks import send_mailing, tell_outside_senders
from intake.models import FieldKind
from privacy.services.erasure import erase_participant
from tests.campaigns.world import make_email
from tests.intake.forms_world import FormWorld, make_form_world
from tests.support.cast import Cast
from tests.support.outside import JsonEndpoint, OutsideServer
from tests.support.world import loosen
from websites.models import Website

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(settings) -> Iterator[OutsideServer]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://pli.example"
    with OutsideServer(JsonEndpoint()) as running:
        yield running
        assert running.problems == []


@pytest.fixture
def world(cast: Cast, server: OutsideServer) -> FormWorld:
    """A quiz on a website By consent, whose exit-screen email somebody else sends."""
    made = make_form_world(cast, timezone.now() - timedelta(hours=1))
    with tenant(cast.bakery.pk):
        website = Website.objects.get(pk=made.website.pk)
        loosen(cast.bakery, website, now=timezone.now(), email_tracking="by_consent")
        sender = Connection(organization=cast.bakery, name="Outside", kind="push", options={"push_url": server.url})
        seal_secrets(sender, {"push_secret": JsonEndpoint().secret})
        sender.save()
        WebsiteConnection.objects.create(
            organization=cast.bakery, website=website, connection=built_in(cast.bakery), outside=sender
        )
    email = make_email(
        cast.bakery, made.campaign, now=timezone.now(), kind=EmailKind.EXIT_SCREEN, purpose=Purpose.TRANSACTIONAL,
        subject="Your result",
    )  # fmt: skip
    made.set_page(exit_email=email)
    return made


def hand_over(world: FormWorld) -> None:
    launch = world.reload().exit_launch
    assert launch is not None
    send_mailing(organization_id=world.organization.pk, mailing_id=launch.mailing_id)


def said_of(server: OutsideServer, email: str) -> list[tuple[str, bool]]:
    bodies = [body for body in server.taken if body["person"]["email"] == email]
    return [(body["event"], body["tracking"]["allowed"]) for body in bodies]


def preferences_of(world: FormWorld, email: str) -> str:
    with tenant(world.organization.pk):
        key = PreferenceKey.objects.get(participant__email_norm=email, scope=world.website.consent_scope).key
    return f"/p/{encode_key(key)}"


def test_who_takes_part_is_handed_over_with_what_they_said(world: FormWorld, server: OutsideServer) -> None:
    for name, answer in (("yes", {"tracking": "yes"}), ("no", {"tracking": "no"}), ("silent", {})):
        assert world.send(f"{name}@home.example", **answer).status_code == 200
    hand_over(world)
    assert said_of(server, "yes@home.example") == [("message", True)]
    assert said_of(server, "no@home.example") == [("message", False)]
    assert said_of(server, "silent@home.example") == [("message", False)]
    assert {body["message"]["subject"] for body in server.taken} == {"Your result"}
    with tenant(world.organization.pk):
        assert set(Message.objects.values_list("status", "opens", "opens_reason")) == {("sent", "none", "sent_outside")}
        assert not CaughtMessage.objects.exists()
    launch = world.reload().exit_launch
    client = Client()
    client.force_login(world.cast.ana)
    report = client.get(reverse("admin:campaigns_launch_change", args=[launch.pk]), follow=True).content.decode()
    assert "3 copies were handed over to an outside sender" in report


def test_a_withdrawal_on_the_preference_page_reaches_it(world: FormWorld, server: OutsideServer) -> None:
    world.send("lea@home.example", tracking="yes")
    hand_over(world)
    address = preferences_of(world, "lea@home.example")
    page = Client().get(address)
    assert page.status_code == 200
    answered = Client().post(address, {"do": "choices", "both": "no"})
    assert answered.status_code < 400
    assert world.choice("lea@home.example") == ("no", "no")
    tell_outside_senders()
    assert said_of(server, "lea@home.example") == [("message", True), ("person", False)]


def test_unsubscribing_from_a_topic_reaches_it(world: FormWorld, server: OutsideServer) -> None:
    asked = world.add(FieldKind.TOPIC)
    world.send("lea@home.example", **{f"q{asked.pk}": "yes"})
    subscription = world.subscription("lea@home.example")
    assert subscription is not None
    hand_over(world)
    before = server.taken[-1]["subscriptions"]
    assert [row["active"] for row in before] == [True]
    address = server.taken[-1]["message"]["preferences_url"].removeprefix("https://pli.example")
    assert Client().post(address, {"do": "leave"}).status_code < 400
    tell_outside_senders()
    assert server.taken[-1]["event"] == "person"
    assert [row["active"] for row in server.taken[-1]["subscriptions"]] == [False]


def test_d2_an_erasure_reaches_it(world: FormWorld, server: OutsideServer) -> None:
    world.send("lea@home.example", tracking="yes")
    hand_over(world)
    person = world.person("lea@home.example")
    assert person is not None
    erase_participant(world.organization, person, actor=world.cast.ana, reason="asked", now=timezone.now())
    tell_outside_senders()
    assert said_of(server, "lea@home.example") == [("message", True), ("person", False)]
    assert server.taken[-1]["erased"] is True
