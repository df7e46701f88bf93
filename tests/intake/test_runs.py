"""Runs of imports: cut short, run twice, cancelled, refused, and met by others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from common.tenancy import call_door, tenant
from consent.imports import ChoicesChanged
from consent.imports import choices as choices_module
from consent.models import Choice, ChoiceEvent
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from intake.imports import run as run_module
from intake.imports import run_import
from intake.models import Import, ImportState
from intake.readers import rows as rows_module
from intake.readers.rows import Chunk
from intake.services import (
    ImportPlan,
    ImportRefused,
    cancel_import,
    continue_import,
    start_import,
    upload_import,
)
from intake.tasks import resume_imports
from participants.models import Participant
from tests.intake.importing import PROVENANCE, import_text, prepare
from tests.support.cast import Cast
from tests.support.killed import Killed, kill
from tests.support.world import make_participant, make_topic, make_website

pytestmark = pytest.mark.django_db

FILE = "email,consent_email_opens\n" + "".join(f"p{number}@b.example,yes\n" for number in range(50))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    original = rows_module.read_chunks
    monkeypatch.setattr(run_module, "read_chunks", lambda *args, **options: original(*args, size=10, **options))


def fresh(source: Import) -> Import:
    with tenant(source.organization_id):
        return Import.objects.get(pk=source.pk)


def run_until(source: Import, rows: int, then: Callable[[], Any], now: datetime) -> None:
    def progress(current: Import) -> None:
        if current.rows_done == rows:
            then()

    run_import(source.organization_id, source.pk, clock=lambda: now, progress=progress)


def test_a_run_that_was_killed_goes_on_after_its_last_chunk(cast: Cast, now: datetime) -> None:
    source = prepare(cast.bakery, FILE, now=now, provenance=PROVENANCE)
    with pytest.raises(Killed):
        run_until(source, 30, kill, now)
    halfway = fresh(source)
    assert (halfway.state, halfway.rows_done, halfway.counts["created"]) == (ImportState.RUNNING, 30, 30)
    with tenant(cast.bakery.pk):
        assert Participant.objects.count() == 30
    done = run_import(cast.bakery.pk, source.pk, clock=lambda: now + timedelta(minutes=2))
    assert (done.state, done.rows_done, done.counts["created"]) == (ImportState.DONE, 50, 50)
    with tenant(cast.bakery.pk):
        assert Participant.objects.count() == ChoiceEvent.objects.count() == 50


def test_a_run_that_lives_is_not_joined(cast: Cast, now: datetime) -> None:
    source = prepare(cast.bakery, FILE, now=now)
    states = []

    def second() -> None:
        states.append(run_import(cast.bakery.pk, source.pk, clock=lambda: now).rows_done)

    run_until(source, 20, second, now)
    assert states == [20]
    assert fresh(source).counts["created"] == 50


def test_of_two_runs_at_once_only_one_writes(cast: Cast, now: datetime) -> None:
    """The first was taken for dead; it finds the rows done by another and lets go."""
    source = prepare(cast.bakery, FILE, now=now)

    def second() -> None:
        run_import(cast.bakery.pk, source.pk, clock=lambda: now + timedelta(minutes=2))

    run_until(source, 20, second, now)
    done = fresh(source)
    assert (done.state, done.rows_done, done.counts["created"]) == (ImportState.DONE, 50, 50)


def test_a_finished_import_is_not_run_again(cast: Cast, now: datetime) -> None:
    done = import_text(cast.bakery, FILE, now=now)
    again = run_import(cast.bakery.pk, done.pk, clock=lambda: now + timedelta(days=1))
    assert again.finished_at == done.finished_at == now


def test_cancelling_acts_after_the_chunk_and_the_rest_can_follow(cast: Cast, now: datetime) -> None:
    source = prepare(cast.bakery, FILE, now=now)

    def cancel() -> None:
        with tenant(cast.bakery.pk):
            cancel_import(cast.bakery, source, now=now)

    run_until(source, 20, cancel, now)
    assert (fresh(source).state, fresh(source).rows_done) == (ImportState.CANCELLED, 20)
    with tenant(cast.bakery.pk):
        assert Participant.objects.count() == 20
        continue_import(cast.bakery, fresh(source), now=now)
    done = run_import(cast.bakery.pk, source.pk, clock=lambda: now)
    assert (done.state, done.counts["created"]) == (ImportState.DONE, 50)
    with tenant(cast.bakery.pk), pytest.raises(ImportRefused):
        continue_import(cast.bakery, done, now=now)


def test_a_conflict_with_somebody_else_is_met_by_trying_again(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = run_module.store_participants, iter([ChoicesChanged(), ChoicesChanged()])

    def store(*args: Any, **options: Any) -> Any:
        result = real(*args, **options)
        if failure := next(failures, None):
            raise failure
        return result

    monkeypatch.setattr(run_module, "store_participants", store)
    done = import_text(cast.bakery, FILE, now=now)
    assert (done.state, done.counts["created"]) == (ImportState.DONE, 50)


def test_an_error_of_ours_is_told_and_what_landed_stays(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = prepare(cast.bakery, FILE, now=now)
    real = run_module.store_participants

    def breaks(organization: Any, current: Import, *args: Any, **options: Any) -> Any:
        if current.rows_done == 20:
            raise RuntimeError("a defect")
        return real(organization, current, *args, **options)

    monkeypatch.setattr(run_module, "store_participants", breaks)
    with pytest.raises(RuntimeError):
        run_import(cast.bakery.pk, source.pk, clock=lambda: now)
    failed = fresh(source)
    assert (failed.state, failed.rows_done) == (ImportState.FAILED, 20)
    assert "error of ours" in failed.message


def test_a_file_that_is_gone_fails_with_a_clear_message(cast: Cast, now: datetime) -> None:
    source = prepare(cast.bakery, FILE, now=now)
    source.file.storage.delete(source.file.name)
    done = run_import(cast.bakery.pk, source.pk, clock=lambda: now)
    assert done.state == ImportState.FAILED
    assert "Upload it again" in done.message


def test_beat_finds_what_nobody_was_told_of(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    quiet = timezone.now() - timedelta(minutes=5)
    forgotten = prepare(cast.bakery, FILE, now=quiet)
    uploaded = prepare(cast.bakery, FILE, now=timezone.now())
    asked: list[int] = []
    monkeypatch.setattr(
        "common.jobs.current_app.send_task", lambda name, kwargs, **_more: asked.append(kwargs["import_id"])
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert resume_imports() == 1
    assert asked == [forgotten.pk]
    assert uploaded.pk not in asked
    assert call_door("door_waiting_imports", [quiet - timedelta(days=1)]) == []


# --- Refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"name,country\nAna,FR\n", "No column holds the email address"),
        (b'email\n"ana@b.example\n', "Row 2 has a quotation mark"),
        (b"email\nana\x00@b.example\n", "NUL byte near row 2"),
        (b"PK\x03\x04", "Save it as CSV"),
    ],
)
def test_a_broken_file_is_refused_in_words_and_leaves_nothing(
    cast: Cast, now: datetime, content: bytes, words: str
) -> None:
    with pytest.raises(ImportRefused, match=words):
        prepare(cast.bakery, content, now=now)
    with tenant(cast.bakery.pk):
        assert not Participant.objects.exists()


def test_a_refused_upload_is_not_kept(cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        with pytest.raises(ImportRefused):
            upload_import(
                cast.bakery,
                file=ContentFile(b"PK\x03\x04"),
                filename="a.csv",
                kind="participants",
                author=None,
                now=now,
            )
        assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ({"where": "shop"}, "its provenance lacks"),
        (PROVENANCE | {"collected_at": "last year"}, "2026-05-31"),
        (PROVENANCE | {"collected_at": "2027-01-01"}, "in the future"),
    ],
)
def test_half_a_provenance_is_refused(cast: Cast, now: datetime, provenance: dict[str, str], words: str) -> None:
    with pytest.raises(ImportRefused, match=words):
        prepare(cast.bakery, FILE, now=now, provenance=provenance)


def test_a_topic_needs_a_basis_and_must_be_ones_own(cast: Cast, now: datetime) -> None:
    own = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    with pytest.raises(ImportRefused, match="basis"):
        prepare(cast.bakery, FILE, now=now, topic=own)
    theirs = make_topic(cast.cinema, make_website(cast.cinema, cast.cleo, now=now))
    with pytest.raises(ImportRefused, match="not one of yours"):
        prepare(cast.bakery, FILE, now=now, topic=theirs, basis="opt_in")


def test_an_import_is_started_once(cast: Cast, now: datetime) -> None:
    source = prepare(cast.bakery, FILE, now=now)
    with tenant(cast.bakery.pk), pytest.raises(ImportRefused, match="started already"):
        start_import(cast.bakery, source, ImportPlan(mapping=source.mapping), now=now)


# --- Others at the same time ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_a_person_who_answers_during_a_chunk_is_not_overruled(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The no is committed after the chunk has looked and before it writes; the chunk must look again."""
    ana = make_participant(cast.bakery, "p1@b.example", now=now)
    with tenant(cast.bakery.pk):
        record_choice(
            cast.bakery, ana, opens=ChoiceValue.YES, clicks=None, source=Source.IMPORT, method="test",
            happened_at=now - timedelta(days=2000), now=now - timedelta(days=2000), evidence={"import": 0},
        )  # fmt: skip
    source = prepare(cast.bakery, FILE, now=now, provenance=PROVENANCE)
    real, looks = choices_module._count, []

    def answer() -> None:
        try:
            with tenant(cast.bakery.pk):
                record_choice(
                    cast.bakery, ana, opens=ChoiceValue.NO, clicks=None, source=Source.PERSON, method="test",
                    happened_at=now, now=now,
                )  # fmt: skip
        finally:
            connection.close()

    def count(rows: Any) -> Any:
        looks.append(1)
        if len(looks) == 1:
            person = threading.Thread(target=answer)
            person.start()
            person.join()
        return real(rows)

    monkeypatch.setattr(choices_module, "_count", count)
    # One chunk at a time, so that the first look is that of the chunk with the person.
    monkeypatch.setattr(run_module, "WRITERS", 1)
    done = run_import(cast.bakery.pk, source.pk, clock=lambda: now)
    # Five chunks, one of them twice.
    assert (done.state, len(looks), done.counts["kept_persons_own"]) == (ImportState.DONE, 6, 1)
    with tenant(cast.bakery.pk):
        assert Choice.objects.get(participant=ana).opens == "no"
        assert ChoiceEvent.objects.filter(subject=ana.ledger_id).count() == 2


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_two_chunks_under_way_leave_what_one_after_the_other_would(cast: Cast, now: datetime) -> None:
    """Every third row names somebody of an earlier chunk again, with another answer."""
    people = [f"p{number}@b.example,{'yes' if number % 2 else 'no'}" for number in range(200)]
    again = [f"p{number - 11}@b.example,no" if number % 3 == 0 else row for number, row in enumerate(people)]
    source = prepare(cast.bakery, "email,consent_email_opens\n" + "\n".join(again[11:]), now=now, provenance=PROVENANCE)
    seen: list[int] = []
    done = run_import(cast.bakery.pk, source.pk, clock=lambda: now, progress=lambda one: seen.append(one.rows_done))
    assert (done.state, seen) == (ImportState.DONE, [*range(10, 189, 10), 189])
    addresses = {row.partition(",")[0] for row in again[11:]}
    refusers = {row.partition(",")[0] for row in again[11:] if row.endswith("no")}
    with tenant(cast.bakery.pk):
        assert done.counts["created"] == Participant.objects.count() == len(addresses)
        assert Choice.objects.filter(opens="no").count() == len(refusers)
        assert ChoiceEvent.objects.count() == done.counts["choices_recorded"]


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_a_chunk_does_not_land_without_the_one_before_it(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second chunk breaks when the third is written already."""
    source = prepare(cast.bakery, FILE, now=now)
    real, third_is_written = run_module.store_participants, threading.Event()

    def store(organization: Any, current: Import, chunk: Chunk, **options: Any) -> Any:
        if chunk.rows_before == 10:
            assert third_is_written.wait(60)
            raise RuntimeError("a defect")
        stored = real(organization, current, chunk, **options)
        if chunk.rows_before == 20:
            third_is_written.set()
        return stored

    monkeypatch.setattr(run_module, "store_participants", store)
    with pytest.raises(RuntimeError):
        run_import(cast.bakery.pk, source.pk, clock=lambda: now)
    failed = fresh(source)
    assert (failed.state, failed.rows_done, failed.counts["created"]) == (ImportState.FAILED, 10, 10)
    with tenant(cast.bakery.pk):
        assert Participant.objects.count() == 10


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_a_chunk_that_the_one_before_it_waits_for_lets_go(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "PATIENCE_SECONDS", 0.05)
    source = prepare(cast.bakery, FILE, now=now)
    real, begun, second_is_written = run_module.store_participants, [], threading.Event()

    def store(organization: Any, current: Import, chunk: Chunk, **options: Any) -> Any:
        begun.append(chunk.rows_before)
        if chunk.rows_before == 0:
            assert second_is_written.wait(60)
            time.sleep(0.2)
        stored = real(organization, current, chunk, **options)
        if chunk.rows_before == 10:
            second_is_written.set()
        return stored

    monkeypatch.setattr(run_module, "store_participants", store)
    done = run_import(cast.bakery.pk, source.pk, clock=lambda: now)
    assert begun.count(10) == 2
    assert (done.state, done.rows_done, done.counts["created"]) == (ImportState.DONE, 50, 50)
