"""A launch that fares badly pauses by itself, and the owners hear of what cannot wait; never a recipient's address."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from common.tenancy import tenant
from delivery.alerts import alert_owners, latest_alerts, mail_alerts
from delivery.care import look_after_sending
from delivery.connection_models import Connection, News
from delivery.leak_guard import judge_arrival, send_canary
from delivery.models import Mailing, MailingState, Message
from delivery.news import take_reports
from delivery.provider_reports import Report
from delivery.rules import is_spike
from delivery.sending_models import Alert, SendingRules
from delivery.services import resume_mailing
from tests.delivery.test_leak_guard import leaky
from tests.delivery.world import World, crowd
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db

PAGE = "admin:delivery_sendingrules_changelist"


def set_rules(world: World, **fields: object) -> None:
    with tenant(world.cast.bakery.pk):
        SendingRules.objects.update_or_create(organization=world.cast.bakery, defaults=fields)


def subjects(world: World) -> list[str]:
    return [alert.subject for alert in latest_alerts(world.cast.bakery)]


def reported(world: World, mailing: Mailing, kind: str, number: int) -> None:
    with tenant(world.cast.bakery.pk):
        rows = list(Message.objects.filter(mailing=mailing, status="sent", news="").order_by("pk")[:number])
    reports = [
        Report(kind, row.reference, "", f"550 <{row.pk}@example.org> unknown", world.time, f"{kind}{row.pk}")
        for row in rows
    ]
    take_reports(world.cast.bakery, None, reports, now=world.time)


# --- Too many bounces or complaints -----------------------------------------------------------------------------------


def test_of_a_few_copies_nothing_can_be_said() -> None:
    assert not is_spike(99, 199, percent=5, least=200)
    assert not is_spike(10, 200, percent=5, least=200)
    assert is_spike(11, 200, percent=5, least=200)


def test_a_launch_of_which_too_many_are_refused_pauses_while_it_is_sent(world: World, server: SmtpServer) -> None:
    set_rules(world, bounce_least=20, bounce_percent=10)
    people = crowd(world, 400)
    server.behave(seconds_per_message=0.005, refuse={person.email: "550 5.1.1 No such user" for person in people[::2]})
    mailing = world.mailing(people)
    world.send(mailing, minutes=1)
    paused = world.state(mailing)
    assert paused.state == MailingState.PAUSED
    assert "Too many copies reach nobody" in paused.pause_reason
    assert len(server.messages()) < 200
    assert subjects(world) == ["Paused: Daily bread: Le pain de {{ first_name }}"]


def test_bounces_that_come_later_pause_what_is_left(world: World, server: SmtpServer) -> None:
    set_rules(world, bounce_least=10, bounce_percent=20)
    people = [world.person(f"p{number}") for number in range(20)]
    server.behave(refuse={"p19@example.org": "451 Later"})
    mailing = world.mailing(people)
    world.send(mailing, minutes=1)
    reported(world, mailing, News.HARD_BOUNCE, 3)
    assert world.state(mailing).state == MailingState.SENDING
    reported(world, mailing, News.HARD_BOUNCE, 1)
    assert world.state(mailing).state == MailingState.PAUSED


def test_somebody_resumes_it_and_only_what_comes_on_top_pauses_it_again(world: World, server: SmtpServer) -> None:
    set_rules(world, complaint_least=10, complaint_percent=10)
    people = [world.person(f"p{number}") for number in range(40)]
    late = {person.email: "451 Later" for person in people[20:]}
    server.behave(refuse=late)
    mailing = world.mailing(people)
    world.send(mailing, minutes=1)
    reported(world, mailing, News.COMPLAINED, 3)
    assert world.state(mailing).state == MailingState.PAUSED
    assert "reported as unwanted" in world.state(mailing).pause_reason
    world.send(mailing, hours=1)
    assert len(server.messages()) == 20, "it went on by itself"
    resume_mailing(world.cast.bakery, mailing, now=world.time)
    reported(world, mailing, News.COMPLAINED, 1)
    assert world.state(mailing).state == MailingState.SENDING, "what was accepted paused it again"
    server.behave(refuse=dict(list(late.items())[:1]))
    world.send(mailing, hours=1)
    assert len(server.messages()) == 39
    reported(world, mailing, News.COMPLAINED, 4)
    assert world.state(mailing).state == MailingState.PAUSED


def test_a_launch_is_not_paused_where_the_organization_does_not_want_it_and_they_are_told_still(
    world: World, server: SmtpServer
) -> None:
    set_rules(world, pauses=False, complaint_least=2, complaint_percent=10)
    people = [world.person(f"p{number}") for number in range(4)]
    server.behave(refuse={"p3@example.org": "451 Later"})
    mailing = world.mailing(people)
    world.send(mailing, minutes=1)
    reported(world, mailing, News.COMPLAINED, 1)
    reported(world, mailing, News.COMPLAINED, 1)
    assert world.state(mailing).state == MailingState.SENDING
    assert subjects(world) == ["Many copies fare badly: Daily bread: Le pain de {{ first_name }}"]


def test_when_all_has_left_there_is_nothing_to_pause(world: World, server: SmtpServer) -> None:
    set_rules(world, bounce_least=1, bounce_percent=1)
    server.behave(refuse={"a@example.org": "550 No"})
    mailing = world.mailing([world.person("a")])
    world.send(mailing, minutes=1)
    assert world.state(mailing).state == MailingState.DONE
    assert subjects(world) == ["Many copies fare badly: Daily bread: Le pain de {{ first_name }}"]


def test_mail_that_single_people_wait_for_is_never_paused_for_others(world: World, server: SmtpServer) -> None:
    set_rules(world, bounce_least=1, bounce_percent=1)
    mailing = world.mailing([world.person("a"), world.person("b")])
    with tenant(world.cast.bakery.pk):
        Mailing.objects.update(urgent=True)
    server.behave(refuse={"a@example.org": "550 No", "b@example.org": "451 Later"})
    world.send(mailing, minutes=1)
    assert world.state(mailing).state != MailingState.PAUSED
    assert subjects(world) == []


# --- Alerts -----------------------------------------------------------------------------------------------------------


def tell(world: World, **fields: object) -> bool:
    values = {"kind": "k", "subject": "S", "text": "T", "now": world.time, "once_per": timedelta(hours=1), **fields}
    return alert_owners(world.cast.bakery, **values)  # type: ignore[arg-type]


def test_the_same_is_said_once_in_its_time_and_without_anybodys_address(world: World) -> None:
    assert tell(world, text="550 <lea@example.org> unknown", subject="lea@example.org")
    assert not tell(world)
    assert tell(world, kind="other")
    world.time += timedelta(hours=1)
    assert tell(world)
    alerts = latest_alerts(world.cast.bakery)
    assert len(alerts) == 3
    assert not any("@" in alert.text + alert.subject for alert in alerts)


def test_alerts_are_mailed_to_those_who_want_them_once_and_after_the_commit(
    world: World, django_capture_on_commit_callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("common.jobs.current_app", SimpleNamespace(send_task=lambda name, **_more: asked.append(name)))
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        tell(world)
        assert asked == []
    assert len(callbacks) == 1
    assert asked == ["delivery.mail_alerts"]
    assert mail_alerts(world.cast.bakery, now=world.time) == 1
    assert mail_alerts(world.cast.bakery, now=world.time) == 0
    assert [message.to for message in mail.outbox] == [["ana@bakery.example"]]
    assert mail.outbox[0].subject == "[Pli] S"
    set_rules(world, alerts_to="marketers")
    tell(world, kind="other")
    assert mail_alerts(world.cast.bakery, now=world.time) == 2
    set_rules(world, alerts_to="nobody")
    tell(world, kind="third")
    assert mail_alerts(world.cast.bakery, now=world.time) == 0
    assert len(mail.outbox) == 3


def test_an_alert_that_cannot_be_mailed_is_tried_again_for_a_day(world: World, server: SmtpServer, settings) -> None:
    settings.MAILERS = {"default": {"BACKEND": "delivery.transports.MemberMailBackend"}}
    tell(world)
    server.behave(refuse={"ana@bakery.example": "451 Later"})
    assert mail_alerts(world.cast.bakery, now=world.time) == 0
    server.behave()
    assert mail_alerts(world.cast.bakery, now=world.time + timedelta(hours=1)) == 1
    assert server.recipients() == ["ana@bakery.example"]
    tell(world, kind="other")
    server.kill()
    mail_alerts(world.cast.bakery, now=world.time + timedelta(days=2))
    with tenant(world.cast.bakery.pk):
        assert not Alert.objects.filter(mailed_at=None).exists()


def test_a_mailing_that_cannot_be_sent_is_paused_and_told(world: World, server: SmtpServer) -> None:
    server.behave(refuse_sender="550 5.7.1 <lea@example.org> not allowed")
    mailing = world.mailing([world.person("a")])
    world.send(mailing, minutes=1)
    assert world.state(mailing).state == MailingState.PAUSED
    (alert,) = latest_alerts(world.cast.bakery)
    assert "5.7.1" in alert.text
    assert "lea" not in alert.text


def test_a_connection_that_stays_broken_is_told_of(world: World) -> None:
    with tenant(world.cast.bakery.pk):
        Connection.objects.create(
            organization=world.cast.bakery, name="Relay", kind="smtp", broken_since=world.time, broken_words="421 Busy"
        )
    look_after_sending(world.cast.bakery.pk, now=world.time + timedelta(minutes=14))
    assert subjects(world) == []
    for minutes in (15, 16, 300):
        look_after_sending(world.cast.bakery.pk, now=world.time + timedelta(minutes=minutes))
    assert subjects(world) == ["Connection out of order: Relay"]


def test_messages_in_doubt_are_told_of_once_a_day_and_not_for_ever(world: World, server: SmtpServer) -> None:
    server.behave(hang_up_after=["a@example.org"])
    world.send(world.mailing([world.person("a")]), minutes=1)
    for hours in (0.9, 1.1, 2, 24, 26, 50):
        look_after_sending(world.cast.bakery.pk, now=world.time + timedelta(hours=hours))
    assert subjects(world) == ["Messages that may have been sent wait for you"]


def test_a_connection_that_the_leak_guard_refuses_is_told_of(world: World, server: SmtpServer) -> None:
    with tenant(world.cast.bakery.pk):
        relay = Connection.objects.create(
            organization=world.cast.bakery, name="Relay", kind="builtin", guard_address="guard@bread.example"
        )
    send_canary(world.cast.bakery, relay, now=world.time)
    raw = server.messages()[0].raw
    judge_arrival(world.cast.bakery, relay, raw, now=world.time)
    assert subjects(world) == []
    judge_arrival(world.cast.bakery, relay, leaky(raw), now=world.time)
    assert subjects(world) == ["The leak guard refused a connection: Relay"]


# --- The page ---------------------------------------------------------------------------------------------------------

RULES = {
    "resend": "all", "resend_hours": 6, "pauses": "on", "bounce_percent": "2.5", "bounce_least": 100,
    "complaint_percent": "0.1", "complaint_least": 1000, "alerts_to": "marketers",
}  # fmt: skip


def test_owners_change_the_rules_and_others_read_them(world: World, client: Client) -> None:
    client.force_login(world.cast.max)
    assert client.get(reverse(PAGE)).status_code == 200
    assert client.post(reverse(PAGE), RULES).status_code == 403
    client.force_login(world.cast.ben)
    assert client.get(reverse(PAGE)).status_code == 403
    client.force_login(world.cast.ana)
    assert client.post(reverse(PAGE), {**RULES, "bounce_percent": "0"}).status_code == 200
    assert client.post(reverse(PAGE), RULES).status_code == 302
    with tenant(world.cast.bakery.pk):
        rules = SendingRules.objects.get()
    assert (rules.resend, rules.bounce_percent, rules.complaint_least, rules.alerts_to) == (
        "all",
        2.5,
        1000,
        "marketers",
    )
    with tenant(world.cast.cinema.pk):
        assert not SendingRules.objects.exists()
