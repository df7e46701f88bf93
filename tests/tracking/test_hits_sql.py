"""The hit statement, under the recorder role, says what ``consent.rules`` says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from common.keys import new_key
from common.tenancy import tenant
from consent.rules import Kind
from tests.support.cast import Cast
from tests.support.cells import compare_copies, compare_totals
from tests.support.hits import (
    DECIDED_AT,
    LONG_AGO,
    Copies,
    batch_of,
    fingerprint,
    make_copies,
    recorder_connection,
    store,
)
from tracking.models import HitBatch, HitKind
from tracking.recorder import CLICK, OPEN, PLAN, RECORD_HITS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


@pytest.mark.parametrize("kind", Kind)
def test_h1_every_cell_is_judged_as_the_rules_judge_it(copies: Copies, kind: Kind) -> None:
    """Every level, permission, choice, purpose and actor; ``make prove-consent`` counts the same cells."""
    compared = compare_copies(copies, kind)
    assert compared.differences[:5] == []
    assert compared.cells > 50_000
    assert compared.effects == {"none", "individual"} | ({"last_open_day"} if kind is Kind.OPENS else set())
    print(f"{compared.cells} cells of {kind}")  # noqa: T201 - for whoever asks with -s


@pytest.mark.parametrize("kind", Kind)
def test_s9_every_set_of_countries_is_counted_as_the_rules_count_it(copies: Copies, kind: Kind) -> None:
    compared = compare_totals(copies, kind)
    assert compared.differences[:5] == []
    assert compared.effects == {"True", "False"}
    assert compared.cells == 1 + 10 + 45 + 120
    assert copies.hits() == []


def test_a_permission_of_one_kind_does_not_help_the_other(copies: Copies) -> None:
    copies.permit("FR", opens_with_yes_since=LONG_AGO, opens_unless_no_since=LONG_AGO)
    key = copies.copy(country="FR").key.hex
    assert store(batch_of(key, kind=CLICK, link_number=1)) == 0
    assert store(batch_of(key, kind=OPEN)) == 1


def test_a_hit_keeps_what_it_is_and_nothing_else(copies: Copies) -> None:
    copy = copies.copy()
    store(batch_of(copy.key.hex, kind=CLICK, link_number=7, actor=3))

    (hit,) = copies.hits()
    assert (hit.organization_id, hit.content_id, hit.tracked_message_id) == (
        copies.organization.pk,
        copies.content.pk,
        copy.pk,
    )
    assert (hit.kind, hit.link_number, hit.actor) == (HitKind.CLICK, 7, 3)


@pytest.mark.parametrize("wrong_by", [timedelta(days=-5000), timedelta(days=5000)])
def test_a_wrong_clock_of_ours_does_not_stop_the_hits(copies: Copies, wrong_by: timedelta) -> None:
    batch = batch_of(copies.copy().key.hex)
    key, kind, link_number, actor, at = batch.hits[0]
    batch.hits[0] = (key, kind, link_number, actor, at + round(wrong_by.total_seconds()) * 1_000_000)
    assert store(batch) == 1
    (hit,) = copies.hits()
    assert abs(datetime.now(UTC) - hit.received_at) < timedelta(days=1, minutes=1)


def test_s14_a_click_never_writes_an_open(copies: Copies) -> None:
    store(batch_of(copies.copy().key.hex, kind=CLICK, link_number=1))
    assert [hit.kind for hit in copies.hits()] == [HitKind.CLICK]


def test_h3_a_key_whose_mapping_is_forgotten_means_nothing(copies: Copies) -> None:
    copy = copies.copy()
    with tenant(copies.organization.pk):
        copy.delete()
    assert store(batch_of(copy.key.hex, new_key().hex)) == 0


def test_one_statement_serves_every_organization(copies: Copies, cast: Cast) -> None:
    cinema = make_copies(cast.cinema)
    assert store(batch_of(copies.copy().key.hex, cinema.copy().key.hex)) == 2
    assert [hit.organization_id for hit in copies.hits()] == [cast.bakery.pk]
    assert [hit.organization_id for hit in cinema.hits()] == [cast.cinema.pk]


def test_the_same_copy_may_be_opened_twice_in_one_batch(copies: Copies) -> None:
    key = copies.copy().key.hex
    assert store(batch_of(key, key)) == 2


def test_a_batch_that_is_repeated_adds_nothing(copies: Copies) -> None:
    batch = batch_of(copies.copy().key.hex, copies.copy().key.hex)
    assert store(batch) == 2
    assert store(batch) == 0
    assert len(copies.hits()) == 2
    assert HitBatch.objects.count() == 1


def test_h1_hits_that_may_not_be_recorded_write_nothing_anywhere(copies: Copies) -> None:
    refused = copies.person(opens_yes_since=None, opens_not_no_since=None)
    copies.permit("FR")
    silent = [
        copies.copy(refused),
        copies.copy(country="FR"),
        copies.copy(country="IT"),
        copies.copy(opens="none"),
        copies.copy(decided_at=LONG_AGO - timedelta(days=1)),
    ]
    before = fingerprint()
    assert store(batch_of(*(copy.key.hex for copy in silent), new_key().hex)) == 0
    assert fingerprint() == before


def test_h1_a_tightening_silences_delivered_copies_at_the_next_hit_and_for_good(copies: Copies) -> None:
    old = copies.copy()
    assert store(batch_of(old.key.hex)) == 1
    copies.permit(opens_unless_no_since=None, opens_with_yes_since=None)
    assert store(batch_of(old.key.hex)) == 0
    loosened_at = DECIDED_AT + timedelta(days=1)
    copies.permit(opens_unless_no_since=loosened_at, opens_with_yes_since=loosened_at)
    assert store(batch_of(old.key.hex)) == 0
    assert store(batch_of(copies.copy(decided_at=loosened_at).key.hex)) == 1


def test_the_recorder_may_do_nothing_but_its_statement(copies: Copies) -> None:
    import psycopg

    forbidden = (
        "SELECT opens_source FROM consent_choice",
        "SELECT count(*) FROM tracking_hit",
        "SELECT email FROM participants_participant",
        "UPDATE tracking_trackedmessage SET opens = 'individual'",
        "DELETE FROM tracking_hit",
        "DELETE FROM tracking_hitbatch",
        "SELECT * FROM door_tracking_domains()",
    )
    with recorder_connection() as connection:
        for statement in forbidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_every_table_is_reached_by_its_key_however_little_the_planner_knows(copies: Copies) -> None:
    tables = ("tracking_trackedmessage", "tracking_trackedcontent", "websites_measurementpermission", "consent_choice")
    settings = " ".join(f"SET {name} = {value};" for name, value in PLAN.items())
    with connections["owner"].cursor() as cursor:
        cursor.execute(settings)
        for table in tables:
            # Vacuum may have found it empty after another test, and in an empty table every index is as good.
            cursor.execute("SELECT pg_clear_relation_stats('public', %s)", [table])
        cursor.execute("EXPLAIN " + RECORD_HITS, batch_of(new_key().hex).parameters())
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET ALL")
    assert "Seq Scan" not in plan
    for index in (
        "tracking_trackedmessage_key",
        "tracking_trackedcontent_pkey",
        "permission_per_country",
        "consent_choice_pkey",
    ):
        assert index in plan, plan
