"""Mail that somebody waits for: ahead of launches in the queue, in rates, and in the numbers of a warm-up."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import redis

from common.tenancy import tenant
from delivery.connection_models import Connection, ConnectionDay
from delivery.models import Mailing, Message, MessageCall, MessageStatus, Purpose, ServiceMessage
from delivery.service_mail import send_service_messages
from delivery.services import queue_service_message
from delivery.throttle import take
from tests.delivery.test_connections import through, use
from tests.delivery.world import World
from tests.support.smtp import SmtpServer


@pytest.fixture(autouse=True)
def fresh_buckets(settings) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


def confirm(world: World, *names: str) -> None:
    for name in names:
        queue_service_message(
            world.cast.bakery,
            world.website,
            to=f"{name}@example.org",
            participant=None,
            kind="fresh_link",
            language="en",
            subject="Your link",
            text="Here it is",
            now=world.time,
        )


def send(world: World, **later: float) -> int:
    world.time += timedelta(**later)
    return send_service_messages(world.cast.bakery.pk, clock=world.clock)


def ticking(world: World) -> Callable[[], datetime]:
    """A clock that goes on from when all are due again."""
    began = time.monotonic()
    return lambda: world.time + timedelta(minutes=1, seconds=time.monotonic() - began)


def waiting(world: World) -> list[ServiceMessage]:
    with tenant(world.cast.bakery.pk):
        return list(ServiceMessage.objects.filter(status=MessageStatus.QUEUED).order_by("due_at"))


def day_of(world: World, connection: Connection) -> list[int]:
    with tenant(world.cast.bakery.pk):
        return [day.sent for day in ConnectionDay.objects.filter(connection=connection).order_by("day")]


# --- Rates ------------------------------------------------------------------------------------------------------------


def test_urgent_mail_takes_what_is_not_there_yet_and_the_rest_waits_for_it() -> None:
    assert take("test-u", rate=4, want=50).granted == 4
    urgent = take("test-u", rate=4, want=3, urgent=True)
    assert urgent.granted == 3
    after = take("test-u", rate=4, want=1)
    assert after.granted == 0
    # Three tokens of debt, and one for itself; some of it came in meanwhile.
    assert 0.5 < after.wait <= 1.0


def test_urgent_mail_may_not_take_more_than_a_seconds_worth_ahead() -> None:
    take("test-v", rate=2, want=50)
    taken = take("test-v", rate=2, want=5, reserve=True, urgent=True)
    assert taken.granted == 2
    first, second, third = taken.later
    assert 0 < first <= 0.5
    assert [second - first, third - second] == pytest.approx([0.5, 0.5], abs=0.01)


def test_without_redis_urgent_mail_goes_first_too(settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert take("test-w", rate=8, want=10).granted == 2
    taken = take("test-w", rate=8, want=3, reserve=True, urgent=True)
    assert taken.granted == 2
    assert len(taken.later) == 1


def test_service_messages_obey_the_rate_of_a_connection(world: World, server: SmtpServer) -> None:
    use(world, through(server, world, per_second=2.0))
    confirm(world, *"abcdef")
    began = time.monotonic()
    # A second's worth, and another one ahead.
    assert send(world) == 4
    assert len(waiting(world)) == 2
    assert all(world.time < one.due_at <= world.time + timedelta(seconds=1) for one in waiting(world) if one.due_at)
    # A run with time left waits for the moment of each.
    assert send_service_messages(world.cast.bakery.pk, stop_after=10, clock=ticking(world)) == 2
    assert 0.9 < time.monotonic() - began < 30
    assert len(server.messages()) == 6


def test_service_messages_obey_the_rate_of_a_recipients_server(world: World, server: SmtpServer) -> None:
    use(world, through(server, world, per_domain={"example.org": 1}))
    confirm(world, *"abcd")
    assert send(world) == 2
    due = [(one.due_at - world.time).total_seconds() for one in waiting(world) if one.due_at]
    assert due == pytest.approx([1.0, 2.0], abs=0.1)
    assert {one.attempts for one in waiting(world)} == {0}


def test_a_launch_that_uses_the_whole_rate_does_not_hold_up_a_confirmation(world: World, server: SmtpServer) -> None:
    row = through(server, world, per_second=5.0)
    use(world, row)
    assert take(str(row.pk), rate=5.0, want=100).granted == 5
    confirm(world, "waits")
    assert send(world) == 1


# --- Warming up -------------------------------------------------------------------------------------------------------


def test_service_messages_count_while_a_connection_warms_up(world: World, server: SmtpServer) -> None:
    row = through(server, world, warmup_from=world.time.date(), warmup_first=3)
    use(world, row)
    confirm(world, *"abcde")
    assert send(world) == 3
    assert day_of(world, row) == [3]
    assert {one.error for one in waiting(world)} == {
        f"{row.name} warms up and has taken what it may take today; the others leave tomorrow."
    }
    assert send(world, minutes=10) == 0
    assert send(world, days=1) == 2


def test_a_launch_leaves_a_tenth_of_a_warm_up_to_what_is_urgent(world: World, server: SmtpServer) -> None:
    row = through(server, world, warmup_from=world.time.date(), warmup_first=10)
    use(world, row)
    mailing = world.mailing([world.person(f"p{number}") for number in range(12)])
    world.send(mailing, minutes=1)
    assert day_of(world, row) == [9]
    confirm(world, "waits", "late")
    assert send(world) == 1
    assert day_of(world, row) == [10]
    assert len(server.messages()) == 10


def test_an_urgent_mailing_takes_what_launches_leave(world: World, server: SmtpServer) -> None:
    row = through(server, world, warmup_from=world.time.date(), warmup_first=10)
    use(world, row)
    launch = world.mailing([world.person(f"p{number}") for number in range(10)])
    world.send(launch, minutes=1)
    called = world.mailing([world.person("called")], purpose=Purpose.TRANSACTIONAL, topic=False)
    with tenant(world.cast.bakery.pk):
        Mailing.objects.filter(pk=called.pk).update(urgent=True)
        message = Message.objects.get(mailing=called)
        MessageCall.objects.create(organization=world.cast.bakery, message=message, content="x", data={})
    world.send(called, minutes=1)
    assert world.statuses(called) == {"called": "sent"}
    assert sorted(world.statuses(launch).values()) == ["queued"] + ["sent"] * 9
    assert day_of(world, row) == [10]
