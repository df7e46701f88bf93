"""Group commit: many hits with one statement, answers that never wait long, and nothing stored twice."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from common import metrics
from common.keys import encode_key, new_key
from tests.support.asgi import ask
from tests.support.async_gate import AsyncGate
from tests.support.hits import LONG_AGO, Copies, batch_of, store
from tests.support.ports import free_port
from tracking.asgi import HitApplication
from tracking.record_now import record_now
from tracking.recorder import OPEN, Recorder

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def nowhere() -> str:
    return f"postgres://pli_recorder:x@127.0.0.1:{free_port()}/pli"


def measured(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def recording(url: str = "", answer_within: float = 60, **options: Any) -> AsyncIterator[Recorder]:
    """Answers come after the commit, however busy the machine is, where a test does not ask for another."""
    recorder = Recorder(url or settings.RECORDER_DATABASE_URL, answer_within=answer_within, **options)
    try:
        yield recorder
    finally:
        await recorder.close(seconds=60)


async def stored(copies: Copies, count: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while len(await sync_to_async(copies.hits)()) < count:
        assert time.monotonic() < deadline, f"not {count} hits within {seconds} s"
        await asyncio.sleep(0.02)  # a pause between two looks, not a synchronisation


def test_an_answer_that_was_waited_for_means_that_the_hit_is_committed(copies: Copies) -> None:
    key = copies.copy().key.hex

    async def one_hit() -> bool | None:
        async with recording() as recorder:
            done = recorder.take(key, OPEN, 0, 1)
            assert done is not None
            acknowledged = await done
            assert len(await sync_to_async(copies.hits)()) == 1
            return acknowledged

    assert asyncio.run(one_hit()) is True


def test_hits_that_come_together_are_stored_with_one_statement(copies: Copies) -> None:
    keys = [copies.copy().key.hex for _ in range(50)]
    statements = measured("pli_hit_batch_size_count")
    acknowledged = measured("pli_hit_answers_total", acknowledged="yes")

    async def many_hits() -> None:
        async with recording() as recorder:
            await asyncio.gather(*(recorder.take(key, OPEN, 0, 1) for key in keys))  # type: ignore[arg-type]

    asyncio.run(many_hits())
    assert len(copies.hits()) == 50
    assert measured("pli_hit_batch_size_count") - statements == 1
    assert measured("pli_hit_answers_total", acknowledged="yes") - acknowledged == 50


def test_nobody_waits_longer_than_a_quarter_of_a_second_for_a_database_that_is_away() -> None:
    async def one_hit() -> tuple[bool | None, float]:
        recorder = Recorder(nowhere())
        began = time.monotonic()
        done = recorder.take(new_key().hex, OPEN, 0, 1)
        assert done is not None
        acknowledged = await done
        took = time.monotonic() - began
        await recorder.close(seconds=0.1)
        return acknowledged, took

    late = measured("pli_hit_answers_total", acknowledged="no")
    left_over = measured("pli_hits_dropped_total", reason="shutdown")
    acknowledged, took = asyncio.run(one_hit())
    assert acknowledged is False
    assert 0.2 < took < 3
    assert measured("pli_hit_answers_total", acknowledged="no") - late == 1
    assert measured("pli_hits_dropped_total", reason="shutdown") - left_over == 1


def test_hits_that_came_while_the_database_was_away_are_stored_when_it_is_back(copies: Copies) -> None:
    keys = [copies.copy().key.hex for _ in range(3)]

    async def an_outage() -> None:
        gate = AsyncGate(settings.RECORDER_DATABASE_URL)
        await gate.open()
        async with recording(gate.url, answer_within=0.05) as recorder:
            await gate.shut()
            for key in keys:
                done = recorder.take(key, OPEN, 0, 1)
                assert done is not None
                assert await done is False
            await gate.open()
            await stored(copies, 3)
        await gate.shut()

    asyncio.run(an_outage())
    assert len(copies.hits()) == 3


def test_a_retry_after_a_lost_commit_reply_adds_nothing(copies: Copies) -> None:
    first, second = copies.copy().key.hex, copies.copy().key.hex

    async def a_lost_reply() -> None:
        gate = AsyncGate(settings.RECORDER_DATABASE_URL)
        await gate.open()
        async with recording(gate.url) as recorder:
            await recorder.take(first, OPEN, 0, 1)  # type: ignore[misc]
            gate.swallow_replies = True
            done = recorder.take(second, OPEN, 0, 1)
            # The database has it, and the recorder cannot know.
            await stored(copies, 2)
            assert done is not None
            assert not done.done()
            await gate.shut()
            gate.swallow_replies = False
            await gate.open()
            assert await done is True
        await gate.shut()

    asyncio.run(a_lost_reply())
    assert len(copies.hits()) == 2


def test_what_finds_no_room_in_memory_is_answered_at_once_and_counted(copies: Copies) -> None:
    dropped = measured("pli_hits_dropped_total", reason="full")

    async def four_hits() -> list[Any]:
        recorder = Recorder(nowhere(), hits_kept=3, answer_within=0.05)
        taken = [recorder.take(new_key().hex, OPEN, 0, 1) for _ in range(4)]
        await recorder.close(seconds=0.1)
        return taken

    taken = asyncio.run(four_hits())
    assert taken[3] is None
    assert None not in taken[:3]
    assert measured("pli_hits_dropped_total", reason="full") - dropped == 1


def test_closing_stores_what_nobody_waited_for(copies: Copies) -> None:
    keys = [copies.copy().key.hex] * 5000

    async def in_a_hurry() -> None:
        async with recording() as recorder:
            for key in keys:
                recorder.take(key, OPEN, 0, 1)

    asyncio.run(in_a_hurry())
    assert len(copies.hits()) == 5000


def test_a_statement_that_is_stalled_holds_up_its_own_hits_only(copies: Copies) -> None:
    stalled, lively = copies.shared("IT").key.hex, copies.copy().key.hex
    copies.permit("IT", opens_anonymous_since=LONG_AGO)
    store(batch_of(stalled))

    async def one_waits(lock: psycopg.AsyncConnection[Any]) -> list[bool]:
        async with recording() as recorder:
            await lock.execute("SELECT FROM tracking_anonymoustotal FOR UPDATE")
            first = recorder.take(stalled, OPEN, 0, 1)
            await asyncio.sleep(0)
            second = recorder.take(lively, OPEN, 0, 1)
            assert first is not None
            assert second is not None
            found = [await second, first.done()]
            await lock.rollback()
            return [*found, await first]

    async def with_lock() -> list[bool]:
        async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_OWNER_URL"]) as lock:
            return await one_waits(lock)

    assert asyncio.run(with_lock()) == [True, False, True]
    assert copies.totals() == {(1, 0, 1): 2}


def test_many_small_batches_of_an_outage_are_stored_with_few_statements(copies: Copies) -> None:
    key = copies.copy().key.hex
    statements = measured("pli_hit_batch_size_count")

    async def an_outage() -> None:
        gate = AsyncGate(settings.RECORDER_DATABASE_URL)
        await gate.open()
        async with recording(gate.url, answer_within=0.01) as recorder:
            await gate.shut()
            for _ in range(20):
                done = recorder.take(key, OPEN, 0, 1)
                assert done is not None
                assert await done is False
            await gate.open()
            await stored(copies, 20)
        await gate.shut()

    asyncio.run(an_outage())
    assert len(copies.hits()) == 20
    assert measured("pli_hit_batch_size_count") - statements <= 4


def test_a_request_that_is_given_up_leaves_the_others_of_its_batch_alone(copies: Copies) -> None:
    first, second = (f"/o/{encode_key(copies.copy().key)}" for _ in range(2))

    async def one_gives_up() -> tuple[bool, int]:
        async with recording() as recorder:
            application = HitApplication(recorder)
            impatient = asyncio.create_task(ask(application, first))
            patient = asyncio.create_task(ask(application, second))
            await asyncio.sleep(0)
            impatient.cancel()
            answer = await patient
            return impatient.cancelled(), answer.status

    assert asyncio.run(one_gives_up()) == (True, 200)
    assert len(copies.hits()) == 2


def test_a_batch_that_can_never_be_stored_does_not_hold_up_the_next(copies: Copies) -> None:
    key = copies.copy().key.hex
    dropped = measured("pli_hits_dropped_total", reason="refused")

    async def bad_then_good() -> list[bool]:
        async with recording() as recorder:
            bad = recorder.take("not a key", OPEN, 0, 1)
            assert bad is not None
            refused = await bad
            good = recorder.take(key, OPEN, 0, 1)
            assert good is not None
            return [refused, await good]

    assert asyncio.run(bad_then_good()) == [False, True]
    assert measured("pli_hits_dropped_total", reason="refused") - dropped == 1


def test_no_key_reaches_a_log(copies: Copies, caplog: pytest.LogCaptureFixture) -> None:
    bad = "0123456789abcdef-no-key"

    async def refused_and_away() -> None:
        async with recording() as recorder:
            await recorder.take(bad, OPEN, 0, 1)  # type: ignore[misc]
        recorder = Recorder(nowhere())
        recorder.take(bad, OPEN, 0, 1)
        await recorder.close(seconds=0.1)

    asyncio.run(refused_and_away())
    assert caplog.records
    assert bad not in caplog.text


def test_without_an_event_loop_a_hit_is_stored_as_a_batch_of_one(copies: Copies) -> None:
    assert record_now(settings.RECORDER_DATABASE_URL, copies.copy().key.hex, OPEN, 0, 1) is True
    assert len(copies.hits()) == 1
