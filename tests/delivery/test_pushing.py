"""Exit-screen emails that an outside sender sends: handed over once, with what it may do, whatever happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from common.tenancy import tenant
from consent.models import Basis
from consent.rules import ChoiceValue
from consent.services import subscribe, unsubscribe
from delivery import pushing, pushing_changes
from delivery.connection_models import WebsiteConnection
from delivery.connections import built_in
from delivery.forgetting import forget_sent
from delivery.models import (
    CaughtMessage,
    Mailing,
    MailingState,
    Message,
    OutsidePerson,
    OutsideReading,
    SuppressionReason,
)
from delivery.outcomes import SENDING_LEASE
from delivery.pushing_changes import try_again
from delivery.services import resume_mailing, suppress
from delivery.transports import push
from tests.delivery.outside_world import Outside, make_sender
from tests.delivery.world import World
from tests.support.outside import JsonEndpoint, Mood, OutsideServer
from tests.support.world import choose
from websites.models import Website
from websites.services import stop_measuring

pytestmark = pytest.mark.django_db


@pytest.fixture
def outside(world: World, settings) -> Iterator[Outside]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://pli.example"
    with OutsideServer(JsonEndpoint()) as server:
        yield Outside(world, server, make_sender(world, server))
        assert server.problems == []


# --- What is handed over ----------------------------------------------------------------------------------------------


def test_what_is_handed_over_says_of_each_person_whether_they_said_yes(outside: Outside) -> None:
    """Product 7: false for everybody who is not a yes, and always said."""
    people = [
        outside.person("yes", ChoiceValue.YES),
        outside.person("no", ChoiceValue.NO),
        outside.person("silent"),
        outside.person("informed", ChoiceValue.INFORMED),
    ]
    mailing = outside.mailing(*people)
    outside.hand_over(mailing)
    assert outside.world.statuses(mailing) == dict.fromkeys(("yes", "no", "silent", "informed"), "sent")
    assert {name: outside.said_of(name) for name in ("yes", "no", "silent", "informed")} == {
        "yes": [("message", True)],
        "no": [("message", False)],
        "silent": [("message", False)],
        "informed": [("message", False)],
    }
    for body in outside.server.taken:
        is_yes = body["person"]["email"] == "yes@example.org"
        assert body["tracking"] == dict.fromkeys(("allowed", "opens", "clicks"), is_yes)
    assert outside.world.state(mailing).state == MailingState.DONE
    assert outside.tell() == {}


def test_a_yes_to_one_thing_is_no_yes_to_everything(outside: Outside) -> None:
    person = outside.person("half")
    choose(outside.organization, person, now=outside.world.time, opens=ChoiceValue.YES, clicks=ChoiceValue.NO)
    outside.hand_over(outside.mailing(person))
    assert outside.server.taken[0]["tracking"] == {"allowed": False, "opens": True, "clicks": False}


def test_nothing_of_ours_measures_what_somebody_else_sends(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("yes", ChoiceValue.YES))
    outside.hand_over(mailing)
    message = outside.message(mailing, "yes")
    handed = json.dumps(outside.server.taken)
    assert "pli.example/o/" not in handed
    assert "pli.example/c/" not in handed
    assert "https://bread.example/rye?a=1&amp;b=2" in outside.server.taken[0]["message"]["html"]
    assert outside.server.taken[0]["message"]["subject"] == "Le pain de Yes"
    assert outside.server.taken[0]["message"]["preferences_url"].startswith("https://pli.example/p/")
    assert outside.world.tracked() == 0
    assert (message.tracked_message_id, message.opens, message.opens_reason) == (None, "none", "sent_outside")
    assert message.connection_id == outside.sender.pk
    with tenant(outside.organization.pk):
        assert not CaughtMessage.objects.exists()


def test_other_mail_of_the_website_is_ours(outside: Outside, server) -> None:
    mailing = outside.world.mailing([outside.person("a")])
    outside.world.send(mailing, seconds=1)
    assert [received.rcpt_to for received in server.messages()] == ["a@example.org"]
    assert outside.server.requests == []


def test_an_outside_sender_as_a_websites_connection_is_refused_in_words(outside: Outside) -> None:
    with tenant(outside.organization.pk):
        WebsiteConnection.objects.update(connection=outside.sender, outside=None)
    mailing = outside.world.mailing([outside.person("a")])
    outside.world.send(mailing, seconds=1)
    assert outside.world.state(mailing).state == MailingState.PAUSED
    assert "takes exit-screen emails only" in outside.world.state(mailing).pause_reason


def test_an_address_without_a_mailbox_is_not_handed_over(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("gone"), outside.person("there"))
    suppress(
        outside.organization, "gone@example.org", reason=SuppressionReason.BOUNCED, source="", now=outside.world.time
    )
    outside.hand_over(mailing)
    assert outside.world.statuses(mailing) == {"gone": "suppressed", "there": "sent"}
    assert [body["person"]["email"] for body in outside.server.taken] == ["there@example.org"]


# --- What changes afterwards ------------------------------------------------------------------------------------------


def test_a_withdrawal_and_a_later_yes_follow(outside: Outside) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    outside.choose(person, ChoiceValue.NO)
    outside.tell()
    outside.choose(person, ChoiceValue.YES)
    outside.tell()
    assert outside.said_of("a") == [("message", True), ("person", False), ("person", True)]
    numbers = [body["number"] for body in outside.server.taken]
    assert numbers == sorted(set(numbers))
    assert outside.tell() == {}


def test_several_changes_between_two_looks_are_said_as_they_are_in_the_end(outside: Outside) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    for value in (ChoiceValue.NO, ChoiceValue.YES, ChoiceValue.NO):
        outside.choose(person, value)
    outside.tell()
    assert outside.said_of("a") == [("message", True), ("person", False)]


def test_unsubscribing_follows(outside: Outside) -> None:
    person = outside.person("a")
    outside.hand_over(outside.mailing(person))
    with tenant(outside.organization.pk):
        unsubscribe(outside.organization, person, outside.world.topic, now=outside.world.time)
    outside.tell()
    suppress(
        outside.organization,
        "a@example.org",
        reason=SuppressionReason.UNSUBSCRIBED,
        source="",
        now=outside.world.time,
    )
    outside.tell()
    with tenant(outside.organization.pk):
        subscribe(
            outside.organization,
            person,
            outside.world.topic,
            basis=Basis.OPT_IN,
            source="form",
            now=outside.world.time,
        )
    outside.tell()
    told = [(body["subscriptions"][0]["active"], body["blocked"]) for body in outside.server.taken]
    assert told == [(True, []), (False, []), (False, ["unsubscribed"]), (True, ["unsubscribed"])]


def test_nothing_is_said_of_people_whom_the_outside_sender_does_not_know(outside: Outside) -> None:
    known, stranger = outside.person("known", ChoiceValue.YES), outside.person("stranger", ChoiceValue.YES)
    outside.hand_over(outside.mailing(known))
    outside.choose(stranger, ChoiceValue.NO)
    assert outside.tell() == {}
    assert outside.said_of("stranger") == []


def test_h1_stopping_to_measure_follows_for_everybody(outside: Outside) -> None:
    outside.hand_over(outside.mailing(outside.person("a", ChoiceValue.YES), outside.person("b")))
    website, cast = outside.world.website, outside.world.cast
    with tenant(cast.bakery.pk):
        current = Website.objects.get(pk=website.pk)
        stop_measuring(cast.bakery, current, author=cast.ana, reason="A leak", now=outside.world.time)
    outside.tell()
    assert outside.said_of("a") == [("message", True), ("person", False)]
    assert outside.said_of("b") == [("message", False)]


def test_d2_of_an_erased_person_the_last_word_is_that_nothing_may_be_measured(outside: Outside) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    with tenant(outside.organization.pk):
        forget_sent(outside.organization, person, now=outside.world.time)
        person.delete()
        row = OutsidePerson.objects.get()
    assert "example.org" not in row.sealed_address
    outside.tell()
    last = outside.server.taken[-1]
    assert (last["event"], last["erased"], last["tracking"]["allowed"]) == ("person", True, False)
    assert last["person"]["email"] == "a@example.org"
    assert last["person"]["first_name"] == ""
    assert outside.rows() == 0


def test_a_change_that_is_committed_late_is_not_overlooked(outside: Outside) -> None:
    """A number that was given out early may be committed after larger ones were read."""
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    outside.choose(person, ChoiceValue.NO)
    with tenant(outside.organization.pk):
        reading = OutsideReading.objects.get()
        # As if the choice had become visible only now, after its number had been passed by another look.
        reading.mark_transaction = 2**40
        reading.choices_mark = 2**40
        reading.save()
    outside.tell()
    assert outside.said_of("a")[-1] == ("person", False)
    with tenant(outside.organization.pk):
        assert OutsideReading.objects.get().choices_until < 2**40


# --- When something fails ---------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(push, "PATIENCE_SECONDS", 0.2)
    mailing = outside.mailing(outside.person("a"))
    outside.server.behave(Mood.HANG, times=1)
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

    class Killed(BaseException):
        pass

    def end(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(pushing._HandOver, "_record", end)
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

    class Killed(BaseException):
        pass

    def end(*_args: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(pushing_changes, "_record", end)
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


def test_the_built_in_server_stays_for_all_other_mail(outside: Outside) -> None:
    with tenant(outside.organization.pk):
        assert WebsiteConnection.objects.get().connection == built_in(outside.organization)
