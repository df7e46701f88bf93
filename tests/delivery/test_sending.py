"""From the outbox to the mail server: who gets what, and who gets nothing."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from common.keys import encode_key
from common.tenancy import tenant
from consent.models import Basis, PreferenceKey
from consent.rules import ChoiceValue
from consent.services import change_email_tracking, pause_subscription, subscribe, unsubscribe
from delivery.models import Purpose, Suppression
from delivery.sending import send_mailing
from delivery.services import (
    suppress,
)
from participants.models import Participant
from tests.delivery.world import World, by_name
from tests.support.smtp import SmtpServer
from tests.support.world import choose
from websites.models import Website
from websites.rules import EmailTracking

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


def test_marketing_queued_for_who_paused_or_has_not_confirmed_is_not_sent(world: World, server: SmtpServer) -> None:
    """C1: the subscription is asked for again when a message leaves, however long it waited."""
    active, paused, waiting = world.person("active"), world.person("paused"), world.person("waiting")
    mailing = world.mailing([active, paused, waiting])
    organization = world.cast.bakery
    with tenant(organization.pk):
        pause_subscription(organization, paused, world.topic, until=None, now=world.time)
        unsubscribe(organization, waiting, world.topic, now=world.time)
        subscribe(
            organization,
            waiting,
            world.topic,
            basis=Basis.OPT_IN,
            source="form",
            now=world.time,
            double_opt_in=True,
        )
    world.send(mailing, minutes=1)
    assert set(by_name(server)) == {"active"}
    assert world.statuses(mailing) == {"active": "sent", "paused": "suppressed", "waiting": "suppressed"}
