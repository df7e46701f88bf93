"""Double opt-in: the mail with the link, its page, and what waits for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from common.keys import encode_key
from common.tenancy import call_door, tenant
from consent.models import SubscriptionEvent
from consent.rules import ChoiceValue
from consent.services import unsubscribe
from delivery.models import ServiceMessage, Suppression
from delivery.service_mail import send_service_messages
from delivery.services import suppress
from intake.confirmations import look_after_confirmations
from intake.models import Confirmation, FieldKind
from intake.tasks import look_after_confirmations as look_after_all
from tests.intake.forms_world import ADDRESS, FormWorld
from tests.support.smtp import SmtpServer
from tests.support.world import choose, make_participant, subscribe_to

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


def ask_double(world: FormWorld, **page: object) -> str:
    """The form with double opt-in and a topic; the name of the topic's box."""
    world.set_page(double_opt_in=True, **page)
    return f"q{world.add(FieldKind.TOPIC).pk}"


def confirmations(world: FormWorld) -> list[Confirmation]:
    with tenant(world.organization.pk):
        return list(Confirmation.objects.order_by("id"))


def press(world: FormWorld, place: int = 0) -> HttpResponse:
    return Client().post(f"/d/{encode_key(confirmations(world)[place].key)}")


def mails(world: FormWorld) -> int:
    with tenant(world.organization.pk):
        return ServiceMessage.objects.count()


def test_nothing_counts_before_the_button_is_pressed(form_world: FormWorld, server: SmtpServer) -> None:
    box = ask_double(form_world)
    form_world.send(tracking="yes", **{box: "on"})
    subscription = form_world.subscription()
    assert subscription is not None
    assert subscription.pending_since is not None
    assert form_world.choice() is None
    send_service_messages(form_world.organization.pk)
    (mail,) = server.messages()
    assert mail.rcpt_to == ADDRESS
    assert "/o/" not in mail.html + mail.text
    assert "/c/" not in mail.html + mail.text
    assert "<img" not in mail.html
    found = re.search(r"https://pli\.example(/d/[\w-]{22})", mail.text)
    assert found is not None
    assert found[1] in mail.html
    page = Client().get(found[1])
    assert page.status_code == 200
    assert "Weekly news" in page.content.decode()
    assert "measure" in page.content.decode()
    assert Client().post(found[1]).status_code == 200
    confirmed = form_world.subscription()
    assert confirmed is not None
    assert confirmed.pending_since is None
    assert confirmed.basis == "double_opt_in"
    assert form_world.choice() == ("yes", "yes")
    assert {event.evidence["address_confirmed"] for event in form_world.events()} == {True}
    with tenant(form_world.organization.pk):
        assert [event.act for event in SubscriptionEvent.objects.order_by("id")] == ["requested", "confirmed"]


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("headers", [{}, {"sec-purpose": "prefetch"}, {"user-agent": "SafeLinks"}])
def test_h2_whoever_opens_the_link_confirms_nothing(
    form_world: FormWorld, method: str, headers: dict[str, str]
) -> None:
    box = ask_double(form_world)
    form_world.send(tracking="yes", **{box: "on"})
    address = f"/d/{encode_key(confirmations(form_world)[0].key)}"
    for _time in range(3):
        assert getattr(Client(), method)(address, headers=headers).status_code == 200
    subscription = form_world.subscription()
    assert subscription is not None
    assert subscription.pending_since is not None
    assert form_world.choice() is None
    assert confirmations(form_world)[0].confirmed_at is None


def test_pressing_twice_is_pressing_once(form_world: FormWorld) -> None:
    box = ask_double(form_world)
    form_world.send(tracking="yes", **{box: "on"})
    assert press(form_world).status_code == 200
    written = len(form_world.events())
    assert press(form_world).status_code == 200
    assert len(form_world.events()) == written


def test_after_seven_days_it_is_too_late(form_world: FormWorld) -> None:
    box = ask_double(form_world)
    form_world.send(tracking="yes", **{box: "on"})
    with tenant(form_world.organization.pk):
        Confirmation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert press(form_world).status_code == 410
    assert form_world.choice() is None
    look_after_confirmations(form_world.organization, now=timezone.now())
    subscription = form_world.subscription()
    assert subscription is not None
    assert subscription.unsubscribed_at is not None
    (ended,) = confirmations(form_world)
    assert ended.waiting == {}


def test_one_reminder_at_most(form_world: FormWorld, server: SmtpServer) -> None:
    box = ask_double(form_world)
    form_world.send(**{box: "on"})
    now = timezone.now()
    for days in (1, 3, 4, 5, 6):
        look_after_confirmations(form_world.organization, now=now + timedelta(days=days))
    send_service_messages(form_world.organization.pk, clock=lambda: now + timedelta(days=6))
    first, reminder = server.messages()
    assert "do not ask again" not in first.text
    assert "do not ask again" in reminder.text
    assert call_door("door_open_confirmations") == [(form_world.organization.pk,)]
    look_after_all()
    assert mails(form_world) == 2


def test_c4_nobody_who_said_no_is_reminded_of_a_yes(form_world: FormWorld) -> None:
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    choose(form_world.organization, person, now=timezone.now(), opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    form_world.send(tracking="yes")
    look_after_confirmations(form_world.organization, now=timezone.now() + timedelta(days=4))
    assert mails(form_world) == 1


def test_a_yes_over_a_no_counts_once_it_is_confirmed(form_world: FormWorld) -> None:
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    choose(form_world.organization, person, now=timezone.now(), opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    form_world.send(tracking="yes")
    assert form_world.choice() == ("no", "no")
    press(form_world)
    assert form_world.choice() == ("yes", "yes")
    event = form_world.events()[-1]
    assert event.consent_text is not None
    assert event.consent_text.place == "form question"
    assert (event.method, event.source) == ("form_confirmed", "person")


def test_details_of_somebody_known_change_once_they_are_confirmed(form_world: FormWorld) -> None:
    first = form_world.add(FieldKind.TEXT, name="given", target="first_name")
    make_participant(form_world.organization, ADDRESS, now=timezone.now(), first_name="Lea", attributes={"size": "M"})
    form_world.send(**{f"q{first.pk}": "Léa"})
    press(form_world)
    person = form_world.person()
    assert person is not None
    assert (person.first_name, person.attributes) == ("Léa", {"size": "M"})
    assert confirmations(form_world)[0].waiting == {}


def test_nothing_is_asked_where_nothing_waits(form_world: FormWorld) -> None:
    form_world.send(tracking="no")
    form_world.send("new@home.example", tracking="yes")
    assert confirmations(form_world) == []


def test_a_stranger_subscribes_nobody_again_who_left(form_world: FormWorld) -> None:
    """Without double opt-in too: an address that ended its mail gets it again by its owner's act only."""
    box = f"q{form_world.add(FieldKind.TOPIC).pk}"
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    with tenant(form_world.organization.pk):
        subscribe_to(form_world.organization, person, form_world.topic, now=timezone.now())
        unsubscribe(form_world.organization, person, form_world.topic, now=timezone.now())
    form_world.send(**{box: "on"})
    subscription = form_world.subscription()
    assert subscription is not None
    assert subscription.pending_since is not None
    press(form_world)
    subscription = form_world.subscription()
    assert subscription is not None
    assert (subscription.pending_since, subscription.unsubscribed_at) == (None, None)


def test_an_address_that_ended_all_marketing_gets_it_again_by_confirming_only(form_world: FormWorld) -> None:
    box = f"q{form_world.add(FieldKind.TOPIC).pk}"
    for reason in ("unsubscribed", "complained"):
        suppress(form_world.organization, ADDRESS, reason=reason, source="test", now=timezone.now())
    form_world.send(**{box: "on"})
    with tenant(form_world.organization.pk):
        assert Suppression.objects.count() == 2
    press(form_world)
    with tenant(form_world.organization.pk):
        assert [row.reason for row in Suppression.objects.all()] == ["complained"]


def test_nobodys_mailbox_is_filled_by_typing_their_address(form_world: FormWorld) -> None:
    box = ask_double(form_world)
    for _time in range(5):
        assert form_world.send(**{box: "on"}).status_code == 200
    assert mails(form_world) == 3


def test_the_mail_is_in_the_persons_language(form_world: FormWorld, server: SmtpServer) -> None:
    box = ask_double(form_world, languages=["en", "fr"])
    form_world.send(query="?lang=fr", **{box: "on"})
    send_service_messages(form_world.organization.pk)
    assert '<html lang="fr">' in server.messages()[0].html
    page = Client().get(f"/d/{encode_key(confirmations(form_world)[0].key)}").content.decode()
    assert '<html lang="fr"' in page


def test_whoever_unsubscribes_while_it_waits_is_not_subscribed_by_an_old_link(form_world: FormWorld) -> None:
    box = ask_double(form_world)
    form_world.send(**{box: "on"})
    person = form_world.person()
    assert person is not None
    with tenant(form_world.organization.pk):
        unsubscribe(form_world.organization, person, form_world.topic, now=timezone.now())
    press(form_world)
    subscription = form_world.subscription()
    assert subscription is not None
    assert subscription.unsubscribed_at is not None
