"""One message to one person: sent after commit, once, and never measured."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from common.tenancy import call_door, tenant
from delivery.care import look_after_sending
from delivery.connection_models import News
from delivery.models import MessageStatus, ServiceMessage, Suppression
from delivery.news import take_reports
from delivery.provider_reports import Report
from delivery.sending_models import Alert, SendingRules
from delivery.service_mail import send_service_messages
from delivery.services import queue_service_message, suppress
from delivery.unknown_service import resolve_unknown_service
from participants.rules import AddressError
from tests.delivery.world import World
from tests.support.smtp import SmtpServer

TEXT = "Bonjour,\n\nvotre lien : https://pli.example/d/AAAAAAAAAAAAAAAAAAAAAA\n\nÀ bientôt <3"


def queue(world: World, to: str = "lea@example.org", **changes: object) -> ServiceMessage:
    values: dict[str, object] = {
        "participant": None,
        "kind": "fresh_link",
        "language": "fr",
        "subject": "Votre lien é",
        "text": TEXT,
        "now": world.time,
    }
    return queue_service_message(world.cast.bakery, world.website, to=to, **(values | changes))  # type: ignore[arg-type]


def send(world: World, **later: float) -> int:
    world.time += timedelta(**later)
    return send_service_messages(world.cast.bakery.pk, clock=world.clock)


def row(world: World, message: ServiceMessage) -> ServiceMessage:
    with tenant(world.cast.bakery.pk):
        return ServiceMessage.objects.get(pk=message.pk)


def test_it_arrives_as_text_and_html_with_the_sender_below_and_nothing_measured(
    world: World, server: SmtpServer
) -> None:
    message = queue(world)
    assert send(world) == 1
    (got,) = server.messages()
    assert got.rcpt_to == "lea@example.org"
    assert got.message["Subject"] == "Votre lien é"
    assert "List-Unsubscribe" not in got.message
    assert "https://pli.example/d/AAAAAAAAAAAAAAAAAAAAAA" in got.text
    assert 'href="https://pli.example/d/AAAAAAAAAAAAAAAAAAAAAA"' in got.html
    assert "À bientôt &lt;3" in got.html
    assert '<html lang="fr">' in got.html
    for part in (got.text, got.html):
        assert "Bakery SA" in part
        assert "Rue du Four 1, 1000 Bruxelles" in part
        assert "/o/" not in part
        assert "/c/" not in part
    assert "<img" not in got.html
    sent = row(world, message)
    assert (sent.status, sent.sent_at, sent.error) == (MessageStatus.SENT, world.time, "")


def test_what_it_said_is_forgotten_once_it_left(world: World, server: SmtpServer) -> None:
    """H3: a database that somebody reads later holds no link that was sent."""
    message = queue(world, html="<p>secret</p>")
    send(world)
    assert "<p>secret</p>" in server.messages()[0].html
    assert (row(world, message).text, row(world, message).html) == ("", "")


def test_it_is_sent_once_however_often_a_worker_looks(world: World, server: SmtpServer) -> None:
    queue(world)
    assert [send(world), send(world, hours=1)] == [1, 0]
    assert len(server.messages()) == 1


def test_its_task_is_asked_for_when_the_transaction_stands(
    world: World, server: SmtpServer, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks() as waiting, tenant(world.cast.bakery.pk):
        queue(world)
    assert len(waiting) == 1


def test_a_server_that_is_away_is_tried_again_without_counting(world: World, server: SmtpServer) -> None:
    message = queue(world)
    server.kill()
    assert send(world) == 0
    waiting = row(world, message)
    assert (waiting.status, waiting.attempts) == (MessageStatus.QUEUED, 0)
    assert waiting.due_at is not None
    assert waiting.due_at > world.time
    assert waiting.error
    server.start()
    assert send(world, seconds=1) == 0, "not before its time"
    assert send(world, minutes=2) == 1


def test_a_temporary_refusal_is_tried_again_later_and_later(world: World, server: SmtpServer) -> None:
    message = queue(world)
    server.behave(refuse={"lea@example.org": "451 Try later"})
    pauses = []
    for _attempt in range(3):
        send(world, hours=1)
        due_at = row(world, message).due_at
        assert due_at is not None
        pauses.append(due_at - world.time)
    assert row(world, message).attempts == 3
    assert pauses == sorted(pauses)
    server.behave()
    assert send(world, hours=4) == 1
    assert row(world, message).status == MessageStatus.SENT


def test_a_lasting_refusal_ends_it(world: World, server: SmtpServer) -> None:
    message = queue(world)
    server.behave(refuse={"lea@example.org": "550 No such user"})
    send(world)
    ended = row(world, message)
    assert (ended.status, ended.error, ended.due_at) == (MessageStatus.FAILED, "550 No such user", None)


def test_without_an_answer_it_may_have_been_sent_and_is_not_sent_again(world: World, server: SmtpServer) -> None:
    message = queue(world)
    server.behave(hang_up_after=["lea@example.org"])
    send(world)
    assert row(world, message).status == MessageStatus.UNKNOWN
    server.behave()
    assert send(world, days=1) == 0
    assert len(server.messages()) == 1


def doubtful(world: World, server: SmtpServer) -> ServiceMessage:
    message = queue(world)
    server.behave(hang_up_after=["lea@example.org"])
    send(world)
    server.behave()
    return row(world, message)


def test_somebody_has_a_doubtful_one_sent_again_or_counted(world: World, server: SmtpServer) -> None:
    again, counted = doubtful(world, server), doubtful(world, server)
    client, stranger, viewer = Client(), Client(), Client()
    for one, user in ((client, world.cast.max), (stranger, world.cast.ben), (viewer, world.cast.dana)):
        one.force_login(user)
    page = reverse("admin:delivery_uncertainmessage_changelist")
    assert client.get(page).content.decode().count("lea@example.org</strong>") == 2
    assert "lea@example.org" not in stranger.get(page).content.decode()
    address = reverse("admin:delivery_uncertainmessage_single", args=[again.pk])
    assert [one.post(address, {"decision": "again"}).status_code for one in (stranger, viewer)] == [404, 403]
    assert client.get(address).status_code == 405
    client.post(address, {"decision": "again"})
    client.post(reverse("admin:delivery_uncertainmessage_single", args=[counted.pk]), {"decision": "count"})
    world.time = timezone.now()
    before = len(server.messages())
    assert send(world, seconds=1) == 1
    assert TEXT.split("\n")[2] in server.messages()[before].text
    for message in (again, counted):
        ended = row(world, message)
        assert (ended.status, ended.text) == (MessageStatus.SENT, "")
    with tenant(world.cast.bakery.pk):
        noted = list(AuditEntry.objects.order_by("pk").values_list("action", "actor_name"))
    who = world.cast.max.email
    assert noted[-2:] == [("sending:doubt:again", who), ("sending:doubt:count", who)]
    assert client.post(address, {"decision": "again"}).status_code == 404


def test_what_is_of_no_use_any_more_is_not_sent_again(world: World, server: SmtpServer) -> None:
    message = doubtful(world, server)
    with tenant(world.cast.bakery.pk):
        ServiceMessage.objects.update(expires_at=world.time)
    assert not resolve_unknown_service(world.cast.bakery, message.pk, resend=True, actor=None, now=world.time)
    assert row(world, message).status == MessageStatus.UNKNOWN


def test_the_setting_sends_a_doubtful_one_again_once(world: World, server: SmtpServer) -> None:
    organization, message = world.cast.bakery, doubtful(world, server)
    later = world.time + timedelta(hours=5)
    look_after_sending(organization.pk, now=later)
    assert row(world, message).status == MessageStatus.UNKNOWN
    with tenant(organization.pk):
        SendingRules.objects.create(organization=organization, resend="not_marketing", resend_hours=4)
    assert (organization.pk,) in call_door("door_sending_troubles", [later])
    look_after_sending(organization.pk, now=later - timedelta(hours=2))
    assert row(world, message).status == MessageStatus.UNKNOWN
    look_after_sending(organization.pk, now=later)
    assert row(world, message).status == MessageStatus.QUEUED
    server.behave(hang_up_after=["lea@example.org"])
    world.time = later
    send(world)
    look_after_sending(organization.pk, now=later + timedelta(days=2))
    assert row(world, message).status == MessageStatus.UNKNOWN


def test_owners_are_told_of_doubtful_ones(world: World, server: SmtpServer) -> None:
    doubtful(world, server)
    look_after_sending(world.cast.bakery.pk, now=world.time + timedelta(hours=2))
    with tenant(world.cast.bakery.pk):
        assert [alert.kind for alert in Alert.objects.all()] == ["unknown"]


@pytest.mark.parametrize(("kind", "status"), [(News.DELIVERED, "sent"), (News.REJECTED, "failed")])
def test_news_settle_a_doubtful_one(world: World, server: SmtpServer, kind: str, status: str) -> None:
    message = doubtful(world, server)
    report = Report(kind, message.reference, "", "No such user", world.time, "one")
    take_reports(world.cast.bakery, None, [report], now=world.time)
    settled = row(world, message)
    assert (settled.status, settled.text) == (status, "")


def test_what_a_dead_worker_was_sending_is_unknown(world: World, server: SmtpServer) -> None:
    message = queue(world)
    with tenant(world.cast.bakery.pk):
        ServiceMessage.objects.update(status=MessageStatus.SENDING, due_at=world.time + timedelta(minutes=2))
    send(world, minutes=1)
    assert row(world, message).status == MessageStatus.SENDING
    assert send(world, minutes=2) == 0
    assert row(world, message).status == MessageStatus.UNKNOWN
    assert server.messages() == []


def test_what_a_dead_worker_only_prepared_is_sent_by_another(world: World, server: SmtpServer) -> None:
    queue(world)
    with tenant(world.cast.bakery.pk):
        ServiceMessage.objects.update(status=MessageStatus.CLAIMED, due_at=world.time + timedelta(seconds=30))
    assert send(world, seconds=10) == 0
    assert send(world, minutes=1) == 1


def test_an_address_that_takes_no_mail_gets_none_and_one_that_unsubscribed_does(
    world: World, server: SmtpServer
) -> None:
    with tenant(world.cast.bakery.pk):
        suppress(world.cast.bakery, "gone@example.org", reason="bounced", source="test", now=world.time)
        suppress(world.cast.bakery, "left@example.org", reason="unsubscribed", source="test", now=world.time)
    gone, left = queue(world, "Gone@Example.org"), queue(world, "left@example.org")
    assert send(world) == 1
    assert row(world, gone).status == MessageStatus.SUPPRESSED
    assert row(world, left).status == MessageStatus.SENT
    with tenant(world.cast.bakery.pk):
        assert Suppression.objects.count() == 2


def test_what_came_too_late_is_not_sent(world: World, server: SmtpServer) -> None:
    message = queue(world, expires_at=world.time + timedelta(hours=1))
    assert send(world, hours=2) == 0
    assert row(world, message).status == MessageStatus.CANCELLED


def test_nothing_can_break_out_of_a_header(world: World, server: SmtpServer) -> None:
    with pytest.raises(AddressError):
        queue(world, "lea@example.org\nBcc: all@example.org")
    queue(world, subject="Hello\r\nBcc: all@example.org")
    send(world)
    assert server.messages()[0].message["Bcc"] is None


def test_it_offers_unsubscribing_only_where_its_sender_says_so(world: World, server: SmtpServer) -> None:
    """D1: a message that people can unsubscribe from says it in its headers."""
    queue(world, unsubscribe_url="https://pli.example/u/key")
    send(world)
    assert server.messages()[0].message["List-Unsubscribe"] == "<https://pli.example/u/key>"


def test_the_door_tells_whose_messages_are_due(world: World) -> None:
    queue(world)
    assert call_door("door_due_service_messages", [world.time - timedelta(seconds=1)]) == []
    assert call_door("door_due_service_messages", [world.time]) == [(world.cast.bakery.pk,)]
