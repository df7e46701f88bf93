"""Keys for sent copies, people who move, and hits that may no longer be kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from common.tenancy import tenant
from consent.rules import ChoiceValue
from tests.support.cast import Cast
from tests.support.hits import DECIDED_AT, LONG_AGO, Copies, batch_of, recorder_connection, store
from tests.support.world import choose
from tracking import services, tasks
from tracking.models import AnonymousContent, HitBatch, HitKind, TrackedMessage
from tracking.recorder import CLICK, RECORD_HITS
from tracking.selectors import missing_hit_months
from tracking.services import NewTracked

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def test_each_registered_copy_gets_a_key_of_its_own(copies: Copies) -> None:
    people = [copies.person() for _ in range(3)]
    rows = [NewTracked(person.pk, "" if index else "be", "individual", "none") for index, person in enumerate(people)]
    registered = services.register_messages(copies.organization, copies.content, rows, decided_at=DECIDED_AT)

    assert set(registered) == {person.pk for person in people}
    assert len({key for _, key in registered.values()}) == 3
    with tenant(copies.organization.pk):
        for person in people:
            message = TrackedMessage.objects.get(participant=person)
            assert (message.pk, message.key) == registered[person.pk]
            assert (message.opens, message.clicks, message.decided_at) == ("individual", "none", DECIDED_AT)
            assert message.website_id == copies.website.pk
        assert [TrackedMessage.objects.get(participant=person).country for person in people] == ["BE", "ZZ", "ZZ"]


def test_nobody_to_register_asks_nothing_of_the_database(copies: Copies, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert services.register_messages(copies.organization, copies.content, [], decided_at=DECIDED_AT) == {}


def test_s5_h1_moving_to_a_country_that_asks_for_a_yes_lowers_old_copies_for_good(
    copies: Copies, now: datetime
) -> None:
    silent, said_yes = copies.person(), copies.person(clicks_yes_since=LONG_AGO, clicks_not_no_since=LONG_AGO)
    copies.permit("IT", clicks_with_yes_since=LONG_AGO)
    of_silent, of_yes = copies.copy(silent), copies.copy(said_yes)
    both = (of_silent.key.hex, of_yes.key.hex)
    assert store(batch_of(*both, kind=CLICK)) == 2

    for person in (silent, said_yes):
        assert services.change_participant_country(copies.organization, person.pk, "IT", now=now) == 1
    assert store(batch_of(*both, kind=CLICK)) == 1

    for person in (silent, said_yes):
        services.change_participant_country(copies.organization, person.pk, "BE", now=now)
    assert store(batch_of(of_silent.key.hex, kind=CLICK)) == 0
    assert store(batch_of(of_yes.key.hex, kind=CLICK)) == 1
    # Opens were never permitted in Italy.
    assert store(batch_of(*both)) == 0


def test_moving_where_the_website_permits_nothing_lowers_too_and_moving_nowhere_changes_nothing(
    copies: Copies, now: datetime
) -> None:
    stays, leaves = copies.person(), copies.person()
    copy, lost = copies.copy(stays), copies.copy(leaves)
    countries = {stays.pk: "BE", leaves.pk: "XX"}
    assert services.change_participant_countries(copies.organization, countries) == 1
    assert store(batch_of(copy.key.hex, lost.key.hex)) == 1


def test_another_organizations_copies_do_not_move(copies: Copies, cast: Cast, now: datetime) -> None:
    person = copies.person()
    copies.copy(person)
    assert services.change_participant_country(cast.cinema, person.pk, "FR", now=now) == 0


# --- C11 ------------------------------------------------------------------------------------------------------------


def test_c11_a_withdrawal_deletes_the_hits_of_that_person_and_that_kind_only(copies: Copies, cast: Cast) -> None:
    person, other = copies.person(), copies.person()
    hers, others = copies.copy(person), copies.copy(other)
    for kind in HitKind:
        store(batch_of(hers.key.hex, others.key.hex, kind=kind))

    tasks.delete_hits_of_participant(cast.cinema.pk, person.pk, "opens", copies.website.consent_scope_id)
    assert len(copies.hits()) == 4
    tasks.delete_hits_of_participant(copies.organization.pk, person.pk, "opens", copies.website.consent_scope_id)
    left = {(hit.tracked_message_id, hit.kind) for hit in copies.hits()}
    assert left == {(hers.pk, HitKind.CLICK), (others.pk, HitKind.OPEN), (others.pk, HitKind.CLICK)}


@pytest.fixture
def put_back(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the task asks Celery to run later."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.delete_hits_of_participant, "apply_async", lambda kwargs, countdown: asked.append(kwargs))
    return asked


def test_c11_a_hit_stored_by_a_statement_that_began_before_the_withdrawal_is_deleted_too(
    copies: Copies, put_back: list[dict[str, Any]]
) -> None:
    person = copies.person()
    copy = copies.copy(person)
    with recorder_connection() as slow, slow.transaction():
        # Looked before the withdrawal, and commits after its deletion ran.
        assert slow.execute(RECORD_HITS, batch_of(copy.key.hex).parameters()).rowcount == 1
        tasks.delete_hits_of_participant(copies.organization.pk, person.pk, "opens", copies.website.consent_scope_id)
        (again,) = put_back
        tasks.delete_hits_of_participant(**again)
        assert len(put_back) == 2, "it waits for the statement that is still running"
    assert len(copies.hits()) == 1
    with recorder_connection() as newer, newer.transaction():
        # Began after the withdrawal: nobody needs to wait for it.
        newer.execute(RECORD_HITS, batch_of(copies.copy().key.hex).parameters())
        tasks.delete_hits_of_participant(**put_back[1])
    assert len(put_back) == 2
    assert [hit.tracked_message_id for hit in copies.hits()] != [copy.pk]
    assert len(copies.hits()) == 1


def test_c11_a_withdrawal_whose_deletion_was_lost_is_found_again(copies: Copies, cast: Cast, now: datetime) -> None:
    person = copies.person()
    copy = copies.copy(person)
    for kind in HitKind:
        store(batch_of(copy.key.hex, kind=kind))
    # Nobody takes the task that this asks for.
    choose(cast.bakery, person, opens=ChoiceValue.NO, now=timezone.now())
    assert tasks.delete_hits_of_refusals() == 1
    assert [hit.kind for hit in copies.hits()] == [HitKind.CLICK]
    assert tasks.delete_hits_of_refusals() == 0


def test_what_is_recorded_after_a_new_yes_stays(copies: Copies, cast: Cast) -> None:
    person = copies.person()
    choose(cast.bakery, person, opens=ChoiceValue.NO, now=timezone.now())
    choose(cast.bakery, person, opens=ChoiceValue.YES, now=timezone.now())
    copies.permit(opens_with_yes_since=LONG_AGO)
    store(batch_of(copies.copy(person, decided_at=timezone.now()).key.hex))
    assert tasks.delete_hits_of_refusals() == 0
    assert len(copies.hits()) == 1


# --- Housekeeping ---------------------------------------------------------------------------------------------------


# On the first day of a month there are hits of the evening before.
@pytest.mark.parametrize("months", [-1, 3])
def test_hit_months_are_made_ahead_and_old_batches_forgotten(copies: Copies, months: int) -> None:
    HitBatch.objects.create(id="0" * 32, stored_at=datetime.now(UTC) - timedelta(days=2))
    HitBatch.objects.create(id="1" * 32, stored_at=datetime.now(UTC))
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT 'tracking_hit_' || to_char(now() + make_interval(months => %s), 'YYYY_MM')", [months])
        (month,) = cursor.fetchone()
        cursor.execute(f"DROP TABLE {month}")
        tasks.make_hit_months()
        tasks.make_hit_months()
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhrelid = %s::regclass", [month])
        assert cursor.fetchone() == (1,)
        cursor.execute(
            "SELECT relrowsecurity, relforcerowsecurity, has_table_privilege('pli_app', oid, 'SELECT'),"
            " has_table_privilege('pli_recorder', oid, 'INSERT') FROM pg_class WHERE relname = %s",
            [month],
        )
        assert cursor.fetchone() == (True, True, False, False)
    assert HitBatch.objects.count() == 1


def test_a_month_without_a_table_is_missed_in_time(copies: Copies) -> None:
    assert missing_hit_months(now=datetime.now(UTC)) == []
    assert missing_hit_months(now=datetime(2019, 12, 31, 23, 59, tzinfo=UTC)) == ["2019-12", "2020-01"]


def test_a_month_is_made_while_hits_are_written(copies: Copies) -> None:
    with recorder_connection() as recorder, recorder.transaction():
        recorder.execute(RECORD_HITS, batch_of(copies.copy().key.hex).parameters())
        with connections["owner"].cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
            cursor.execute("SELECT tracking_make_hit_month(date '2031-05-17')")
            assert cursor.fetchone() == ("tracking_hit_2031_05",)
            cursor.execute("RESET lock_timeout")
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP TABLE tracking_hit_2031_05")


# --- The address of a launch ------------------------------------------------------------------------------------------


def test_s9_a_launch_has_one_address_and_every_country_of_its_people(copies: Copies) -> None:
    copies.permit("IT", opens_anonymous_since=LONG_AGO, clicks_anonymous_since=LONG_AGO)
    copies.permit("CH", opens_anonymous_since=LONG_AGO)
    wanted = {"opens": {"IT"}, "clicks": set()}
    first = services.register_anonymous(copies.organization, copies.content, wanted, decided_at=DECIDED_AT)
    wanted = {"opens": {"CH", "IT"}, "clicks": {"IT", "CH"}}
    again = services.register_anonymous(
        copies.organization, copies.content, wanted, decided_at=DECIDED_AT + timedelta(hours=1)
    )
    assert first is not None
    assert again is not None
    assert first.key == again.key
    assert again.countries == {"opens": {"CH", "IT"}, "clicks": {"IT"}}
    with tenant(copies.organization.pk):
        shared = AnonymousContent.objects.get()
    assert (shared.opens_countries, shared.clicks_countries) == (["CH", "IT"], ["IT"])
    assert shared.decided_at == DECIDED_AT


def test_s9_nobody_to_count_makes_no_address(copies: Copies) -> None:
    nobody = {"opens": set[str](), "clicks": set[str]()}
    assert services.register_anonymous(copies.organization, copies.content, nobody, decided_at=DECIDED_AT) is None


def test_s9_a_country_that_began_later_does_not_silence_the_others(copies: Copies) -> None:
    copies.permit("IT", opens_anonymous_since=LONG_AGO)
    services.register_anonymous(copies.organization, copies.content, {"opens": {"IT"}}, decided_at=DECIDED_AT)
    soon = DECIDED_AT + timedelta(minutes=5)
    copies.permit("FR", opens_anonymous_since=soon)
    shared = services.register_anonymous(copies.organization, copies.content, {"opens": {"FR", "IT"}}, decided_at=soon)
    assert shared is not None
    assert shared.countries["opens"] == {"IT"}
    store(batch_of(shared.key.hex))
    assert copies.totals() == {(1, 0, 1): 1}


def test_s9_a_batch_that_is_repeated_counts_once(copies: Copies) -> None:
    copies.permit("IT", opens_anonymous_since=LONG_AGO, clicks_anonymous_since=LONG_AGO)
    key = copies.shared("IT").key.hex
    batch = batch_of(key, key, key)
    store(batch)
    store(batch)
    store(batch_of(key, kind=CLICK, link_number=4, actor=3))
    assert copies.totals() == {(1, 0, 1): 3, (2, 4, 3): 1}
    assert copies.hits() == []


def test_s8_h1_who_moves_keeps_no_more_than_the_new_country_permits(copies: Copies, now: datetime) -> None:
    person = copies.person()
    copies.permit("FR", last_open_day_since=LONG_AGO)
    copies.permit("IT")
    copy = copies.copy(person, subscribed=True)
    services.change_participant_country(copies.organization, person.pk, "FR", now=now)
    with tenant(copies.organization.pk):
        copy.refresh_from_db()
    assert (copy.opens, copy.clicks) == ("last_open_day", "none")
    store(batch_of(copy.key.hex))
    assert list(copies.last_open_days()) == [person.pk]
    services.change_participant_country(copies.organization, person.pk, "IT", now=now)
    with tenant(copies.organization.pk):
        copy.refresh_from_db()
    assert (copy.opens, copy.clicks) == ("none", "none")
