"""Handing over to an outside sender that is down, busy, refuses or says nothing: nobody is lost, nobody comes twice."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection

from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery import pushing, pushing_changes
from delivery.models import (
    Mailing,
    MailingState,
    Message,
    OutsidePerson,
)
from delivery.outcomes import SENDING_LEASE
from delivery.pushing_changes import try_again
from delivery.services import resume_mailing
from delivery.transports import push
from tests.delivery.outside_world import Outside
from tests.support.killed import Killed, kill
from tests.support.outside import Mood

pytestmark = pytest.mark.django_db


def test_an_endpoint_that_is_down_is_tried_again_and_nothing_is_lost(outside: Outside) -> None:
    person = outside.person("a", ChoiceValue.YES)
    mailing = outside.mailing(person)
    outside.server.behave(Mood.FAIL, times=3)
    outside.hand_over(mailing)
    waiting = outside.message(mailing, "a")
    assert (waiting.status, waiting.attempts) == ("queued", 1)
    assert "HTTP 500" in waiting.error
    assert "the oven is broken" in waiting.error
    assert waiting.due_at is not None
    assert waiting.due_at >= outside.world.time + timedelta(seconds=45)
    for _time in range(6):
        outside.hand_over(mailing, minutes=10)
    assert outside.message(mailing, "a").status == "sent"
    assert outside.said_of("a")[0] == ("message", True)
    assert len({request.key for request in outside.server.requests}) == 1


def test_an_address_where_nobody_listens_costs_no_attempt(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("a"))
    with tenant(outside.organization.pk):
        row = outside.fresh()
        row.options = {"push_url": "http://127.0.0.1:9/push"}
        row.save()
    outside.hand_over(mailing)
    message = outside.message(mailing, "a")
    assert (message.status, message.attempts) == ("queued", 0)
    assert outside.world.state(mailing).pause_reason
    assert outside.rows() == 0
    for _time in range(5):
        outside.hand_over(mailing)
    assert outside.fresh().broken_since is not None
    with tenant(outside.organization.pk):
        row.options = {"push_url": outside.server.url}
        row.save(update_fields=["options"])
    outside.hand_over(mailing, hours=1)
    assert outside.message(mailing, "a").status == "sent"


def test_a_busy_endpoint_is_left_alone_as_long_as_it_says(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("a"))
    outside.server.behave(Mood.BUSY, times=1)
    outside.hand_over(mailing)
    assert outside.message(mailing, "a").attempts == 0
    outside.hand_over(mailing, seconds=100)
    assert len(outside.server.requests) == 1
    outside.hand_over(mailing, seconds=21)
    assert outside.message(mailing, "a").status == "sent"


def test_a_refused_secret_pauses_the_mailing_in_the_endpoints_words_without_the_secret(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("a"))
    outside.server.behave(Mood.UNAUTHORIZED, times=1)
    outside.hand_over(mailing)
    paused = outside.world.state(mailing)
    assert paused.state == MailingState.PAUSED
    assert "who are you?" in paused.pause_reason
    assert "swordfish" not in paused.pause_reason + outside.fresh().broken_words
    resume_mailing(outside.organization, paused, now=outside.world.time)
    outside.hand_over(mailing, minutes=40)
    assert outside.message(mailing, "a").status == "sent"


def test_what_is_refused_for_good_is_shown_in_the_endpoints_words_without_the_address(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("a"), outside.person("b"))
    outside.server.behave(Mood.REFUSE, times=1)
    outside.hand_over(mailing)
    statuses = outside.world.statuses(mailing)
    assert sorted(statuses.values()) == ["failed", "sent"]
    failed = next(name for name, status in statuses.items() if status == "failed")
    words = outside.message(mailing, failed).error
    assert "no such campaign" in words
    assert "@example.org" not in words
    assert outside.rows() == 1


def test_an_endpoint_that_says_nothing_is_asked_again_under_the_same_key(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = outside.mailing(outside.person("a"))
    outside.server.behave(Mood.HANG, times=1)
    with monkeypatch.context() as impatient:
        impatient.setattr(push, "PATIENCE_SECONDS", 2.0)
        outside.hand_over(mailing)
    assert outside.message(mailing, "a").status == "queued"
    outside.hand_over(mailing, minutes=10)
    first, second = outside.server.requests
    assert first.key == second.key == str(outside.message(mailing, "a").reference)
    assert len(outside.server.taken) == 1


def test_who_withdraws_while_an_answer_is_lost_is_not_measured_in_the_end(outside: Outside) -> None:
    """The endpoint took a yes under the key, and takes no other word under the same one."""
    person = outside.person("a", ChoiceValue.YES)
    mailing = outside.mailing(person)
    outside.server.behave(Mood.DROP, times=1)
    outside.hand_over(mailing)
    assert outside.said_of("a") == [("message", True)]
    outside.choose(person, ChoiceValue.NO)
    outside.hand_over(mailing, minutes=10)
    assert outside.message(mailing, "a").status == "sent"
    assert outside.server.repeated == 1
    outside.tell()
    assert outside.said_of("a") == [("message", True), ("person", False)]


def test_a_worker_that_ends_between_request_and_record_repeats_the_key(outside: Outside, monkeypatch) -> None:
    person = outside.person("a", ChoiceValue.YES)
    mailing = outside.mailing(person)
    with monkeypatch.context() as broken:
        broken.setattr(pushing._HandOver, "_record", kill)
        with pytest.raises(Killed):
            outside.hand_over(mailing)
    assert outside.message(mailing, "a").status == "sending"
    outside.hand_over(mailing)
    assert len(outside.server.requests) == 1, "its lease still runs"
    outside.hand_over(mailing, seconds=SENDING_LEASE.total_seconds())
    assert outside.message(mailing, "a").status == "sent"
    assert [request.key for request in outside.server.requests] == [str(outside.message(mailing, "a").reference)] * 2
    assert (len(outside.server.taken), outside.server.repeated) == (1, 1)
    # What it kept of the first word is not known, so the state is said once more, under a key of its own.
    outside.tell()
    assert outside.said_of("a") == [("message", True), ("person", True)]
    assert outside.tell() == {}


def test_a_withdrawal_whose_teller_ends_is_said_again_under_the_same_key(outside: Outside, monkeypatch) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    outside.choose(person, ChoiceValue.NO)
    with monkeypatch.context() as broken:
        broken.setattr(pushing_changes, "_record", kill)
        with pytest.raises(Killed):
            outside.tell()
    outside.tell(seconds=SENDING_LEASE.total_seconds() + 1)
    assert outside.server.requests[-1].key == outside.server.requests[-2].key
    assert outside.said_of("a") == [("message", True), ("person", False)]
    assert outside.row("a").due_at is None


def test_a_withdrawal_is_tried_until_it_is_taken(outside: Outside) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    outside.choose(person, ChoiceValue.NO)
    outside.server.behave(Mood.FAIL, times=3)
    for _time in range(3):
        outside.tell(hours=5)
    assert outside.said_of("a") == [("message", True)]
    assert outside.row("a").attempts == 3
    outside.tell(hours=5)
    assert outside.said_of("a") == [("message", True), ("person", False)]
    assert (outside.row("a").attempts, outside.row("a").words) == (0, "")


def test_a_refused_change_waits_for_somebody_and_is_tried_again_on_demand(outside: Outside) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    outside.choose(person, ChoiceValue.NO)
    outside.server.behave(Mood.REFUSE, times=1)
    outside.tell()
    row = outside.row("a")
    assert row.failed_at is not None
    assert "no such campaign" in row.words
    assert try_again(outside.organization, outside.sender, now=outside.world.time) == 1
    outside.tell()
    assert outside.said_of("a") == [("message", True), ("person", False)]
    assert outside.row("a").failed_at is None


def test_somebody_who_is_being_told_of_is_told_of_by_nobody_else(outside: Outside) -> None:
    """In order per person: a message waits for a change that is on its way."""
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    with tenant(outside.organization.pk):
        OutsidePerson.objects.update(held_since=outside.world.time, due_at=outside.world.time + timedelta(minutes=2))
    second = outside.mailing(person)
    outside.hand_over(second)
    assert outside.message(second, "a").status == "queued"
    assert len(outside.server.taken) == 1
    outside.hand_over(second, minutes=3)
    assert outside.message(second, "a").status == "sent"


def test_a_private_address_is_refused(outside: Outside, settings) -> None:
    settings.ALLOWED_NETWORKS = []
    mailing = outside.mailing(outside.person("a"))
    outside.hand_over(mailing)
    assert outside.server.requests == []
    assert outside.world.state(mailing).state == MailingState.PAUSED
    assert "private network" in outside.world.state(mailing).pause_reason


def test_pausing_stops_the_handing_over(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("a"))
    with tenant(outside.organization.pk):
        Mailing.objects.filter(pk=mailing.pk).update(state=MailingState.PAUSED)
    outside.hand_over(mailing)
    assert outside.server.requests == []
    assert outside.message(mailing, "a").status == "queued"


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_two_workers_hand_over_everybody_once(outside: Outside) -> None:
    people = [outside.person(f"p{number}", ChoiceValue.YES) for number in range(20)]
    mailing = outside.mailing(*people)
    outside.world.time += timedelta(seconds=1)

    def work() -> None:
        try:
            outside.world.send(mailing)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert set(outside.world.statuses(mailing).values()) == {"sent"}
    assert (len(outside.server.requests), len(outside.server.taken)) == (20, 20)
    with tenant(outside.organization.pk):
        assert Message.objects.filter(mailing=mailing, status="sent").count() == 20
