"""Several workers at one mailing, and what is left when one of them ends: nobody is lost, nobody gets two."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from bench.torture_sending import Server
from common.keys import decode_key, encode_key
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import Mailing, MailingState, Message
from delivery.outbox import CLAIM_LEASE, claim_messages
from delivery.outcomes import SENDING_LEASE
from delivery.selectors import needs_sender
from delivery.sending import LARGEST_GROUP, send_mailing
from delivery.services import (
    begin_mailing,
    pause_mailing,
)
from delivery.tasks import send_due_mailings
from delivery.tasks import send_mailing as send_task
from tests.delivery.world import World, by_name, crowd, end, real_world, start_worker
from tests.support.cast import Cast
from tests.support.gate import Gate
from tests.support.smtp import SmtpServer
from tests.support.wait import wait_until
from tests.support.world import choose

across_processes = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

# --- Leases -----------------------------------------------------------------------------------------------------------


def claim(world: World, mailing: Mailing) -> None:
    """What a worker does before it is killed."""
    started = begin_mailing(world.cast.bakery.pk, mailing.pk, now=world.time)
    assert started is not None
    claim_messages(started, after=0, limit=100, now=world.time)


def test_a_claim_that_ran_out_is_decided_anew_with_a_new_key(world: World, server: SmtpServer) -> None:
    yes, changed = world.person("yes", choice=ChoiceValue.YES), world.person("changed", choice=ChoiceValue.YES)
    mailing = world.mailing([yes, changed])
    claim(world, mailing)
    first = world.rows(mailing)["yes"].tracked_message.key
    world.send(mailing, seconds=CLAIM_LEASE.total_seconds() - 1)
    assert server.messages() == []
    choose(world.cast.bakery, changed, now=world.time, opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    world.send(mailing, seconds=2)
    got, rows = by_name(server), world.rows(mailing)
    assert rows["yes"].tracked_message.key != first
    assert encode_key(rows["yes"].tracked_message.key) in got["yes"].html
    assert rows["changed"].tracked_message is None
    assert "/o/" not in got["changed"].html
    # No key is left that leads to a person without a sent copy.
    assert world.tracked() == 1


def test_what_stood_in_sending_when_its_worker_ended_becomes_unknown(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person("a")])
    claim(world, mailing)
    with tenant(world.cast.bakery.pk):
        Message.objects.update(status="sending", due_at=world.time + SENDING_LEASE)
    world.send(mailing, seconds=SENDING_LEASE.total_seconds() - 1)
    assert world.statuses(mailing) == {"a": "sending"}
    world.send(mailing, seconds=2)
    assert world.statuses(mailing) == {"a": "unknown"}
    assert world.state(mailing).state == MailingState.DONE
    assert server.messages() == []


def test_beat_asks_for_a_worker_only_where_nobody_is_at_it(world: World, server: SmtpServer) -> None:
    mailing = world.mailing([world.person("a")])

    def needed() -> bool:
        with tenant(world.cast.bakery.pk):
            return needs_sender(Mailing.objects.get(pk=mailing.pk), now=world.time)

    assert needed()
    claim(world, mailing)
    assert not needed()
    world.time += CLAIM_LEASE
    assert needed()
    server.behave(refuse={"a@example.org": "451 Later"})
    world.send(mailing)
    assert not needed()
    world.time += timedelta(hours=1)
    assert needed()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, int]]]:
    """The tasks that the broker was asked to hand on."""
    asked: list[tuple[str, dict[str, int]]] = []
    monkeypatch.setattr("common.jobs.current_app.send_task", lambda name, kwargs, **_more: asked.append((name, kwargs)))
    return asked


def test_beat_finds_due_mailings_of_every_organization(
    world: World, asked: list[object], django_capture_on_commit_callbacks
) -> None:
    world.time = timezone.now() - timedelta(minutes=1)
    mailing = world.mailing([world.person("a")])
    with django_capture_on_commit_callbacks(execute=True):
        send_due_mailings()
    expected = {"organization_id": world.cast.bakery.pk, "mailing_id": mailing.pk}
    assert asked == [("delivery.send_mailing", expected)]


def test_a_task_asks_for_the_next_one_until_all_is_sent(
    world: World,
    server: SmtpServer,
    asked: list[object],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks,
) -> None:
    monkeypatch.setattr("delivery.tasks.RUN_SECONDS", 0.05)
    server.behave(seconds_per_message=0.02)
    world.time = timezone.now() - timedelta(minutes=1)
    mailing = world.mailing([world.person(f"p{number}") for number in range(100)])
    expected = {"organization_id": world.cast.bakery.pk, "mailing_id": mailing.pk}
    runs = 0
    while runs == 0 or asked:
        asked.clear()
        with django_capture_on_commit_callbacks(execute=True):
            send_task(**expected)
        runs += 1
    assert runs > 2
    assert sorted(Counter(server.recipients()).values()) == [1] * 100
    assert world.state(mailing).state == MailingState.DONE


# --- Several workers, and the end of one ------------------------------------------------------------------------------


@across_processes
def test_two_workers_at_one_mailing_send_each_message_once(
    transactional_db: None, cast: Cast, server: SmtpServer
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 1000))
    workers = [start_worker(world, mailing, server) for _ in range(2)]
    assert [end(worker) for worker in workers] == [0, 0]
    assert set(Counter(server.recipients()).values()) == {1}
    assert len(server.messages()) == 1000
    assert set(world.statuses(mailing).values()) == {"sent"}
    assert world.state(mailing).state == MailingState.DONE


@across_processes
def test_a_killed_worker_loses_nobody_and_nobody_gets_two(
    transactional_db: None, cast: Cast, server: SmtpServer, settings
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 400))
    server.behave(seconds_per_message=0.05)
    worker = start_worker(world, mailing, server)
    wait_until(lambda: len(server.recipients()) > 60)
    worker.kill()
    end(worker)
    left = Counter(world.statuses(mailing).values())
    assert left["claimed"]
    assert 0 < left["sending"] <= settings.SMTP_CONNECTIONS * LARGEST_GROUP
    server.behave()

    for lease in (CLAIM_LEASE, SENDING_LEASE):
        moment = timezone.now() + lease
        send_mailing(cast.bakery.pk, mailing.pk, clock=lambda moment=moment: moment)
    rows = world.rows(mailing)
    statuses = Counter(row.status for row in rows.values())
    got = Counter(received.rcpt_to for received in server.messages())
    assert statuses == {"sent": 400 - left["sending"], "unknown": left["sending"]}
    assert set(got.values()) == {1}
    assert {row.participant.email for row in rows.values() if row.status == "sent"} <= set(got)
    assert {row.participant.email for row in rows.values() if row.status == "unknown"} >= {
        row.participant.email for row in rows.values()
    } - set(got)
    assert world.state(mailing).state == MailingState.DONE
    # Every key belongs to a copy that left or may have left, and stands in what was received.
    keys = {row.tracked_message.key for row in rows.values() if row.tracked_message}
    assert world.tracked() == len(keys)
    for received in server.messages():
        if "/o/" in received.html:
            key = decode_key(received.html.partition("/o/")[2][:22])
            assert key in keys


@across_processes
def test_what_servers_said_outlives_an_outage_of_the_database(
    transactional_db: None, cast: Cast, server: SmtpServer
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 200))
    server.behave(seconds_per_message=0.05)
    gate = Gate(os.environ["DATABASE_URL"])
    worker = start_worker(world, mailing, server, DATABASE_URL=gate.url)
    wait_until(lambda: len(server.recipients()) > 40)
    gate.shut()
    # What was on its way is finished meanwhile, and nothing else can leave.
    settled = wait_until(lambda: len(server.recipients()) if _is_quiet(server) else 0)
    gate.reopen()
    assert end(worker) == 0
    gate.close()
    assert 40 < settled < 200
    assert set(Counter(server.recipients()).values()) == {1}
    assert Counter(world.statuses(mailing).values()) == {"sent": 200}


def _is_quiet(server: SmtpServer) -> bool:
    """Whether a second passes without a new message."""
    before = len(server.recipients())
    threading.Event().wait(1.0)
    return len(server.recipients()) == before


@across_processes
def test_pause_takes_effect_within_two_seconds_while_sending(
    transactional_db: None, cast: Cast, server: SmtpServer, tmp_path: Path
) -> None:
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 2000))
    server.behave(seconds_per_message=0.2)
    worker = start_worker(world, mailing, server)
    wait_until(lambda: len(server.recipients()) > 10)
    pause_mailing(cast.bakery, mailing, now=timezone.now())
    paused_at = time.time()
    end(worker)
    last_arrival = (tmp_path / "sink" / "messages").stat().st_mtime
    assert last_arrival <= paused_at + 2.0
    sent = len(server.recipients())
    assert Counter(world.statuses(mailing).values()) == {"sent": sent, "queued": 2000 - sent}


@across_processes
def test_under_full_speed_nothing_arrives_later_than_two_seconds_after_a_pause(
    transactional_db: None, cast: Cast, tmp_path: Path
) -> None:
    sink = Server(tmp_path, 0.0)
    world = real_world(cast)
    mailing = world.mailing(crowd(world, 3000))
    workers = [start_worker(world, mailing, f"smtp://127.0.0.1:{sink.port}") for _number in range(2)]
    try:
        wait_until(lambda: len(sink.accepted()) > 300, 60)
        pause_mailing(cast.bakery, mailing, now=timezone.now())
        paused_at = time.time()
        assert [end(worker) for worker in workers] == [0, 0]
        moments = [moment for moment, _reference in sink.accepted()]
    finally:
        sink.kill()
    assert len(moments) < 3000, "it was over before it was paused"
    assert max(moments) <= paused_at + 2.0
    assert Counter(world.statuses(mailing).values()) == {"sent": len(moments), "queued": 3000 - len(moments)}


def test_a_run_ends_after_its_time_and_says_that_there_is_more(world: World, server: SmtpServer) -> None:
    server.behave(seconds_per_message=0.02)
    mailing = world.mailing([world.person(f"p{number}") for number in range(100)])
    progress = send_mailing(world.cast.bakery.pk, mailing.pk, stop_after=0.2, clock=world.clock)
    assert progress.more_due
    assert 0 < progress.counts["sent"] < 100
    assert Counter(world.statuses(mailing).values())["claimed"] == 0
    while world.send(mailing).more_due:
        pass
    assert sorted(Counter(server.recipients()).values()) == [1] * 100


def test_threads_of_connections_end_with_their_run(world: World, server: SmtpServer) -> None:
    world.send(world.mailing([world.person("a")]), minutes=1)
    assert [thread for thread in threading.enumerate() if thread.name == "smtp"] == []
