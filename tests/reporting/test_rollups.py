"""Rollups equal a count over the rows: after new hits, after a crash, after counting anew, whatever commits late."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from common.tenancy import tenant
from reporting import rollups, tasks
from reporting.models import HitHour, HitPeople, RollupCursor, SeenCopies
from tests.reporting.world import YES, make_sending
from tests.support.cast import Cast
from tests.support.hits import Copies, batch_of, forget_hits, make_copies, recorder_connection, store
from tracking import forgetting
from tracking.models import Hit, HitKeeping, HitKind, PastHits, TrackedMessage
from tracking.recorder import CLICK, OPEN, RECORD_HITS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

HUMAN, MACHINE, UNSURE = 1, 2, 3
People = dict[tuple[int, int], tuple[int, int, int, int, int, int]]


@pytest.fixture
def copies(transactional_db: None, cast: Cast) -> Copies:
    forget_hits()
    return make_copies(cast.bakery)


def count() -> int:
    """Everything that is committed: once to note how far, once to count."""
    return tasks.count_hits() + tasks.count_hits()


def people(copies: Copies) -> People:
    with tenant(copies.organization.pk):
        return {
            (row.kind, row.link_number): (
                row.human_people, row.unsure_people, row.machine_people,
                row.human_hits, row.unsure_hits, row.machine_hits,
            )
            for row in HitPeople.objects.filter(content=copies.content)
        }  # fmt: skip


def hours(copies: Copies) -> dict[tuple[int, int, int, datetime], tuple[int, int]]:
    with tenant(copies.organization.pk):
        return {
            (row.kind, row.link_number, row.actor, row.hour): (row.hits, row.people)
            for row in HitHour.objects.filter(content=copies.content)
        }


def people_by_rows(hits: list[Hit]) -> People:
    """The same, counted from the rows by Python."""
    actors: dict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for hit in hits:
        for link in {0, hit.link_number or 0}:
            actors[hit.kind, link][hit.tracked_message_id].append(hit.actor)
    found: People = {}
    for key, by_copy in actors.items():
        surest = [next(actor for actor in (HUMAN, UNSURE, MACHINE) if actor in seen) for seen in by_copy.values()]
        every = [actor for seen in by_copy.values() for actor in seen]
        found[key] = (
            surest.count(HUMAN), surest.count(UNSURE), surest.count(MACHINE),
            every.count(HUMAN), every.count(UNSURE), every.count(MACHINE),
        )  # fmt: skip
    return found


def hours_by_rows(hits: list[Hit]) -> dict[tuple[int, int, int, datetime], tuple[int, int]]:
    counted: dict[tuple[int, int, int, datetime], list[int]] = defaultdict(lambda: [0, 0])
    seen = set()
    for hit in hits:
        for link in {0, hit.link_number or 0}:
            place = counted[
                hit.kind, link, hit.actor, hit.received_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            ]
            place[0] += 1
            place[1] += (hit.kind, link, hit.actor, hit.tracked_message_id) not in seen
            seen.add((hit.kind, link, hit.actor, hit.tracked_message_id))
    return {key: (hits_there, people_there) for key, (hits_there, people_there) in counted.items()}


def write_hits(copies: Copies, many: int, *, seed: int, began: datetime) -> None:
    """Rows of every kind, link and actor, one after the other over some hours."""
    drawn = random.Random(seed)
    made = [copies.copy() for _ in range(12)]
    rows = []
    for number in range(many):
        kind = drawn.choice([OPEN, CLICK])
        link = drawn.randint(1, 3) if kind == CLICK else None
        at = began + timedelta(minutes=number)
        actor = drawn.choice([HUMAN, HUMAN, MACHINE, UNSURE])
        rows.append((copies.organization.pk, copies.content.pk, drawn.choice(made).pk, kind, link, actor, at))
    with connections["owner"].cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tracking_hit (organization_id, content_id, tracked_message_id, kind, link_number, actor,"
            " received_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


def assert_equal_to_rows(copies: Copies) -> None:
    assert people(copies) == people_by_rows(copies.hits())
    assert hours(copies) == hours_by_rows(copies.hits())


def test_rollups_equal_a_count_over_rows_however_they_are_cut(copies: Copies) -> None:
    began = timezone.now() - timedelta(hours=9)
    for seed in range(3):
        write_hits(copies, 100, seed=seed, began=began + timedelta(hours=2 * seed))
        rollups.note_horizon(now=timezone.now())
        rollups.note_horizon(now=timezone.now())
        while rollups.count_new_hits(at_once=17).more:
            pass
        assert_equal_to_rows(copies)
    assert count() == 0, "what was counted is not counted again"


class KilledError(Exception):
    """What a worker notices of its end."""


def test_a_crash_at_any_point_leaves_counted_or_not_counted(copies: Copies) -> None:
    write_hits(copies, 60, seed=5, began=timezone.now() - timedelta(hours=2))
    rollups.note_horizon(now=timezone.now())
    for point in ("reporting_seencopies", "reporting_rollupcursor SET counted_to"):

        def die(execute: object, query: str, params: object, many: bool, context: object, at: str = point) -> object:
            done = execute(query, params, many, context)  # type: ignore[operator]
            if at in query:
                raise KilledError
            return done

        with connections["owner"].execute_wrapper(die), pytest.raises(KilledError):
            rollups.count_new_hits()
        assert people(copies) == {}
    count()
    assert_equal_to_rows(copies)


def test_a_hit_that_commits_late_is_not_lost(copies: Copies) -> None:
    slow_copy, quick_copy = copies.copy(), copies.copy()
    with recorder_connection() as slow, slow.transaction():
        # It has a number by now, and is not committed.
        assert slow.execute(RECORD_HITS, batch_of(slow_copy.key.hex).parameters()).rowcount == 1
        store(batch_of(quick_copy.key.hex))
        assert count() == 0, "a smaller number is still open"
        assert RollupCursor.objects.get().waiting_for
    assert count() == 2
    assert people(copies)[1, 0] == (2, 0, 0, 2, 0, 0)
    assert [hit.tracked_message_id for hit in copies.hits()] == [slow_copy.pk, quick_copy.pk]


def test_steady_writers_do_not_hold_the_counting_up(copies: Copies) -> None:
    """A writer that began after the horizon was noted is not waited for."""
    keys = [copies.copy().key.hex for _ in range(3)]
    first, second = recorder_connection(), recorder_connection()
    with first as one, second as two:
        with one.transaction():
            one.execute(RECORD_HITS, batch_of(keys[0]).parameters())
            tasks.count_hits()
            later = two.transaction()
            later.__enter__()
            two.execute(RECORD_HITS, batch_of(keys[1]).parameters())
        assert tasks.count_hits() == 1
        later.__exit__(None, None, None)
    assert count() == 1


def test_two_at_once_count_once(copies: Copies) -> None:
    store(batch_of(*(copies.copy().key.hex for _ in range(3))))
    rollups.note_horizon(now=timezone.now())
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as other:
        other.execute("SELECT FROM reporting_rollupcursor FOR UPDATE")
        with connections["owner"].cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        try:
            with pytest.raises(Exception, match="lock timeout"):
                rollups.count_new_hits()
        finally:
            with connections["owner"].cursor() as cursor:
                cursor.execute("RESET lock_timeout")
    assert rollups.count_new_hits().hits == 3
    assert rollups.count_new_hits().hits == 0


def test_counted_anew_from_the_rows_it_is_the_same(copies: Copies) -> None:
    write_hits(copies, 80, seed=9, began=timezone.now() - timedelta(hours=2))
    count()
    before = people(copies), hours(copies)
    store(batch_of(copies.copy().key.hex))
    assert rollups.rebuild(copies.content.pk) == 80, "what is beyond the cursor is counted when its turn comes"
    assert (people(copies), hours(copies)) == before
    count()
    assert_equal_to_rows(copies)


def test_c11_the_command_counts_anew_or_says_why_not(
    transactional_db: None, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    forget_hits()
    sending = make_sending(make_copies(cast.bakery))
    copies, number = sending.copies, str(sending.launch.pk)
    keys = sending.send(12, **YES)
    store(batch_of(*keys))
    count()
    reported = people(copies)
    with tenant(copies.organization.pk):
        HitPeople.objects.update(human_people=99)
    call_command("rebuild_reports", launch=[int(number)])
    assert people(copies) == reported
    assert capsys.readouterr().out == f"Launch {number}: 12 hits counted\n"
    with pytest.raises(CommandError, match="no launch 999999"):
        call_command("rebuild_reports", launch=[999999])
    with tenant(copies.organization.pk):
        withdraw(copies, TrackedMessage.objects.get(key=keys[0]))
    with pytest.raises(CommandError, match="stay as they are: 1"):
        call_command("rebuild_reports", all=True)
    assert f"Launch {number}: rows were deleted since" in capsys.readouterr().err
    assert people(copies) == reported


def withdraw(copies: Copies, copy: TrackedMessage) -> None:
    forgetting.forget_hits(copies.organization.pk, copy.participant_id, HitKind.OPEN, now=timezone.now())


def test_c11_what_was_reported_stays_and_cannot_be_counted_anew(copies: Copies) -> None:
    made = [copies.copy() for _ in range(11)]
    store(batch_of(*(copy.key.hex for copy in made)))
    count()
    reported = people(copies), hours(copies)
    withdraw(copies, made[0])
    count()
    assert (people(copies), hours(copies)) == reported
    with pytest.raises(rollups.HitsGoneError):
        rollups.rebuild(copies.content.pk)
    assert (people(copies), hours(copies)) == reported


def test_c11_which_copy_somebody_opened_is_forgotten_with_their_hits(copies: Copies) -> None:
    first, second = copies.copy(), copies.copy()
    store(batch_of(first.key.hex, second.key.hex))
    count()
    withdraw(copies, first)
    assert tasks.forget_seen_copies() == 1
    with tenant(copies.organization.pk):
        chunks = {row.chunk: row.human for row in SeenCopies.objects.all()}
    assert {chunk * 512 + place for chunk, bits in chunks.items() for place, bit in enumerate(bits) if bit == "1"} == {
        second.pk
    }
    assert people(copies)[1, 0] == (2, 0, 0, 2, 0, 0)
    assert tasks.forget_seen_copies() == 0


def test_u4_which_copies_were_opened_is_kept_no_longer_than_hits(copies: Copies) -> None:
    store(batch_of(copies.copy().key.hex))
    count()
    with tenant(copies.organization.pk):
        HitKeeping.objects.create(organization=copies.organization, months=3)
    assert rollups.forget_old_seen(now=timezone.now() + timedelta(days=85)) == 0
    assert rollups.forget_old_seen(now=timezone.now() + timedelta(days=95)) == 1
    assert people(copies)[1, 0] == (1, 0, 0, 1, 0, 0)


def test_c11_hits_made_anonymous_before_they_were_counted_are_not_counted(copies: Copies) -> None:
    with tenant(copies.organization.pk):
        HitKeeping.objects.create(organization=copies.organization, on_withdrawal=PastHits.ANONYMISE)
    made = [copies.copy() for _ in range(forgetting.SMALLEST_CROWD)]
    store(batch_of(*(copy.key.hex for copy in made)))
    withdraw(copies, made[0])
    count()
    assert people(copies)[1, 0] == (9, 0, 0, 9, 0, 0)


def test_s6_what_an_exempt_purpose_recorded_is_in_no_figure(copies: Copies) -> None:
    copies.permit(opens_authentication_since=datetime(2020, 1, 1, tzinfo=UTC))
    exempt, plain = copies.copy(exempt_purpose="authentication"), copies.copy()
    store(batch_of(exempt.key.hex, plain.key.hex))
    assert len(copies.hits()) == 2
    count()
    assert people(copies) == {(1, 0): (1, 0, 0, 1, 0, 0)}


def test_each_organization_sees_its_own_figures(copies: Copies, cast: Cast) -> None:
    cinema = make_copies(cast.cinema)
    store(batch_of(copies.copy().key.hex, cinema.copy().key.hex))
    assert count() == 2
    assert set(people(copies)) == set(people(cinema)) == {(1, 0)}
    with tenant(cast.cinema.pk):
        assert not HitPeople.objects.filter(content=copies.content).exists()
