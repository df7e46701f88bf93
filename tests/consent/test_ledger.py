"""The consent history: chains, seals, what they show, and the proof that is handed out (rules C5, C1, C6, C8, C10)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Organization
from common.tenancy import tenant
from consent import chain
from consent.imports import Answers, record_choices
from consent.ledger import WordingError, write_events
from consent.models import Choice, ChoiceEvent, ConsentText, LedgerAnchor
from consent.rules import ChoiceValue, InformedGround, Kind, Source, Verdict
from consent.services import publish_consent_text, record_informed
from consent.services.sealing import anchor_lines, newest_event
from consent.tasks import seal_all_ledgers, seal_ledger
from consent.verification import verify_ledger
from participants.models import Participant
from tests.consent.history import choose, seal, write_history
from tests.support.cast import Cast
from tests.support.tamperings import (
    IN_THE_DATABASE,
    WITH_KEPT_ANCHORS,
    as_owner,
)
from tests.support.world import later, make_participant
from websites.models import ConsentScope
from websites.services import ensure_default_scope

pytestmark = pytest.mark.django_db

YES, NO = ChoiceValue.YES, ChoiceValue.NO


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


@pytest.fixture
def zoe(bakery: Organization, now: datetime) -> Participant:
    return make_participant(bakery, "zoe@home.example", now=now)


def run_in_organization(bakery: Organization, alias: str, statement: str) -> None:
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SET LOCAL app.ledger_maintenance = 'off'")
        cursor.execute("SELECT set_config('app.organization', %s, true)", [str(bakery.pk)])
        cursor.execute(statement)


def wrong(bakery: Organization, **options: Any) -> list[str]:
    return [str(problem) for problem in verify_ledger(bakery, **options)]


# --- Chains -----------------------------------------------------------------------------------------------------------


def test_c5_every_answer_follows_the_one_before_it(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES, clicks=NO)
    choose(bakery, zoe, now=later(now, hours=1), opens=NO)
    events = list(ChoiceEvent.objects.filter(subject=zoe.ledger_id).order_by("seq"))
    assert [event.seq for event in events] == [1, 2, 3]
    assert [bytes(event.prev_hash) for event in events] == [chain.NOTHING, *(bytes(one.hash) for one in events[:2])]
    assert wrong(bakery) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seq=st.integers(1, 2**31 - 1),
    scope=st.integers(1, 2**63 - 1),
    prev=st.binary(min_size=32, max_size=32),
    act=st.binary(min_size=32, max_size=32),
    subject=st.uuids(),
)
def test_c5_sql_and_python_write_the_same_text_of_an_event(
    db: None, seq: int, scope: int, prev: bytes, act: bytes, subject: Any
) -> None:
    named = {"prev": "%s", "subject": "%s", "scope": "%s::text", "seq": "%s::text", "kind": "%s", "value": "%s"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT " + chain.event_hash_sql(**named, act="%s"),
            [prev.hex(), str(subject), scope, seq, "opens", "yes", act.hex()],
        )
        (found,) = cursor.fetchone()
    facts = {"prev": prev, "subject": subject, "scope": scope, "seq": seq, "act": act}
    assert bytes(found) == chain.event_hash(**facts, kind="opens", value="yes")


def test_c5_a_file_builds_the_same_chains(bakery: Organization, zoe: Participant, now: datetime) -> None:
    new = make_participant(bakery, "new@home.example", now=now)
    choose(bakery, zoe, now=now, opens=NO)
    rows = [(zoe, "yes", "yes"), (new, "no", "yes")]
    for day in (1, 2):
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS pg_temp.incoming")
            cursor.execute(
                "CREATE TEMP TABLE incoming (participant_id bigint, ledger_id uuid, opens text, clicks text)"
            )
            for person, opens, clicks in rows:
                cursor.execute(
                    "INSERT INTO incoming VALUES (%s, %s, %s, %s)", [person.pk, person.ledger_id, opens, clicks]
                )
        at = later(now, days=day)
        answers = Answers(
            source=Source.PERSON, method="import:7", happened_at=at, wording="Do you?", evidence={"import": 7}
        )
        record_choices(bakery, table="incoming", answers=answers, now=at)
    lengths = {person.email: ChoiceEvent.objects.filter(subject=person.ledger_id).count() for person in (zoe, new)}
    assert lengths == {"zoe@home.example": 5, "new@home.example": 4}
    assert ConsentText.objects.filter(place="import:7").count() == 1
    assert wrong(bakery) == []


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_c5_people_who_write_at_once_leave_whole_chains(cast: Cast, now: datetime) -> None:
    """Real connections: twelve acts of one person, and the sealing between them."""
    person = make_participant(cast.bakery, "zoe@home.example", now=now)
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def act(turn: int) -> None:
        try:
            start.wait(timeout=30)
            for step in range(3):
                at = later(now, seconds=3 * step + turn)
                with tenant(cast.bakery.pk):
                    choose(cast.bakery, person, now=at, opens=NO if step % 2 else YES, clicks=YES, source=Source.PERSON)
                seal_all_ledgers()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act, args=[turn]) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    seal_all_ledgers()
    with tenant(cast.bakery.pk):
        sequence = list(ChoiceEvent.objects.order_by("seq").values_list("seq", flat=True))
        assert sequence == list(range(1, len(sequence) + 1))
        assert len(sequence) >= 4
        assert sum(LedgerAnchor.objects.values_list("events", flat=True)) == len(sequence)
        assert wrong(cast.bakery) == []


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_c5_nothing_is_sealed_while_an_older_event_may_still_come(cast: Cast, now: datetime) -> None:
    person = make_participant(cast.bakery, "zoe@home.example", now=now)
    with tenant(cast.bakery.pk):
        choose(cast.bakery, person, now=now, opens=YES)
    began, end = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with tenant(cast.bakery.pk):
                write_events(cast.bakery)
                began.set()
                end.wait(timeout=30)
        finally:
            connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    assert began.wait(timeout=30)
    with tenant(cast.bakery.pk):
        assert newest_event(cast.bakery, now=now) is None
    end.set()
    writer.join()
    with tenant(cast.bakery.pk):
        assert newest_event(cast.bakery, now=now) is not None


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize("table", ["consent_choiceevent", "consent_consenttext", "consent_ledgeranchor"])
@pytest.mark.parametrize("alias", ["default", "owner"])
def test_c5_not_even_the_owner_changes_the_history_by_mistake(
    cast: Cast, now: datetime, table: str, alias: str
) -> None:
    person = make_participant(cast.bakery, "zoe@home.example", now=now)
    with tenant(cast.bakery.pk):
        choose(cast.bakery, person, now=now, opens=YES)
        seal(cast.bakery, now=now)
    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):  # noqa: S608
        with pytest.raises(DatabaseError, match=r"append-only|permission denied"):
            run_in_organization(cast.bakery, alias, statement)


# --- What is recorded -------------------------------------------------------------------------------------------------


def test_c8_a_choice_belongs_to_its_scope_and_a_no_may_be_for_all(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    own = ensure_default_scope(bakery, now=now)
    brand = ConsentScope.objects.create(organization=bakery, name="Cakes")
    choose(bakery, zoe, now=now, opens=YES, clicks=YES, scope=brand)
    assert {choice.scope_id: choice.opens for choice in Choice.objects.all()} == {brand.pk: "yes"}
    choose(bakery, zoe, now=later(now, hours=1), opens=NO, clicks=YES, everywhere=True)
    found = {choice.scope_id: (choice.opens, choice.clicks) for choice in Choice.objects.all()}
    assert found == {own.pk: ("no", "yes"), brand.pk: ("no", "yes")}
    assert Choice.objects.get(scope=brand).clicks_at == now, "a yes is not for all"
    assert wrong(bakery) == []


def test_s4_an_objection_to_totals_is_an_event_and_only_the_person_takes_it_back(
    bakery: Organization, cast: Cast, zoe: Participant, now: datetime
) -> None:
    choose(bakery, zoe, now=now, anonymous=NO)
    assert Choice.objects.get().anonymous_objected_at == now
    choose(bakery, zoe, now=later(now, hours=1), anonymous=YES, source=Source.MEMBER, actor=cast.max)
    assert Choice.objects.get().anonymous_objected_at == now
    choose(bakery, zoe, now=later(now, hours=2), anonymous=YES)
    assert Choice.objects.get().anonymous_objected_at is None
    assert list(ChoiceEvent.objects.order_by("seq").values_list("kind", "value")) == [
        ("anonymous", "no"),
        ("anonymous", "yes"),
    ]
    assert wrong(bakery) == []


def test_c1_a_yes_counts_only_for_what_the_wording_asked(bakery: Organization, zoe: Participant, now: datetime) -> None:
    asks = {"website": None, "language": "en", "place": "form:1", "author": None, "now": now}
    text = publish_consent_text(bakery, text="News?", asks_for=["subscription:1"], **asks)
    with pytest.raises(WordingError):
        choose(bakery, zoe, now=now, opens=YES, consent_text=text, wording="")
    assert not ChoiceEvent.objects.exists()
    both = publish_consent_text(bakery, text="News and opens?", asks_for=["subscription:1", "opens"], **asks)
    choose(bakery, zoe, now=now, opens=YES, consent_text=both, wording="")
    assert ChoiceEvent.objects.get().consent_text == both
    # A no needs no question.
    choose(bakery, zoe, now=later(now, hours=1), opens=NO, consent_text=text, wording="")
    assert Choice.objects.get().opens == "no"


def test_c10_informed_is_no_yes_and_never_over_an_answer(bakery: Organization, zoe: Participant, now: datetime) -> None:
    long_ago = now - timedelta(days=400)

    def inform(at: datetime) -> dict[Kind, Verdict]:
        return record_informed(
            bakery, zoe, ground=InformedGround.EXISTING, collected_at=long_ago, informed_at=now - timedelta(days=200),
            notice=None, source=Source.IMPORT, method="import:1", now=at, evidence={"import": 1},
        )  # fmt: skip

    choose(bakery, zoe, now=now, clicks=NO)
    assert inform(later(now, hours=1)) == {Kind.OPENS: Verdict.APPLIED, Kind.CLICKS: Verdict.KEPT_NO}
    choice = Choice.objects.get()
    assert (choice.opens, choice.opens_yes_since, choice.opens_informed_since) == (
        "informed",
        None,
        later(now, hours=1),
    )
    assert (choice.informed_ground, choice.collected_at, choice.clicks) == ("existing", long_ago, "no")
    assert inform(later(now, hours=2))[Kind.OPENS] is Verdict.UNCHANGED
    assert ChoiceEvent.objects.get(value="informed").evidence["informed"]["ground"] == "existing"
    choose(bakery, zoe, now=later(now, hours=3), opens=YES)
    assert inform(later(now, hours=4))[Kind.OPENS] is Verdict.UNCHANGED
    choose(bakery, zoe, now=later(now, hours=5), opens=NO)
    choice = Choice.objects.get()
    assert (choice.opens, choice.opens_informed_since) == ("no", None)
    assert wrong(bakery) == []


def test_c5_the_same_person_is_meant_however_the_row_was_made(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    choose(bakery, Participant(pk=zoe.pk), now=now, opens=YES)
    assert ChoiceEvent.objects.get().subject == zoe.ledger_id


# --- Seals, and what they show ----------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_c5_a_proof_leads_to_the_root_and_another_content_does_not(contents: list[bytes], data: Any) -> None:
    index = data.draw(st.integers(0, len(contents) - 1))
    (proof,) = chain.merkle_proofs(contents, [index])
    root = chain.merkle_root(contents)
    assert chain.proven_root(contents[index], proof.steps) == root
    assert chain.proven_root(b"x" * 33, proof.steps) != root


def test_c5_a_tree_is_that_of_rfc_9162() -> None:
    """The root over seven leaves, as the RFC cuts them: 4 and 3, and 2 and 1."""
    leaves = [chain.leaf_hash(bytes([number])) for number in range(7)]
    node = chain._node_hash
    left = node(node(leaves[0], leaves[1]), node(leaves[2], leaves[3]))
    right = node(node(leaves[4], leaves[5]), leaves[6])
    assert chain.merkle_root([bytes([number]) for number in range(7)]) == node(left, right)


def test_c5_each_seal_follows_the_one_before_it(
    bakery: Organization, zoe: Participant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent.services.sealing.EVENTS_PER_ANCHOR", 2)
    write_history(bakery, zoe, now)
    anchors = list(LedgerAnchor.objects.all())
    assert [anchor.events for anchor in anchors] == [2, 2, 2, 2]
    assert [anchor.after_id for anchor in anchors[1:]] == [anchor.up_to_id for anchor in anchors[:-1]]
    assert seal(bakery, now=later(now, days=1)) == 0
    assert wrong(bakery) == []


def test_c5_single_choices_are_sealed_soon_but_not_one_by_one(
    cast: Cast, bakery: Organization, zoe: Participant, now: datetime
) -> None:
    choose(bakery, zoe, now=now, opens=YES)
    assert seal_ledger(bakery.pk) == 1
    choose(bakery, zoe, now=later(now, hours=1), opens=NO)
    assert seal_ledger(bakery.pk) == 0
    assert seal_all_ledgers() == 1
    assert seal_all_ledgers() == 0


OWNER = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


@pytest.fixture
def written(cast: Cast, now: datetime) -> Organization:
    with tenant(cast.bakery.pk):
        write_history(cast.bakery, make_participant(cast.bakery, "zoe@home.example", now=now), now)
        assert wrong(cast.bakery) == [], "the control: what nobody falsified is whole"
    return cast.bakery


@OWNER
@pytest.mark.parametrize("name", IN_THE_DATABASE)
def test_c5_a_falsified_history_is_seen(written: Organization, name: str) -> None:
    as_owner(IN_THE_DATABASE[name])
    with tenant(written.pk):
        assert wrong(written)


@OWNER
@pytest.mark.parametrize("name", WITH_KEPT_ANCHORS)
def test_c5_a_falsified_seal_is_seen_beside_what_was_kept_elsewhere(written: Organization, name: str) -> None:
    with tenant(written.pk):
        kept = list(anchor_lines(written))
        assert wrong(written, kept_anchors=kept) == []
    as_owner(WITH_KEPT_ANCHORS[name])
    with tenant(written.pk):
        assert wrong(written) == []
        assert wrong(written, kept_anchors=kept)


@OWNER
def test_c5_ops_verify_and_keep_anchors_by_command(written: Organization, tmp_path: Path) -> None:
    file, said = tmp_path / "anchors.jsonl", StringIO()
    call_command("export_anchors", organization="Bakery", output=file)
    assert len(file.read_text().splitlines()) == 2
    call_command("verify_ledger", organization="Bakery", anchors=file, stdout=said)
    assert "Bakery: whole. 8 events, 2 anchors, 0 events not sealed yet." in said.getvalue()
    as_owner(IN_THE_DATABASE["removed last row"])
    with pytest.raises(CommandError) as failure:
        call_command("verify_ledger", organization="Bakery", stdout=said)
    assert failure.value.returncode == 1
    assert "removed" in said.getvalue()
