"""Exit-screen emails that an outside sender sends: handed over once, with what it may do, whatever happens."""

from __future__ import annotations

import json

import pytest

from common.tenancy import tenant
from consent.models import Basis
from consent.rules import ChoiceValue
from consent.services import subscribe, unsubscribe
from delivery.connection_models import WebsiteConnection
from delivery.connections import built_in
from delivery.forgetting import forget_sent
from delivery.models import (
    CaughtMessage,
    MailingState,
    OutsidePerson,
    OutsideReading,
    SuppressionReason,
)
from delivery.services import suppress
from tests.delivery.outside_world import Outside
from tests.support.world import choose
from websites.models import Website
from websites.services import stop_measuring

pytestmark = pytest.mark.django_db


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


def test_the_built_in_server_stays_for_all_other_mail(outside: Outside) -> None:
    with tenant(outside.organization.pk):
        assert WebsiteConnection.objects.get().connection == built_in(outside.organization)
