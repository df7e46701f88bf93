"""From the outbox to the mail server: who gets what, what becomes of each message, and what a crash leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from common.keys import decode_key, encode_key
from common.tenancy import tenant
from consent.models import PreferenceKey, Topic
from consent.rules import ChoiceValue
from consent.services import change_email_tracking, unsubscribe
from delivery.models import Mailing, MailingState, Message, Purpose, Suppression
from delivery.outbox import CLAIM_LEASE, SENDING_LEASE, claim_messages
from delivery.rendering import EmailSource, FooterLabels, compile_email
from delivery.rules import MOST_ATTEMPTS
from delivery.selectors import needs_sender
from delivery.sending import LARGEST_GROUP, Progress, send_mailing
from delivery.services import (
    MailingRefused,
    begin_mailing,
    cancel_mailing,
    create_mailing,
    freeze_content,
    pause_mailing,
    resume_mailing,
    suppress,
)
from delivery.tasks import send_due_mailings
from delivery.tasks import send_mailing as send_task
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.gate import Gate
from tests.support.smtp import Received, SmtpServer
from tests.support.wait import wait_until
from tests.support.world import choose, make_participant, make_topic, make_website
from tracking.models import TrackedMessage
from websites.models import Website
from websites.rules import EmailTracking

across_processes = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

HTML = """<html><body><p>Bonjour {{ first_name | default: "vous" }},</p>
<a href="https://bread.example/rye?a=1&amp;b=2">Rye</a> <a href="https://bread.example/boule">Boule</a>
<img src="https://bread.example/hero.png" alt="Bread"></body></html>"""


@dataclass
class World:
    """A website of Bakery with a topic, and a clock that tests turn."""

    cast: Cast
    website: Website
    topic: Topic
    time: datetime

    def clock(self) -> datetime:
        return self.time

    def person(self, name: str, *, choice: ChoiceValue | None = None, **fields: str) -> Participant:
        organization = self.cast.bakery
        fields = {"country": "BE", "first_name": name.title(), **fields}
        person = make_participant(organization, f"{name}@example.org", now=self.time, **fields)
        subscribe_all(self, [person])
        if choice is not None:
            choose(organization, person, now=self.time, opens=choice, clicks=choice)
        return person

    def mailing(
        self, people: list[Participant], *, html: str = HTML, purpose: Purpose = Purpose.MARKETING, topic: bool = True
    ) -> Mailing:
        """A mailing that is due now, to these people."""
        organization = self.cast.bakery
        labels = FooterLabels(unsubscribe="Unsubscribe", preferences="Your choice about measuring")
        source = EmailSource(
            subject="Le pain de {{ first_name }}",
            body=html,
            body_format="html",
            labels=labels,
            marketing=purpose == Purpose.MARKETING,
        )
        with tenant(organization.pk):
            snapshot = freeze_content(
                organization,
                self.website,
                compiled=compile_email(source),
                purpose=purpose,
                now=self.time,
                sender_name="Le fournil",
                reply_to="reply@bread.example",
            )
            mailing = create_mailing(
                organization,
                snapshot,
                topic=self.topic if topic else None,
                purpose=purpose,
                not_before=self.time,
                now=self.time,
            )
            Message.objects.bulk_create(
                [Message(organization=organization, mailing=mailing, participant=person) for person in people]
            )
            Mailing.objects.filter(pk=mailing.pk).update(expanded_at=self.time)
        return mailing

    def send(self, mailing: Mailing, **later: float) -> Progress:
        self.time += timedelta(**later)
        return send_mailing(self.cast.bakery.pk, mailing.pk, clock=self.clock)

    def rows(self, mailing: Mailing) -> dict[str, Message]:
        """The messages by the name before the @."""
        with tenant(self.cast.bakery.pk):
            messages = Message.objects.filter(mailing=mailing).select_related("participant", "tracked_message")
            return {row.participant.email.partition("@")[0]: row for row in messages}

    def statuses(self, mailing: Mailing) -> dict[str, str]:
        return {name: row.status for name, row in self.rows(mailing).items()}

    def state(self, mailing: Mailing) -> Mailing:
        with tenant(self.cast.bakery.pk):
            return Mailing.objects.get(pk=mailing.pk)

    def tracked(self) -> int:
        with tenant(self.cast.bakery.pk):
            return TrackedMessage.objects.count()


def subscribe_all(world: World, people: list[Participant]) -> None:
    with tenant(world.cast.bakery.pk), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO consent_subscription (organization_id, participant_id, topic_id, basis, source, wording,"
            " subscribed_at) SELECT %s, unnest(%s::bigint[]), %s, 'opt_in', 'test', '', %s",
            [world.cast.bakery.pk, [person.pk for person in people], world.topic.pk, world.time],
        )


def make_world(cast: Cast, moment: datetime) -> World:
    website = make_website(cast.bakery, cast.ana, now=moment, tracking=EmailTracking.BY_CONSENT)
    return World(cast, website, make_topic(cast.bakery, website), moment + timedelta(minutes=1))


@pytest.fixture
def world(cast: Cast, now: datetime) -> World:
    return make_world(cast, now)


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


def by_name(server: SmtpServer) -> dict[str, Received]:
    return {received.rcpt_to.partition("@")[0]: received for received in server.messages()}


# --- What recipients get ----------------------------------------------------------------------------------------------


def test_who_said_yes_gets_a_pixel_and_signed_links_and_nobody_else_does(world: World, server: SmtpServer) -> None:
    """S1, S2: a person who is not measured gets a copy without any address of ours but the two links they need."""
    people = [
        world.person("yes", choice=ChoiceValue.YES),
        world.person("no", choice=ChoiceValue.NO),
        world.person("silent"),
    ]
    mailing = world.mailing(people)
    world.send(mailing, minutes=1)
    got = by_name(server)
    assert set(got) == {"yes", "no", "silent"}
    assert got["yes"].html.count("https://pli.example/o/") == 1
    assert got["yes"].html.count("https://pli.example/c/") == 2
    for name in ("no", "silent"):
        assert "/o/" not in got[name].html
        assert "/c/" not in got[name].html
        assert 'href="https://bread.example/rye?a=1&amp;b=2"' in got[name].html
        assert got[name].html.count("https://pli.example/") == 2
    rows = world.rows(mailing)
    assert got["yes"].html.count(encode_key(rows["yes"].tracked_message.key)) == 3
    assert rows["no"].tracked_message is rows["silent"].tracked_message is None


def test_opens_and_clicks_are_measured_apart(world: World, server: SmtpServer) -> None:
    """S3: a yes to clicks alone brings tracked links and no pixel."""
    person = world.person("clicks")
    choose(world.cast.bakery, person, now=world.time, clicks=ChoiceValue.YES, opens=ChoiceValue.NO)
    world.send(world.mailing([person]), minutes=1)
    html = by_name(server)["clicks"].html
    assert "/c/" in html
    assert "/o/" not in html


def test_the_decision_is_frozen_with_the_copy(world: World, server: SmtpServer) -> None:
    """S12: levels, reasons and the version of the setting."""
    mailing = world.mailing([world.person("yes", choice=ChoiceValue.YES), world.person("silent")])
    world.send(mailing, minutes=1)
    rows = world.rows(mailing)
    assert (rows["yes"].opens, rows["yes"].clicks) == ("individual", "individual")
    assert rows["yes"].opens_reason == "person_said_yes"
    assert rows["silent"].clicks_reason == "no_answer"
    assert rows["silent"].tracking_version_id is not None
    assert rows["yes"].decided_at == world.time
    assert rows["yes"].sent_at == world.time
    assert rows["yes"].tracked_message.decided_at == rows["yes"].decided_at


def test_headers_carry_what_mailbox_providers_ask_for(world: World, server: SmtpServer) -> None:
    """D1: List-Unsubscribe and one-click on marketing; envelope and Message-ID name the message and no person."""
    mailing = world.mailing([world.person("léa"[:1] + "ea", last_name="Müller")])
    world.send(mailing, minutes=1)
    received = by_name(server)["lea"]
    row = world.rows(mailing)["lea"]
    message = received.message
    unsubscribe_url = f"https://pli.example/u/{encode_key(row.unsubscribe_key)}"
    assert message["List-Unsubscribe"] == f"<{unsubscribe_url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Message-ID"] == f"<{row.reference.hex}@bread.example>"
    assert received.mail_from == f"bounce+{row.reference.hex}@bread.example"
    assert message["From"] == "Le fournil <news@bread.example>"
    assert message["To"] == "Lea Müller <lea@example.org>"
    assert message["Reply-To"] == "reply@bread.example"
    assert message["Subject"] == "Le pain de Lea"
    assert "lea" not in message["Feedback-ID"]
    assert unsubscribe_url in received.html
    assert unsubscribe_url in received.text


def test_preference_and_unsubscribe_links_have_keys_of_their_own(world: World, server: SmtpServer) -> None:
    """H3: one key opens one thing."""
    mailing = world.mailing([world.person("yes", choice=ChoiceValue.YES)])
    world.send(mailing, minutes=1)
    row = world.rows(mailing)["yes"]
    with tenant(world.cast.bakery.pk):
        preferences = PreferenceKey.objects.get().key
    assert len({preferences, row.unsubscribe_key, row.tracked_message.key, row.reference}) == 4
    assert f"https://pli.example/p/{encode_key(preferences)}" in by_name(server)["yes"].html


def test_transactional_mail_offers_no_unsubscribing_and_goes_to_who_unsubscribed(
    world: World, server: SmtpServer
) -> None:
    person = world.person("lea")
    suppress(world.cast.bakery, person.email_norm, reason="unsubscribed", source="test", now=world.time)
    world.send(world.mailing([person], purpose=Purpose.TRANSACTIONAL, topic=False), minutes=1)
    received = by_name(server)["lea"]
    assert received.message["List-Unsubscribe"] is None
    assert "/u/" not in received.html


def test_links_and_pixel_of_a_website_with_a_tracking_domain_point_there(world: World, server: SmtpServer) -> None:
    with tenant(world.cast.bakery.pk):
        Website.objects.update(tracking_domain="click.bread.example")
    world.send(world.mailing([world.person("yes", choice=ChoiceValue.YES)]), minutes=1)
    html = by_name(server)["yes"].html
    assert html.count("https://click.bread.example/c/") == 2
    assert html.count("https://click.bread.example/o/") == 1


def test_a_strange_name_or_address_harms_nobody_else(world: World, server: SmtpServer) -> None:
    odd = world.person("odd", first_name="A\r\nBcc: x@evil.example", last_name='"<>\x07,')
    broken = world.person("broken")
    with tenant(world.cast.bakery.pk):
        Participant.objects.filter(pk=broken.pk).update(email="a b@example.org\r\nDATA")
    mailing = world.mailing([odd, broken, world.person("fine")])
    world.send(mailing, minutes=1)
    assert Counter(row.status for row in world.rows(mailing).values()) == {"sent": 2, "failed": 1}
    assert by_name(server)["odd"].message["Bcc"] is None
    assert len(server.messages()) == 2


# --- Who gets nothing -------------------------------------------------------------------------------------------------


def test_who_unsubscribed_since_the_launch_gets_no_marketing(world: World, server: SmtpServer) -> None:
    people = {name: world.person(name) for name in ("left", "asked", "complained", "bounced", "stays")}
    mailing = world.mailing(list(people.values()))
    with tenant(world.cast.bakery.pk):
        unsubscribe(world.cast.bakery, people["left"], world.topic, now=world.time)
    for name, reason in (("asked", "unsubscribed"), ("complained", "complained"), ("bounced", "bounced")):
        suppress(world.cast.bakery, people[name].email_norm, reason=reason, source="test", now=world.time)
    world.send(mailing, minutes=1)
    assert server.recipients() == ["stays@example.org"]
    assert Counter(world.statuses(mailing).values()) == {"suppressed": 4, "sent": 1}


def test_suppressing_twice_is_one_row(world: World) -> None:
    first = suppress(world.cast.bakery, "x@example.org", reason="bounced", source="a", now=world.time)
    again = suppress(world.cast.bakery, "x@example.org", reason="bounced", source="b", now=world.time)
    assert (first, again) == (True, False)
    with tenant(world.cast.bakery.pk):
        assert Suppression.objects.get().source == "a"


def test_the_current_state_decides_for_messages_that_waited(world: World, server: SmtpServer) -> None:
    """Never, set between launch and sending, reaches what had not left."""
    organization, author = world.cast.bakery, world.cast.ana
    mailing = world.mailing([world.person("yes", choice=ChoiceValue.YES)])
    with tenant(organization.pk):
        change_email_tracking(
            organization, world.website, tracking=EmailTracking.NEVER, author=author, reason="", now=world.time
        )
    world.send(mailing, minutes=1)
    assert "/o/" not in by_name(server)["yes"].html
    assert world.rows(mailing)["yes"].opens_reason == "website_never_tracks"
    assert world.tracked() == 0


def test_a_no_between_decision_and_departure_counts(world: World, server: SmtpServer) -> None:
    """S1: what a person said a moment ago counts for what leaves now."""
    person = world.person("lea", choice=ChoiceValue.YES)
    mailing = world.mailing([person])
    turns: list[datetime] = []

    def clock() -> datetime:
        # The moments of a run: beginning, due, claim, writing, departure. At the last one the person has just said no.
        turns.append(world.time)
        if len(turns) == 5:
            choose(world.cast.bakery, person, now=world.time, opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
        return world.time

    send_mailing(world.cast.bakery.pk, mailing.pk, clock=clock)
    assert len(turns) > 5
    html = by_name(server)["lea"].html
    assert "/o/" not in html
    assert "/c/" not in html
    assert world.rows(mailing)["lea"].opens_reason == "person_said_no"
    assert world.tracked() == 0


# --- What becomes of a message ----------------------------------------------------------------------------------------


def test_a_mailing_is_done_when_all_its_messages_are(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person(f"p{number}") for number in range(25)])
    progress = world.send(mailing, minutes=1)
    assert progress.counts == {"sent": 25}
    assert not progress.more_due
    done = world.state(mailing)
    assert (done.state, done.finished_at) == (MailingState.DONE, world.time)
    world.send(mailing, hours=1)
    assert len(server.messages()) == 25


def test_a_refused_recipient_ends_as_failed_with_the_servers_words(world: World, server: SmtpServer) -> None:
    server.behave(refuse={"b@example.org": "550 5.1.1 No such user"})
    mailing = world.mailing([world.person("a"), world.person("b", choice=ChoiceValue.YES), world.person("c")])
    world.send(mailing, minutes=1)
    assert world.statuses(mailing) == {"a": "sent", "b": "failed", "c": "sent"}
    assert world.rows(mailing)["b"].error == "550 5.1.1 No such user"
    assert world.state(mailing).state == MailingState.DONE
    # What nobody received cannot be measured.
    assert world.tracked() == 0


def test_a_temporary_failure_waits_and_is_tried_again(world: World, server: SmtpServer) -> None:
    server.behave(refuse={"a@example.org": "451 4.7.1 Greylisted"})
    mailing = world.mailing([world.person("a", choice=ChoiceValue.YES), world.person("b")])
    world.send(mailing, minutes=1)
    row = world.rows(mailing)["a"]
    assert (row.status, row.attempts, row.error) == ("queued", 1, "451 4.7.1 Greylisted")
    assert row.due_at > world.time
    assert world.state(mailing).state == MailingState.SENDING
    server.behave()
    world.send(mailing, seconds=10)
    assert server.recipients() == ["b@example.org"]
    world.send(mailing, minutes=2)
    assert server.recipients() == ["b@example.org", "a@example.org"]
    assert world.state(mailing).state == MailingState.DONE
    # The copy that was tried again has one key, and the first one leads to nobody.
    assert world.tracked() == 1
    assert encode_key(world.rows(mailing)["a"].tracked_message.key) in by_name(server)["a"].html


def test_a_message_is_not_tried_for_ever(world: World, server: SmtpServer) -> None:
    server.behave(refuse={"a@example.org": "451 Later"})
    mailing = world.mailing([world.person("a")])
    for _attempt in range(MOST_ATTEMPTS):
        world.send(mailing, hours=6)
    assert world.statuses(mailing) == {"a": "failed"}
    assert world.state(mailing).state == MailingState.DONE


def test_a_message_whose_answer_is_lost_may_have_been_sent_and_is_not_sent_again(
    world: World, server: SmtpServer
) -> None:
    server.behave(hang_up_after=["a@example.org"])
    people = [world.person(name) for name in "abcdef"]
    mailing = world.mailing(people)
    world.send(mailing, minutes=1)
    world.send(mailing, hours=1)
    assert world.statuses(mailing) == {"a": "unknown"} | dict.fromkeys("bcdef", "sent")
    assert Counter(server.recipients()) == Counter(person.email for person in people)
    assert world.state(mailing).state == MailingState.DONE


def test_a_server_that_hangs_up_at_one_recipient_keeps_nobody_else_waiting(world: World, server: SmtpServer) -> None:
    server.behave(hang_up_at_rcpt=["a@example.org"])
    mailing = world.mailing([world.person(name) for name in "abcdef"])
    world.send(mailing, minutes=1)
    assert world.statuses(mailing) == {"a": "queued"} | dict.fromkeys("bcdef", "sent")
    assert world.rows(mailing)["a"].attempts == 1


def test_a_refused_sender_pauses_the_mailing_and_loses_nobody(world: World, server: SmtpServer) -> None:
    server.behave(refuse_sender="550 5.7.1 Sender not allowed")
    mailing = world.mailing([world.person(name) for name in "abc"])
    world.send(mailing, minutes=1)
    paused = world.state(mailing)
    assert (paused.state, paused.pause_reason) == (MailingState.PAUSED, "550 5.7.1 Sender not allowed")
    assert set(world.statuses(mailing).values()) == {"queued"}
    server.behave()
    resume_mailing(world.cast.bakery, mailing, now=world.time)
    world.send(mailing, minutes=1)
    assert set(world.statuses(mailing).values()) == {"sent"}


def test_while_the_server_is_away_everything_waits_and_the_reason_is_shown(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person(name) for name in "abc"])
    server.kill()
    world.send(mailing, minutes=1)
    waiting = world.state(mailing)
    assert waiting.state == MailingState.SENDING
    assert "refused" in waiting.pause_reason
    assert set(world.statuses(mailing).values()) == {"queued"}
    server.start()
    world.send(mailing, minutes=1)
    assert world.state(mailing).state == MailingState.DONE
    assert world.state(mailing).pause_reason == ""
    assert len(server.messages()) == 3


def test_without_any_mail_server_the_mailing_is_paused_and_says_what_to_set(world: World, settings) -> None:
    settings.SMTP_URL, settings.MAILBOX_PORT = "", 0
    mailing = world.mailing([world.person("a")])
    world.send(mailing, minutes=1)
    assert "PLI_SMTP_URL" in world.state(mailing).pause_reason


# --- Pause, resume, cancel --------------------------------------------------------------------------------------------


def test_a_paused_mailing_sends_nothing_until_it_is_resumed(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person("a")])
    pause_mailing(world.cast.bakery, mailing, now=world.time)
    world.send(mailing, minutes=1)
    assert server.messages() == []
    resume_mailing(world.cast.bakery, mailing, now=world.time)
    world.send(mailing, minutes=1)
    assert len(server.messages()) == 1


def test_a_cancelled_mailing_ends_what_has_not_left(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person("a", choice=ChoiceValue.YES), world.person("b")])
    begin_mailing(world.cast.bakery.pk, mailing.pk, now=world.time)
    with tenant(world.cast.bakery.pk):
        loaded = Mailing.objects.select_related("organization", "website", "snapshot").get(pk=mailing.pk)
    assert len(claim_messages(loaded, after=0, limit=1, now=world.time).messages) == 1
    assert world.tracked() == 1
    assert cancel_mailing(world.cast.bakery, mailing, now=world.time) == 2
    assert set(world.statuses(mailing).values()) == {"cancelled"}
    assert world.tracked() == 0
    world.send(mailing, hours=1)
    assert server.messages() == []


@pytest.mark.parametrize("act", [pause_mailing, cancel_mailing, resume_mailing])
def test_what_has_been_sent_cannot_be_taken_back(world: World, server: SmtpServer, act: Callable[..., object]) -> None:
    mailing = world.mailing([world.person("a")])
    world.send(mailing, minutes=1)
    with pytest.raises(MailingRefused, match="sent already"):
        act(world.cast.bakery, mailing, now=world.time)


def test_a_mailing_waits_for_its_time_and_for_its_audience(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person("a")])
    with tenant(world.cast.bakery.pk):
        Mailing.objects.update(not_before=world.time + timedelta(hours=1))
    world.send(mailing, minutes=1)
    with tenant(world.cast.bakery.pk):
        Mailing.objects.update(expanded_at=None)
    world.send(mailing, hours=2)
    assert server.messages() == []
    with tenant(world.cast.bakery.pk):
        Mailing.objects.update(expanded_at=world.time)
    world.send(mailing)
    assert len(server.messages()) == 1


# --- Leases -----------------------------------------------------------------------------------------------------------


def claim(world: World, mailing: Mailing) -> None:
    """What a worker does before it is killed."""
    started = begin_mailing(world.cast.bakery.pk, mailing.pk, now=world.time)
    assert started is not None
    claim_messages(started, after=0, limit=100, now=world.time)


def test_a_claim_that_ran_out_is_decided_anew_with_a_new_key(world: World, server: SmtpServer) -> None:
    yes, changed = world.person("yes", choice=ChoiceValue.YES), world.person("changed", choice=ChoiceValue.YES)
    mailing = world.mailing([yes, changed])
    claim(world, mailing)
    first = world.rows(mailing)["yes"].tracked_message.key
    world.send(mailing, seconds=CLAIM_LEASE.total_seconds() - 1)
    assert server.messages() == []
    choose(world.cast.bakery, changed, now=world.time, opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    world.send(mailing, seconds=2)
    got, rows = by_name(server), world.rows(mailing)
    assert rows["yes"].tracked_message.key != first
    assert encode_key(rows["yes"].tracked_message.key) in got["yes"].html
    assert rows["changed"].tracked_message is None
    assert "/o/" not in got["changed"].html
    # No key is left that leads to a person without a sent copy.
    assert world.tracked() == 1


def test_what_stood_in_sending_when_its_worker_ended_becomes_unknown(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person("a")])
    claim(world, mailing)
    with tenant(world.cast.bakery.pk):
        Message.objects.update(status="sending", due_at=world.time + SENDING_LEASE)
    world.send(mailing, seconds=SENDING_LEASE.total_seconds() - 1)
    assert world.statuses(mailing) == {"a": "sending"}
    world.send(mailing, seconds=2)
    assert world.statuses(mailing) == {"a": "unknown"}
    assert world.state(mailing).state == MailingState.DONE
    assert server.messages() == []


def test_beat_asks_for_a_worker_only_where_nobody_is_at_it(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person("a")])

    def needed() -> bool:
        with tenant(world.cast.bakery.pk):
            return needs_sender(Mailing.objects.get(pk=mailing.pk), now=world.time)

    assert needed()
    claim(world, mailing)
    assert not needed()
    world.time += CLAIM_LEASE
    assert needed()
    server.behave(refuse={"a@example.org": "451 Later"})
    world.send(mailing)
    assert not needed()
    world.time += timedelta(hours=1)
    assert needed()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, int]]]:
    """The tasks that the broker was asked to hand on."""
    asked: list[tuple[str, dict[str, int]]] = []
    monkeypatch.setattr("common.jobs.current_app.send_task", lambda name, kwargs: asked.append((name, kwargs)))
    return asked


def test_beat_finds_due_mailings_of_every_organization(
    world: World, asked: list[object], django_capture_on_commit_callbacks
) -> None:
    world.time = timezone.now() - timedelta(minutes=1)
    mailing = world.mailing([world.person("a")])
    with django_capture_on_commit_callbacks(execute=True):
        send_due_mailings()
    expected = {"organization_id": world.cast.bakery.pk, "mailing_id": mailing.pk}
    assert asked == [("delivery.send_mailing", expected)]


def test_a_task_asks_for_the_next_one_until_all_is_sent(
    world: World,
    server: SmtpServer,
    asked: list[object],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks,
) -> None:
    monkeypatch.setattr("delivery.tasks.RUN_SECONDS", 0.05)
    server.behave(seconds_per_message=0.02)
    world.time = timezone.now() - timedelta(minutes=1)
    mailing = world.mailing([world.person(f"p{number}") for number in range(100)])
    expected = {"organization_id": world.cast.bakery.pk, "mailing_id": mailing.pk}
    runs = 0
    while runs == 0 or asked:
        asked.clear()
        with django_capture_on_commit_callbacks(execute=True):
            send_task(**expected)
        runs += 1
    assert runs > 2
    assert sorted(Counter(server.recipients()).values()) == [1] * 100
    assert world.state(mailing).state == MailingState.DONE


# --- Several workers, and the end of one ------------------------------------------------------------------------------

WORKER = """
import sys, django
django.setup()
from delivery.sending import send_mailing
print("ready", flush=True)
send_mailing(int(sys.argv[1]), int(sys.argv[2]))
"""


def start_worker(world: World, mailing: Mailing, server: SmtpServer, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(world.cast.bakery.pk), str(mailing.pk)],
        env={**os.environ, "PLI_SMTP_URL": server.url, "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def end(worker: subprocess.Popen[str]) -> int:
    code = worker.wait(60)
    assert worker.stdout is not None
    worker.stdout.close()
    return code


def crowd(world: World, size: int) -> list[Participant]:
    """People of whom every third said yes."""
    organization = world.cast.bakery
    with tenant(organization.pk), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO participants_participant (organization_id, email, email_norm, country, locale, first_name,"
            " last_name, external_id, attributes, created_at, updated_at) SELECT %s, 'p' || n || '@example.org',"
            " 'p' || n || '@example.org', 'BE', '', 'Person ' || n, '', '', '{}', %s, %s FROM generate_series(1, %s) n",
            [organization.pk, world.time, world.time, size],
        )
        cursor.execute(
            "INSERT INTO consent_choice (organization_id, participant_id, opens, opens_source, opens_at,"
            " opens_yes_since, opens_not_no_since, clicks, clicks_source, clicks_at, clicks_yes_since,"
            " clicks_not_no_since)"
            " SELECT organization_id, id, 'yes', 'person', %(t)s, %(t)s, %(t)s, 'yes', 'person', %(t)s, %(t)s, %(t)s"
            " FROM participants_participant WHERE id %% 3 = 0",
            {"t": world.time},
        )
        people = list(Participant.objects.all())
    subscribe_all(world, people)
    return people


def real_world(cast: Cast) -> World:
    """With the machine's clock, for tests in which other processes take part."""
    world = make_world(cast, timezone.now() - timedelta(minutes=10))
    world.clock = timezone.now  # type: ignore[method-assign]
    return world


@across_processes
def test_two_workers_at_one_mailing_send_each_message_once(
    transactional_db: None, cast: Cast, server: SmtpServer
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 1000))
    workers = [start_worker(world, mailing, server) for _ in range(2)]
    assert [end(worker) for worker in workers] == [0, 0]
    assert set(Counter(server.recipients()).values()) == {1}
    assert len(server.messages()) == 1000
    assert set(world.statuses(mailing).values()) == {"sent"}
    assert world.state(mailing).state == MailingState.DONE


@across_processes
def test_a_killed_worker_loses_nobody_and_nobody_gets_two(
    transactional_db: None, cast: Cast, server: SmtpServer, settings
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 400))
    server.behave(seconds_per_message=0.005)
    worker = start_worker(world, mailing, server)
    wait_until(lambda: len(server.recipients()) > 60, 30)
    worker.kill()
    end(worker)
    left = Counter(world.statuses(mailing).values())
    assert left["claimed"]
    assert 0 < left["sending"] <= settings.SMTP_CONNECTIONS * LARGEST_GROUP
    server.behave()

    for lease in (CLAIM_LEASE, SENDING_LEASE):
        moment = timezone.now() + lease
        send_mailing(cast.bakery.pk, mailing.pk, clock=lambda moment=moment: moment)
    rows = world.rows(mailing)
    statuses = Counter(row.status for row in rows.values())
    got = Counter(received.rcpt_to for received in server.messages())
    assert statuses == {"sent": 400 - left["sending"], "unknown": left["sending"]}
    assert set(got.values()) == {1}
    assert {row.participant.email for row in rows.values() if row.status == "sent"} <= set(got)
    assert {row.participant.email for row in rows.values() if row.status == "unknown"} >= {
        row.participant.email for row in rows.values()
    } - set(got)
    assert world.state(mailing).state == MailingState.DONE
    # Every key belongs to a copy that left or may have left, and stands in what was received.
    keys = {row.tracked_message.key for row in rows.values() if row.tracked_message}
    assert world.tracked() == len(keys)
    for received in server.messages():
        if "/o/" in received.html:
            key = decode_key(received.html.partition("/o/")[2][:22])
            assert key in keys


@across_processes
def test_what_servers_said_outlives_an_outage_of_the_database(
    transactional_db: None, cast: Cast, server: SmtpServer
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 200))
    server.behave(seconds_per_message=0.01)
    gate = Gate(os.environ["DATABASE_URL"])
    worker = start_worker(world, mailing, server, DATABASE_URL=gate.url)
    wait_until(lambda: len(server.recipients()) > 40, 30)
    gate.shut()
    # What was on its way is finished meanwhile, and nothing else can leave.
    settled = wait_until(lambda: len(server.recipients()) if _is_quiet(server) else 0, 20)
    gate.reopen()
    assert end(worker) == 0
    gate.close()
    assert 40 < settled < 200
    assert set(Counter(server.recipients()).values()) == {1}
    assert Counter(world.statuses(mailing).values()) == {"sent": 200}


def _is_quiet(server: SmtpServer) -> bool:
    """Whether a second passes without a new message."""
    before = len(server.recipients())
    threading.Event().wait(1.0)
    return len(server.recipients()) == before


@across_processes
def test_pause_takes_effect_within_two_seconds_while_sending(
    transactional_db: None, cast: Cast, server: SmtpServer
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 2000))
    server.behave(seconds_per_message=0.2)
    worker = start_worker(world, mailing, server)
    wait_until(lambda: len(server.recipients()) > 10, 30)
    pause_mailing(cast.bakery, mailing, now=timezone.now())
    paused_at = timezone.now()
    end(worker)
    assert (timezone.now() - paused_at).total_seconds() < 2.5
    sent = len(server.recipients())
    assert Counter(world.statuses(mailing).values()) == {"sent": sent, "queued": 2000 - sent}


def test_a_run_ends_after_its_time_and_says_that_there_is_more(world: World, server: SmtpServer) -> None:
    server.behave(seconds_per_message=0.02)
    mailing = world.mailing([world.person(f"p{number}") for number in range(100)])
    progress = send_mailing(world.cast.bakery.pk, mailing.pk, stop_after=0.2, clock=world.clock)
    assert progress.more_due
    assert 0 < progress.counts["sent"] < 100
    assert Counter(world.statuses(mailing).values())["claimed"] == 0
    while world.send(mailing).more_due:
        pass
    assert sorted(Counter(server.recipients()).values()) == [1] * 100


def test_threads_of_connections_end_with_their_run(world: World, server: SmtpServer) -> None:
    world.send(world.mailing([world.person("a")]), minutes=1)
    assert [thread for thread in threading.enumerate() if thread.name == "smtp"] == []
