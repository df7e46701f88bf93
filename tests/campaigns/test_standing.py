"""Exit-screen emails that are sent when somebody takes part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from campaigns.models import Campaign, Email, EmailKind, Launch
from campaigns.services import LaunchRefused, archive_email, launch_email, save_email
from campaigns.standing import launch_standing, send_standing
from common.tenancy import tenant
from delivery.models import MailingState, Message, MessageStatus, Purpose
from delivery.sending import send_mailing
from delivery.services import cancel_mailing, pause_mailing, resume_mailing
from tests.campaigns.world import MakePerson, make_email
from tests.support.cast import Cast
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def exit_email(cast: Cast, campaign: Campaign, now: datetime) -> Email:
    return make_email(cast.bakery, campaign, now=now, kind=EmailKind.EXIT_SCREEN, purpose=Purpose.TRANSACTIONAL)


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        yield running


def launch(cast: Cast, email: Email, now: datetime) -> Launch:
    return launch_standing(cast.bakery, email, author=cast.max, now=now)


def send(cast: Cast, started: Launch, moment: datetime) -> None:
    send_mailing(cast.bakery.pk, started.mailing_id, clock=lambda: moment)


def test_each_person_gets_it_once_when_they_take_part(
    cast: Cast, exit_email: Email, player: MakePerson, now: datetime, server: SmtpServer
) -> None:
    started = launch(cast, exit_email, now)
    first, second = player("ana"), player("bob")
    assert send_standing(cast.bakery, started, first, now=now)
    send(cast, started, now + timedelta(seconds=1))
    assert server.recipients() == ["ana@mail.example.org"]
    with tenant(cast.bakery.pk):
        started.mailing.refresh_from_db()
        assert started.mailing.state == MailingState.DONE
    assert send_standing(cast.bakery, started, second, now=now + timedelta(days=1))
    assert not send_standing(cast.bakery, started, first, now=now + timedelta(days=1))
    send(cast, started, now + timedelta(days=1))
    assert server.recipients() == ["ana@mail.example.org", "bob@mail.example.org"]


def test_a_new_version_is_not_sent_to_who_had_the_old_one(
    cast: Cast, exit_email: Email, player: MakePerson, now: datetime
) -> None:
    person, late = player("ana"), player("bob")
    send_standing(cast.bakery, launch(cast, exit_email, now), person, now=now)
    again = launch(cast, exit_email, now + timedelta(hours=1))
    assert not send_standing(cast.bakery, again, person, now=now + timedelta(hours=1))
    assert send_standing(cast.bakery, again, late, now=now + timedelta(hours=1))


def test_a_copy_that_nobody_could_take_may_be_sent_again(
    cast: Cast, exit_email: Email, player: MakePerson, now: datetime
) -> None:
    person = player("ana")
    send_standing(cast.bakery, launch(cast, exit_email, now), person, now=now)
    with tenant(cast.bakery.pk):
        Message.objects.update(status=MessageStatus.FAILED)
    assert send_standing(cast.bakery, launch(cast, exit_email, now), person, now=now)


def test_sending_it_by_hand_leaves_out_who_got_it(
    cast: Cast, exit_email: Email, player: MakePerson, now: datetime
) -> None:
    started = launch(cast, exit_email, now)
    send_standing(cast.bakery, started, player("ana"), now=now)
    player("bob")
    with tenant(cast.bakery.pk):
        by_hand = launch_email(cast.bakery, exit_email, author=cast.max, now=now)
        messages = Message.objects.filter(mailing=by_hand.mailing).select_related("participant")
        assert [message.participant.email for message in messages if message.participant] == ["bob@mail.example.org"]


def test_it_can_be_paused_and_stopped(
    cast: Cast, exit_email: Email, player: MakePerson, now: datetime, server: SmtpServer
) -> None:
    started = launch(cast, exit_email, now)
    send_standing(cast.bakery, started, player("ana"), now=now)
    pause_mailing(cast.bakery, started.mailing, now=now)
    assert send_standing(cast.bakery, started, player("bob"), now=now)
    send(cast, started, now + timedelta(minutes=1))
    assert server.recipients() == []
    resume_mailing(cast.bakery, started.mailing, now=now)
    send(cast, started, now + timedelta(minutes=1))
    assert len(server.recipients()) == 2
    send_standing(cast.bakery, started, player("cy"), now=now)
    cancel_mailing(cast.bakery, started.mailing, now=now)
    assert not send_standing(cast.bakery, started, player("dan"), now=now)
    send(cast, started, now + timedelta(hours=1))
    assert len(server.recipients()) == 2


def test_only_exit_screen_emails_that_could_leave(cast: Cast, campaign: Campaign, email: Email, now: datetime) -> None:
    with pytest.raises(LaunchRefused, match="Only an exit-screen email"):
        launch(cast, email, now)
    broken = make_email(
        cast.bakery, campaign, now=now, kind=EmailKind.EXIT_SCREEN, purpose=Purpose.TRANSACTIONAL, body="<mjml>"
    )
    with pytest.raises(LaunchRefused):
        launch(cast, broken, now)
    with tenant(cast.bakery.pk):
        assert not Launch.objects.exists()


def test_it_waits_for_nobody_and_for_no_opening(
    cast: Cast, exit_email: Email, campaign: Campaign, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        Campaign.objects.update(opens_at=now + timedelta(days=3))
    assert launch(cast, exit_email, now).pk


def test_what_is_edited_later_changes_nothing_that_was_launched(
    cast: Cast, exit_email: Email, player: MakePerson, now: datetime, server: SmtpServer
) -> None:
    started = launch(cast, exit_email, now)
    with tenant(cast.bakery.pk):
        exit_email.subject = "Something else"
        save_email(cast.bakery, exit_email, now=now)
        archive_email(cast.bakery, exit_email, now=now)
    send_standing(cast.bakery, started, player("ana"), now=now)
    send(cast, started, now)
    assert server.messages()[0].message["Subject"] == "Bread for Ana"
