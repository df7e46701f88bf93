"""What becomes of a message and of its mailing, whatever the mail server says and the member wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from common.keys import encode_key
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import Mailing, MailingState, Suppression
from delivery.outbox import claim_messages
from delivery.rules import MOST_ATTEMPTS
from delivery.services import (
    MailingRefused,
    begin_mailing,
    cancel_mailing,
    pause_mailing,
    resume_mailing,
)
from tests.delivery.world import World, by_name
from tests.support.smtp import SmtpServer

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


def test_a_mailbox_that_gets_too_much_mail_today_is_no_dead_address(world: World, server: SmtpServer) -> None:
    server.behave(refuse={"a@example.org": "550 5.2.1 The user is receiving mail too quickly"})
    mailing = world.mailing([world.person("a")])
    world.send(mailing, minutes=1)
    assert world.statuses(mailing) == {"a": "failed"}
    with tenant(world.cast.bakery.pk):
        assert not Suppression.objects.exists()


def test_an_address_that_a_server_calls_dead_gets_no_more_mail(world: World, server: SmtpServer) -> None:
    server.behave(refuse={"a@example.org": "550 5.1.1 No such user", "b@example.org": "554 5.7.1 5.1.1 Not from you"})
    people = [world.person(name) for name in "abc"]
    world.send(world.mailing(people), minutes=1)
    with tenant(world.cast.bakery.pk):
        kept = Suppression.objects.values_list("email_norm", "reason", "source")
        assert list(kept) == [("a@example.org", "bounced", "bounce")]
    server.behave()
    later = world.mailing(people)
    world.send(later, minutes=1)
    assert world.statuses(later) == {"a": "suppressed", "b": "sent", "c": "sent"}


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
