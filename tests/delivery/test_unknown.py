"""Messages that may have been sent: decided by people, by the setting, or by news, once and on the record."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery import tasks as beat
from delivery.care import look_after_sending
from delivery.connection_models import Connection, News
from delivery.models import Mailing, MailingState, Message, Purpose
from delivery.news import take_reports
from delivery.outbox import claim_messages
from delivery.outcomes import SENDING_LEASE, Settled, record
from delivery.provider_reports import Report
from delivery.sending_models import AutomaticResend, SendingRules, UnknownDecision
from delivery.services import begin_mailing, cancel_mailing, pause_mailing
from delivery.unknown import Resolved, resend_by_setting, resolve_unknown, what_would_settle
from participants.models import Participant
from privacy.services.erasure import erase_participant
from tests.delivery.world import World
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db

LIST = "admin:delivery_uncertainmessage_changelist"


def doubtful(world: World, server: SmtpServer, *names: str, purpose: Purpose = Purpose.MARKETING) -> Mailing:
    """A mailing whose server hung up before it answered for these people; what it stored is counted as sent once."""
    server.behave(hang_up_after=[f"{name}@example.org" for name in names])
    people = [world.person(name, choice=ChoiceValue.YES) for name in names]
    mailing = world.mailing(people, purpose=purpose)
    for _run in names:
        world.send(mailing, minutes=2)
    assert set(world.statuses(mailing).values()) == {"unknown"}
    server.behave()
    return mailing


def ids(world: World, mailing: Mailing) -> list[int]:
    return [row.pk for row in world.rows(mailing).values()]


def reported(world: World, message: Message, kind: str = News.DELIVERED) -> None:
    report = Report(kind, message.reference, "", "", world.time, f"{kind}{message.pk}")
    take_reports(world.cast.bakery, None, [report], now=world.time)


def decisions(world: World) -> list[tuple[bool, str, bool]]:
    with tenant(world.cast.bakery.pk):
        rows = UnknownDecision.objects.select_related("decided_by").order_by("pk")
        return [(row.resend, str(row.decided_by or ""), row.by_setting) for row in rows]


def set_rules(world: World, **fields: object) -> None:
    with tenant(world.cast.bakery.pk):
        SendingRules.objects.update_or_create(organization=world.cast.bakery, defaults=fields)


# --- By a person ------------------------------------------------------------------------------------------------------


def test_counted_as_sent_it_is_sent_since_the_moment_of_doubt_and_not_again(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a")
    doubt = world.rows(mailing)["a"].uncertain_at
    resolved = resolve_unknown(
        world.cast.bakery, ids(world, mailing), resend=False, actor=world.cast.max, now=world.time
    )
    world.send(mailing, hours=1)
    row = world.rows(mailing)["a"]
    assert resolved == Resolved(counted=1)
    assert (row.status, row.sent_at, row.error) == ("sent", doubt, "")
    assert len(server.messages()) == 1
    assert decisions(world) == [(False, "Max", False)]


def test_sent_again_it_leaves_once_more_under_the_same_message_id_with_a_key_of_its_own(
    world: World, server: SmtpServer
) -> None:
    mailing = doubtful(world, server, "a")
    assert world.state(mailing).state == MailingState.DONE
    first = world.rows(mailing)["a"].tracked_message_id
    now = world.time
    assert (
        resolve_unknown(world.cast.bakery, ids(world, mailing), resend=True, actor=world.cast.ana, now=now).resent == 1
    )
    assert world.state(mailing).state == MailingState.SENDING
    world.send(mailing, minutes=1)
    one, two = server.messages()
    assert one.message["Message-ID"] == two.message["Message-ID"]
    # Whoever has both unsubscribes by either.
    assert one.message["List-Unsubscribe"] == two.message["List-Unsubscribe"]
    row = world.rows(mailing)["a"]
    assert row.status == "sent"
    # What is measured of the first copy still belongs to the person, and goes when they withdraw.
    assert row.tracked_message_id != first
    assert world.tracked() == 2
    assert world.state(mailing).state == MailingState.DONE
    assert decisions(world) == [(True, "Ana", False)]


def test_what_is_no_longer_in_doubt_is_left_alone(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a", "b")
    reported(world, world.rows(mailing)["a"])
    both = ids(world, mailing)
    now = world.time
    assert resolve_unknown(world.cast.bakery, both, resend=True, actor=world.cast.ana, now=now) == Resolved(resent=1)
    assert resolve_unknown(world.cast.bakery, both, resend=True, actor=world.cast.ana, now=now) == Resolved()
    world.send(mailing, minutes=1)
    assert Counter(server.recipients()) == {"a@example.org": 1, "b@example.org": 2}


def test_a_stranger_decides_nothing(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a")
    resolved = resolve_unknown(
        world.cast.cinema, ids(world, mailing), resend=True, actor=world.cast.cleo, now=world.time
    )
    assert resolved == Resolved()
    assert world.statuses(mailing) == {"a": "unknown"}


def test_nothing_is_sent_again_of_a_cancelled_launch_or_to_an_erased_person(world: World, server: SmtpServer) -> None:
    waits, gone = world.person("waits"), world.person("gone")
    server.behave(hang_up_after=["gone@example.org"], refuse={"waits@example.org": "451 Later"})
    mailing = world.mailing([waits, gone])
    for _run in range(2):
        world.send(mailing, seconds=5)
    with tenant(world.cast.bakery.pk):
        person = Participant.objects.get(pk=gone.pk)
    erase_participant(world.cast.bakery, person, actor=world.cast.ana, reason="asked", now=world.time)
    with tenant(world.cast.bakery.pk):
        erased = Message.objects.get(participant=None)
    assert erased.status == "unknown"
    now = world.time
    assert resolve_unknown(world.cast.bakery, [erased.pk], resend=True, actor=None, now=now) == Resolved(left=1)
    cancel_mailing(world.cast.bakery, mailing, now=now)
    assert resolve_unknown(world.cast.bakery, [erased.pk], resend=True, actor=None, now=now) == Resolved(left=1)
    assert resolve_unknown(world.cast.bakery, [erased.pk], resend=False, actor=None, now=now) == Resolved(counted=1)


# --- By the setting ---------------------------------------------------------------------------------------------------


def test_nothing_is_sent_again_by_itself_unless_the_organization_wants_it(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a")
    look_after_sending(world.cast.bakery.pk, now=world.time + timedelta(days=30))
    world.send(mailing, days=31)
    assert len(server.messages()) == 1
    assert world.statuses(mailing) == {"a": "unknown"}


@pytest.mark.parametrize(
    ("rule", "purpose", "sent"),
    [
        (AutomaticResend.NOT_MARKETING, Purpose.MARKETING, 1),
        (AutomaticResend.NOT_MARKETING, Purpose.TRANSACTIONAL, 2),
        (AutomaticResend.ALL, Purpose.MARKETING, 2),
    ],
)
def test_the_setting_sends_again_after_its_hours(
    world: World, server: SmtpServer, rule: str, purpose: Purpose, sent: int
) -> None:
    set_rules(world, resend=rule, resend_hours=3)
    mailing = doubtful(world, server, "a", purpose=purpose)
    assert resend_by_setting(world.cast.bakery, now=world.time + timedelta(hours=2, minutes=55)) == Resolved()
    look_after_sending(world.cast.bakery.pk, now=world.time + timedelta(hours=3))
    world.send(mailing, hours=3)
    assert len(server.messages()) == sent
    assert decisions(world) == ([(True, "", True)] if sent == 2 else [])


def test_a_second_doubt_is_for_a_person(world: World, server: SmtpServer) -> None:
    set_rules(world, resend=AutomaticResend.ALL, resend_hours=1)
    mailing = doubtful(world, server, "a")
    for _day in range(3):
        server.behave(hang_up_after=["a@example.org"])
        look_after_sending(world.cast.bakery.pk, now=world.time + timedelta(days=1))
        world.send(mailing, days=1)
    assert len(server.messages()) == 2
    assert world.statuses(mailing) == {"a": "unknown"}


# --- By news ----------------------------------------------------------------------------------------------------------


def lost(world: World) -> Mailing:
    """A message whose worker was killed while its bytes left."""
    mailing = world.mailing([world.person("lost", choice=ChoiceValue.YES)])
    begun = begin_mailing(world.cast.bakery.pk, mailing.pk, now=world.time)
    assert begun is not None
    claim_messages(begun, after=0, limit=10, now=world.time)
    with tenant(world.cast.bakery.pk):
        Message.objects.filter(mailing=mailing).update(status="sending", due_at=world.time + SENDING_LEASE)
    return mailing


def test_news_before_the_lease_ran_out_settle_what_a_killed_worker_left(world: World, server: SmtpServer) -> None:
    mailing = lost(world)
    reported(world, world.rows(mailing)["lost"])
    world.send(mailing, seconds=SENDING_LEASE.total_seconds() + 1)
    row = world.rows(mailing)["lost"]
    assert (row.status, row.news) == ("sent", "delivered")
    assert row.sent_at is not None


def test_news_that_come_before_the_answer_is_missed_settle_it(world: World, server: SmtpServer) -> None:
    mailing = lost(world)
    row = world.rows(mailing)["lost"]
    reported(world, row)
    with tenant(world.cast.bakery.pk):
        record([Settled(row.pk, "unknown", "421 gone", None, 0)], now=world.time)
    assert world.statuses(mailing) == {"lost": "sent"}


def test_news_of_the_first_copy_stop_the_second(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a", "b")
    resolve_unknown(world.cast.bakery, ids(world, mailing), resend=True, actor=world.cast.ana, now=world.time)
    # One waits, the other is being prepared.
    begun = begin_mailing(world.cast.bakery.pk, mailing.pk, now=world.time)
    assert begun is not None
    claim_messages(begun, after=0, limit=1, now=world.time)
    rows = world.rows(mailing)
    assert {row.status for row in rows.values()} == {"claimed", "queued"}
    for row in rows.values():
        reported(world, row)
    world.send(mailing, minutes=5)
    assert Counter(server.recipients()) == {"a@example.org": 1, "b@example.org": 1}
    assert set(world.statuses(mailing).values()) == {"sent"}
    # The keys of the copies that left; the one that was being prepared has none any more.
    assert world.tracked() == 2
    assert world.state(mailing).state == MailingState.DONE


def test_news_after_the_second_copy_change_nothing_but_what_is_known_of_it(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a")
    resolve_unknown(world.cast.bakery, ids(world, mailing), resend=True, actor=world.cast.ana, now=world.time)
    world.send(mailing, minutes=1)
    sent_at = world.rows(mailing)["a"].sent_at
    reported(world, world.rows(mailing)["a"])
    row = world.rows(mailing)["a"]
    assert (row.status, row.sent_at, row.news) == ("sent", sent_at, "delivered")


def test_a_service_that_refused_the_first_copy_does_not_stop_the_second(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a")
    resolve_unknown(world.cast.bakery, ids(world, mailing), resend=True, actor=world.cast.ana, now=world.time)
    reported(world, world.rows(mailing)["a"], News.REJECTED)
    world.send(mailing, minutes=1)
    assert len(server.messages()) == 2
    assert world.statuses(mailing) == {"a": "sent"}


@pytest.mark.parametrize("stop", [pause_mailing, cancel_mailing])
def test_what_a_killed_worker_left_in_a_stopped_mailing_is_found(world: World, server: SmtpServer, stop) -> None:
    mailing = lost(world)
    stop(world.cast.bakery, mailing, now=world.time)
    look_after_sending(world.cast.bakery.pk, now=world.time + SENDING_LEASE - timedelta(seconds=1))
    assert world.statuses(mailing) == {"lost": "sending"}
    look_after_sending(world.cast.bakery.pk, now=world.time + SENDING_LEASE)
    assert world.statuses(mailing) == {"lost": "unknown"}


def test_beat_finds_every_organization_in_trouble_and_mails_what_is_left(world: World, server: SmtpServer) -> None:
    world.time = timezone.now() - timedelta(hours=3)
    set_rules(world, resend=AutomaticResend.ALL, resend_hours=1)
    mailing = doubtful(world, server, "a")
    beat.look_after_sending()
    assert world.statuses(mailing) == {"a": "queued"}
    beat.mail_alerts(organization_id=world.cast.bakery.pk)
    paused = lost(world)
    pause_mailing(world.cast.bakery, paused, now=world.time)
    beat.look_after_sending()
    assert world.statuses(paused) == {"lost": "unknown"}


# --- In the console ---------------------------------------------------------------------------------------------------


def member(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_list_shows_what_somebody_needs_to_decide(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a")
    page = member(world.cast.max).get(reverse(LIST)).content.decode()
    assert "a@example.org" in page
    assert world.rows(mailing)["a"].error in page
    detail = member(world.cast.max).get(f"{reverse(LIST)}{ids(world, mailing)[0]}/change/").content.decode()
    assert world.rows(mailing)["a"].reference.hex in detail
    assert "the same email twice" in detail


def test_a_service_without_reports_is_named(world: World) -> None:
    kinds = {"scaleway": "sends no reports", "brevo": "A report of Brevo"}
    for provider, words in kinds.items():
        message = Message(connection=Connection(kind="esp", provider=provider))
        assert words in what_would_settle(message)
    assert "bounce" in what_would_settle(Message(connection=None))


def test_one_is_decided_by_its_buttons_and_by_post_alone(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a", "b")
    first, second = ids(world, mailing)
    client = member(world.cast.max)
    for name in ("count", "again"):
        address = reverse(f"admin:delivery_uncertainmessage_{name}", args=[first])
        assert client.get(address).status_code == 405
        assert member(world.cast.dana).post(address).status_code == 403
        assert member(world.cast.ben).post(address).status_code == 404
    client.post(reverse("admin:delivery_uncertainmessage_count", args=[first]))
    client.post(reverse("admin:delivery_uncertainmessage_again", args=[second]))
    assert decisions(world) == [(False, "Max", False), (True, "Max", False)]


def test_many_are_sent_again_only_after_the_risk_was_read(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a", "b")
    client = member(world.cast.ana)
    data = {"action": "send_again", "_selected_action": ids(world, mailing)}
    asked = client.post(reverse(LIST), data).content.decode()
    assert "Send 2 messages again?" in asked
    assert "the same email twice" in asked
    assert decisions(world) == []
    client.post(reverse(LIST), {**data, "confirmed": "1"})
    assert len(decisions(world)) == 2
    assert set(world.statuses(mailing).values()) == {"queued"}


def test_many_are_counted_as_sent_at_once(world: World, server: SmtpServer) -> None:
    mailing = doubtful(world, server, "a", "b")
    data = {"action": "count_as_sent", "_selected_action": ids(world, mailing)}
    member(world.cast.dana).post(reverse(LIST), data)
    assert decisions(world) == []
    member(world.cast.max).post(reverse(LIST), data)
    assert set(world.statuses(mailing).values()) == {"sent"}
