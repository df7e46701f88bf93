"""From a participation page to its exit-screen email: what is measured follows what the person said there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import Email, EmailKind
from common.keys import encode_key
from common.tenancy import tenant
from delivery.models import Message, Purpose
from delivery.sending import send_mailing
from delivery.service_mail import send_service_messages
from intake.form_editing import renew_exit_email
from intake.models import Confirmation
from tests.campaigns.world import make_email
from tests.intake.forms_world import FormWorld, make_form_world
from tests.support.cast import Cast
from tests.support.smtp import Received, SmtpServer
from tests.support.world import loosen
from websites.models import Website

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


@pytest.fixture
def world(cast: Cast) -> FormWorld:
    """A quiz on a website By consent, whose exit-screen email goes to everybody who takes part."""
    made = make_form_world(cast, timezone.now() - timedelta(hours=1))
    with tenant(cast.bakery.pk):
        website = Website.objects.get(pk=made.website.pk)
        loosen(cast.bakery, website, now=timezone.now(), email_tracking="by_consent")
    email = make_email(
        cast.bakery, made.campaign, now=timezone.now(), kind=EmailKind.EXIT_SCREEN, purpose=Purpose.TRANSACTIONAL,
        subject="Your result",
    )  # fmt: skip
    made.set_page(exit_email=email)
    return made


def sent(world: FormWorld, server: SmtpServer) -> dict[str, Received]:
    launch = world.reload().exit_launch
    assert launch is not None
    send_mailing(world.organization.pk, launch.mailing_id)
    return {received.rcpt_to.partition("@")[0]: received for received in server.messages()}


def test_the_exit_screen_email_is_measured_only_for_who_said_yes_on_the_form(
    world: FormWorld, server: SmtpServer
) -> None:
    for name, answer in (("yes", {"tracking": "yes"}), ("no", {"tracking": "no"}), ("silent", {})):
        assert world.send(f"{name}@home.example", **answer).status_code == 200
    got = sent(world, server)
    assert set(got) == {"yes", "no", "silent"}
    assert {received.message["Subject"] for received in got.values()} == {"Your result"}
    assert "https://pli.example/o/" in got["yes"].html
    assert "https://pli.example/c/" in got["yes"].html
    for name in ("no", "silent"):
        assert "/o/" not in got[name].html
        assert "/c/" not in got[name].html
    with tenant(world.organization.pk):
        reasons = dict(Message.objects.values_list("participant__email", "opens_reason"))
    assert reasons == {
        "yes@home.example": "person_said_yes",
        "no@home.example": "person_said_no",
        "silent@home.example": "no_answer",
    }


def test_with_double_opt_in_the_first_copy_is_not_measured_and_the_next_one_is(
    world: FormWorld, server: SmtpServer
) -> None:
    world.set_page(double_opt_in=True)
    world.send("lea@home.example", tracking="yes")
    assert "/o/" not in sent(world, server)["lea"].html
    with tenant(world.organization.pk):
        key = Confirmation.objects.get().key
    send_service_messages(world.organization.pk)
    assert Client().post(f"/d/{encode_key(key)}").status_code == 200
    assert world.choice("lea@home.example") == ("yes", "yes")


def test_taking_part_again_brings_no_second_copy(world: FormWorld, server: SmtpServer) -> None:
    world.send("lea@home.example")
    sent(world, server)
    world.send("lea@home.example")
    sent(world, server)
    assert len(server.messages()) == 1


def test_an_edited_email_is_sent_as_it_is_now_only_when_somebody_says_so(world: FormWorld, server: SmtpServer) -> None:
    with tenant(world.organization.pk):
        Email.objects.update(subject="New words", updated_at=timezone.now())
    world.send("first@home.example")
    assert sent(world, server)["first"].message["Subject"] == "Your result"
    renew_exit_email(world.organization, world.form, author=world.author, now=timezone.now())
    world.send("second@home.example")
    assert sent(world, server)["second"].message["Subject"] == "New words"


def test_who_is_not_subscribed_gets_the_exit_screen_email_and_no_marketing(
    world: FormWorld, server: SmtpServer
) -> None:
    """C1: it answers somebody who took part; nobody is subscribed by taking part."""
    world.send("lea@home.example")
    received = sent(world, server)["lea"]
    assert "List-Unsubscribe" not in received.message
    assert world.subscription("lea@home.example") is None
