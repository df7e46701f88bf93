"""Rule D3: a restored backup never revives a consent."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connections

from accounts.models import JournalMark, Organization
from common import journal
from common.tenancy import tenant
from consent.models import Choice, Subscription
from consent.rules import ChoiceValue
from consent.services import unsubscribe
from delivery.models import Suppression
from delivery.refusals import welcome_back
from delivery.services import is_suppressed_hash, suppress
from participants.models import Participant
from privacy.services.erasure import erase_participant
from privacy.services.replay import replay_journal
from tests.intake.importing import import_text
from tests.support.cast import Cast
from tests.support.world import choose, later, make_participant, make_topic, make_website, subscribe_to

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

KEPT = ("participants_participant", "consent_choice", "consent_subscription", "delivery_addresskey",
        "delivery_suppressedhash", "delivery_suppression", "accounts_journalmark")  # fmt: skip


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.JOURNAL_DIR = str(tmp_path / "journal")
    return tmp_path / "journal"


@pytest.fixture
def backup() -> Iterator[Callable[[], Callable[[], None]]]:
    """Take a backup of what people said; what it returns puts it back."""
    with connections["owner"].cursor() as cursor:

        def restore() -> None:
            for table in reversed(KEPT):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608
            for table in KEPT:
                cursor.execute(f"INSERT INTO {table} SELECT * FROM backup_{table}")  # noqa: S608

        def take() -> Callable[[], None]:
            for table in KEPT:
                cursor.execute(f"CREATE TEMP TABLE backup_{table} AS SELECT * FROM {table}")  # noqa: S608
            return restore

        yield take
        for table in KEPT:
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.backup_{table}")


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def choice_of(bakery: Organization, person: Participant) -> Choice:
    with tenant(bakery.pk):
        return Choice.objects.get(participant=person)


def test_d3_a_withdrawal_holds_after_a_restore(
    cast: Cast, now: datetime, backup: Callable[[], Callable[[], None]]
) -> None:
    jane = make_participant(cast.bakery, "jane@home.example", now=now)
    choose(cast.bakery, jane, opens=ChoiceValue.YES, clicks=ChoiceValue.YES, now=now)
    restore = backup()
    choose(cast.bakery, jane, opens=ChoiceValue.NO, now=later(now, hours=1))
    restore()
    assert choice_of(cast.bakery, jane).opens == "yes"
    assert replay_journal(now=later(now, hours=2)) == {"refused": 1}
    choice = choice_of(cast.bakery, jane)
    assert (choice.opens, choice.clicks, choice.opens_at) == ("no", "yes", later(now, hours=1))
    # Whatever was sent before the restore stays silent even if they say yes again.
    assert choice.opens_yes_since is None
    assert +replay_journal(now=later(now, hours=3)) == {}


def test_d3_a_refusal_of_an_imported_file_holds_after_a_restore(
    cast: Cast, now: datetime, backup: Callable[[], Callable[[], None]]
) -> None:
    jane = make_participant(cast.bakery, "jane@home.example", now=now)
    restore = backup()
    import_text(cast.bakery, "email,consent_email_tracking\njane@home.example,no\n", now=now)
    restore()
    assert replay_journal(now=later(now, hours=2)) == {"refused": 2}
    assert choice_of(cast.bakery, jane).opens == choice_of(cast.bakery, jane).clicks == "no"


def test_d3_an_end_of_mail_holds_after_a_restore(
    cast: Cast, now: datetime, backup: Callable[[], Callable[[], None]]
) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    jane, john = (make_participant(cast.bakery, f"{name}@home.example", now=now) for name in ("jane", "john"))
    for person in (jane, john):
        subscribe_to(cast.bakery, person, topic, now=now)
    restore = backup()
    with tenant(cast.bakery.pk):
        unsubscribe(cast.bakery, jane, topic, now=later(now, hours=1))
        suppress(cast.bakery, john.email_norm, reason="complained", source="provider", now=later(now, hours=1))
    restore()
    assert replay_journal(now=later(now, hours=2)) == {"unsubscribed": 2}
    with tenant(cast.bakery.pk):
        assert Subscription.objects.get(participant=jane).unsubscribed_at is not None
        assert Suppression.objects.get().email_norm == john.email_norm


def test_d3_an_erasure_holds_after_a_restore_and_a_return_does_too(
    cast: Cast, now: datetime, backup: Callable[[], Callable[[], None]]
) -> None:
    jane = make_participant(cast.bakery, "jane@home.example", now=now)
    erase_participant(
        cast.bakery, make_participant(cast.bakery, "first@home.example", now=now), actor=None, reason="", now=now
    )
    restore = backup()
    late, back = (make_participant(cast.bakery, f"{name}@home.example", now=now) for name in ("late", "back"))
    for person in (jane, late, back):
        erase_participant(cast.bakery, person, actor=cast.dana, reason="", now=now)
    again = make_participant(cast.bakery, "back@home.example", now=now)
    assert welcome_back(cast.bakery, again, now=later(now, hours=1))
    restore()
    assert replay_journal(now=later(now, hours=2))["erased"] == 2
    with tenant(cast.bakery.pk):
        assert not Participant.objects.exists()
        out = {name for name in ("jane", "late", "back") if is_suppressed_hash(cast.bakery, f"{name}@home.example")}
    assert out == {"jane", "late"}


def test_d3_a_departure_holds_after_a_restore_and_reaches_nobody_else(cast: Cast, now: datetime) -> None:
    nobody = 999_999
    with tenant(cast.bakery.pk):
        journal.write_acts(journal.Act.REFUSED, nobody, ["x"], at=now)
        journal.write_acts(journal.Act.DEPARTED, cast.bakery.pk, [cast.bakery.public_id], at=now)
        # The number belongs to another organization by now.
        journal.write_acts(journal.Act.DEPARTED, cast.cinema.pk, [uuid4()], at=now)
    JournalMark.objects.all().delete()
    assert +replay_journal(now=later(now, hours=1)) == {"departed": 1}
    assert list(Organization.objects.using("owner").values_list("name", flat=True)) == ["Cinema"]


def test_d3_who_came_back_for_a_topic_keeps_it(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    jane = make_participant(cast.bakery, "jane@home.example", now=now)
    subscribe_to(cast.bakery, jane, topic, now=now)
    with tenant(cast.bakery.pk):
        unsubscribe(cast.bakery, jane, topic, now=later(now, hours=1))
    subscribe_to(cast.bakery, jane, topic, now=later(now, hours=2))
    JournalMark.objects.all().delete()
    assert +replay_journal(now=later(now, hours=3)) == {}
    with tenant(cast.bakery.pk):
        assert Subscription.objects.get().unsubscribed_at is None


def test_d3_a_start_without_a_restore_changes_nothing(cast: Cast, now: datetime) -> None:
    jane = make_participant(cast.bakery, "jane@home.example", now=now)
    choose(cast.bakery, jane, opens=ChoiceValue.NO, now=now)
    choose(cast.bakery, jane, opens=ChoiceValue.YES, now=later(now, hours=1))
    call_command("replay_journal")
    assert choice_of(cast.bakery, jane).opens == "yes"


def test_d3_the_journal_is_for_its_owner_only_and_holds_no_address(cast: Cast, now: datetime, folder: Path) -> None:
    jane = make_participant(cast.bakery, "jane@home.example", now=now)
    choose(cast.bakery, jane, opens=ChoiceValue.NO, clicks=ChoiceValue.NO, now=now)
    erase_participant(cast.bakery, jane, actor=cast.dana, reason="letter of jane@home.example", now=now)
    acts = entries(folder)
    assert [entry["act"] for entry in acts] == ["refused", "refused", "erased"]
    assert {entry["subject"] for entry in acts} == {str(jane.ledger_id)}
    assert "home.example" not in json.dumps(acts)
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_d3_a_full_disk_keeps_nobody_from_withdrawing(cast: Cast, now: datetime, folder: Path, caplog: Any) -> None:
    folder.write_text("a file where the folder should be")
    jane = make_participant(cast.bakery, "jane@home.example", now=now)
    choose(cast.bakery, jane, opens=ChoiceValue.NO, now=now)
    assert choice_of(cast.bakery, jane).opens == "no"
    assert "journal" in caplog.text
    assert "home.example" not in caplog.text


def test_d3_a_line_cut_short_is_left_out_and_old_months_are_forgotten(cast: Cast, now: datetime, folder: Path) -> None:
    with tenant(cast.bakery.pk):
        journal.write_acts(journal.Act.REFUSED, cast.bakery.pk, ["x"], at=datetime(2025, 9, 30, tzinfo=UTC))
        journal.write_acts(journal.Act.REFUSED, cast.bakery.pk, ["y"], at=datetime(2025, 10, 1, tzinfo=UTC))
    with (folder / "2025-10.jsonl").open("a") as file:
        file.write('{"id": "cut')
    assert [entry["subject"] for entry in journal.read_acts()] == ["x", "y"]
    assert journal.forget_old_acts(now=datetime(2026, 11, 22, tzinfo=UTC) - timedelta(days=1)) == 1
    assert [entry["subject"] for entry in journal.read_acts()] == ["y"]
    assert JournalMark.objects.count() == 2
