"""People whom an outside sender knows: they move, are asked for by a call, or left elsewhere."""

from __future__ import annotations

import pytest

from campaigns.transactional import send_transactional
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery import pushing_changes
from delivery.forgetting import forget_sent
from delivery.models import Message, MessageCall, MessageStatus, OutsidePerson
from intake.services import save_participant
from tests.campaigns.world import make_campaign, make_email
from tests.delivery.outside_world import Outside
from tests.intake.importing import import_text

pytestmark = pytest.mark.django_db


def test_an_exit_screen_email_by_a_call_is_handed_over_with_what_the_call_gave_along(outside: Outside, server) -> None:
    organization, now = outside.organization, outside.world.time
    campaign = make_campaign(organization, outside.world.website, now=now)
    body = "<html><body><p>You won {{ data.prize }}</p></body></html>"
    fields = {"kind": "exit_screen", "purpose": "transactional", "body": body, "body_format": "html"}
    email = make_email(organization, campaign, now=now, subject="Yours", **fields)
    message = send_transactional(organization, email, outside.person("a"), now=now, data={"prize": "a loaf"})
    outside.hand_over(message.mailing)
    message = outside.message(message.mailing, "a")
    assert server.messages() == []
    assert [body["message"]["reference"] for body in outside.server.taken] == [str(message.reference)]
    assert "You won a loaf" in outside.server.taken[0]["message"]["html"]
    with tenant(organization.pk):
        assert Message.objects.get().status == MessageStatus.SENT
        assert MessageCall.objects.get().data is None


def test_a_list_of_addresses_that_left_elsewhere_follows_at_once(outside: Outside) -> None:
    outside.hand_over(outside.mailing(outside.person("left"), outside.person("stays")))
    import_text(outside.organization, "email\nLEFT@example.org\n", now=outside.world.time, kind="suppressions")
    outside.tell()
    assert [(body["person"]["email"], body["blocked"]) for body in outside.server.taken[2:]] == [
        ("left@example.org", ["unsubscribed"])
    ]


def test_whoever_moves_is_known_under_the_new_address_and_the_old_one_is_left_alone(outside: Outside) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    with tenant(outside.organization.pk):
        save_participant(outside.organization, person, now=outside.world.time, email="b@example.org")
    outside.tell()
    assert outside.said_of("b") == [("person", True)]
    last = [body for body in outside.server.taken if body["person"]["email"] == "a@example.org"][-1]
    assert (last["erased"], last["tracking"]["allowed"]) == (True, False)
    assert outside.rows() == 1
    assert outside.tell() == {}


def test_an_address_that_somebody_else_took_over_is_theirs(outside: Outside) -> None:
    moves, comes = outside.person("a", ChoiceValue.YES), outside.person("c", ChoiceValue.YES)
    outside.hand_over(outside.mailing(moves, comes))
    with tenant(outside.organization.pk):
        for person, email in ((moves, "b@example.org"), (comes, "a@example.org")):
            save_participant(outside.organization, person, now=outside.world.time, email=email)
    outside.tell()
    assert outside.said_of("a") == [("message", True), ("person", True)]
    assert outside.said_of("c") == [("message", True), ("person", False)]


def test_d2_a_change_that_ends_after_an_erasure_keeps_no_address(outside: Outside, monkeypatch) -> None:
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    outside.choose(person, ChoiceValue.NO)
    say_all = pushing_changes.say_all

    def erased_meanwhile(pusher, events):
        said = say_all(pusher, events)
        monkeypatch.setattr(pushing_changes, "_hold_due", lambda *args, **named: ([], False))
        with tenant(outside.organization.pk):
            forget_sent(outside.organization, person, now=outside.world.time)
            person.delete()
        return said

    monkeypatch.setattr(pushing_changes, "say_all", erased_meanwhile)
    outside.tell()
    with tenant(outside.organization.pk):
        row = OutsidePerson.objects.get()
    assert "a@example.org" not in f"{row.told}{row.wanted}{row.sealed_address}"
