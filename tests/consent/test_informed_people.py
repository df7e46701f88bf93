"""Many informed people at once: the same verdicts, states and history as one by one (rule C10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from common.tenancy import tenant
from consent.imports import ChoicesChanged, InformedPeople, record_informed_people
from consent.models import Choice, ChoiceEvent
from consent.rules import BEGINNING, ChoiceValue, Informed, InformedGround, Kind, Source, Verdict
from consent.services import apply_move, record_choice, record_informed
from consent.verification import verify_ledger
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import make_participant
from websites.services import ensure_default_scope

pytestmark = pytest.mark.django_db

YES, NO = ChoiceValue.YES, ChoiceValue.NO
LONG_AGO = datetime.fromisoformat("2025-05-01T00:00:00+00:00")
IN_TIME = Informed(InformedGround.EXISTING, LONG_AGO, datetime.fromisoformat("2026-06-01T00:00:00+00:00"))
OTHERS = (
    Informed(InformedGround.EXISTING, LONG_AGO, datetime.fromisoformat("2026-08-01T00:00:00+00:00")),
    Informed(InformedGround.EXISTING, None, IN_TIME.informed_at),
    Informed(InformedGround.PROFESSIONAL, LONG_AGO, IN_TIME.informed_at),
)
type Step = Callable[[Cast, Participant, datetime], Any]


def answer(**answers: ChoiceValue | None) -> Step:
    def step(cast: Cast, person: Participant, at: datetime) -> None:
        said = {"opens": None, "clicks": None, **answers}
        record_choice(cast.bakery, person, source=Source.PERSON, method="test", happened_at=at, now=at, **said)

    return step


def inform(informed: Informed) -> Step:
    def step(cast: Cast, person: Participant, at: datetime) -> dict[Kind, Verdict]:
        return record_informed(
            cast.bakery, person, ground=informed.ground, collected_at=informed.collected_at,
            informed_at=informed.informed_at, notice=None, source=Source.IMPORT, method="import:1", now=at,
            evidence={"import": 1}, actor=cast.ana,
        )  # fmt: skip

    return step


def move(cast: Cast, person: Participant, at: datetime) -> None:
    apply_move(cast.bakery, [person.pk], now=at)


def pasts() -> Iterator[tuple[Step, ...]]:
    """Everything that can have happened to a person before, one thing after another."""
    yield ()
    yield (move,)
    answers = [answer(opens=one, clicks=two) for one, two in product((YES, NO, None), repeat=2) if one or two]
    informs = [inform(informed) for informed in (IN_TIME, *OTHERS)]
    yield from ((step,) for step in (*answers, *informs))
    yield from product(informs, answers)
    yield from product(informs, [answer(opens=YES)], informs)
    yield from product(informs, informs)
    yield from ((one, move) for one in informs)


def fill(people: list[Participant]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.incoming")
        cursor.execute(
            "CREATE TEMP TABLE incoming ON COMMIT DROP AS"
            " SELECT id AS participant_id, ledger_id FROM participants_participant WHERE id = ANY(%s)",
            [[person.pk for person in people]],
        )


def as_set(cast: Cast, informed: Informed = IN_TIME) -> InformedPeople:
    return InformedPeople(
        informed=informed, notice=None, source=Source.IMPORT, method="import:1", evidence={"import": 1}, actor=cast.ana
    )


def kept(person: Participant) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The state and the history of a person, without what names them."""
    states = list(Choice.objects.filter(participant=person).values())
    events = list(ChoiceEvent.objects.filter(subject=person.ledger_id).order_by("seq").values())
    for row in states + events:
        for name in ("id", "participant_id", "subject", "hash", "prev_hash"):
            row.pop(name, None)
    return states, events


def test_c10_many_are_judged_and_kept_as_one_by_one(cast: Cast, now: datetime) -> None:
    histories = list(pasts())
    with tenant(cast.bakery.pk):
        ensure_default_scope(cast.bakery, now=now)
        pairs = []
        for number, steps in enumerate(histories):
            pair = [make_participant(cast.bakery, f"p{number}-{twin}@b.example", now=now) for twin in "ab"]
            for person in pair:
                for hours, step in enumerate(steps, start=1):
                    step(cast, person, now + timedelta(hours=hours))
            pairs.append(pair)
        at = now + timedelta(days=1)
        wanted = [verdict for one, _two in pairs for verdict in inform(IN_TIME)(cast, one, at).values()]
        fill([two for _one, two in pairs])
        counts = record_informed_people(cast.bakery, table="incoming", people=as_set(cast), now=at)
        for (one, two), steps in zip(pairs, histories, strict=True):
            assert kept(two) == kept(one), steps
        assert {verdict: counts[verdict] for verdict in Verdict if counts[verdict]} == {
            verdict: wanted.count(verdict) for verdict in Verdict if verdict in wanted
        }
        assert len(set(wanted)) == 3
        assert list(verify_ledger(cast.bakery)) == []


def test_c10_other_dates_count_from_when_they_were_said_for_both_kinds(cast: Cast, now: datetime) -> None:
    """Also back to the first ones: what was not in time for a while must not reach back over it (H1)."""
    person = make_participant(cast.bakery, "zoe@b.example", now=now)
    with tenant(cast.bakery.pk):
        for hours, informed in enumerate((IN_TIME, OTHERS[0], IN_TIME), start=1):
            inform(informed)(cast, person, now + timedelta(hours=hours))
        choice = Choice.objects.get()
        latest = now + timedelta(hours=3)
        assert (choice.opens_informed_since, choice.clicks_informed_since) == (latest, latest)
        assert ChoiceEvent.objects.count() == 6
        answer(opens=YES)(cast, person, now + timedelta(hours=4))
        inform(OTHERS[0])(cast, person, now + timedelta(hours=5))
        choice.refresh_from_db()
        assert (choice.opens, choice.opens_yes_since) == ("yes", now + timedelta(hours=4))
        assert choice.opens_informed_since == now + timedelta(hours=5)


def test_c10_an_answer_given_meanwhile_refuses_the_whole_set(cast: Cast, now: datetime) -> None:
    person = make_participant(cast.bakery, "zoe@b.example", now=now)
    with tenant(cast.bakery.pk):
        fill([person])
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO incoming SELECT * FROM incoming")
        with pytest.raises(IntegrityError), transaction.atomic():
            record_informed_people(cast.bakery, table="incoming", people=as_set(cast), now=now)
        fill([person])
        record_informed_people(cast.bakery, table="incoming", people=as_set(cast), now=now)
        choice = Choice.objects.get()
        assert (choice.opens, choice.opens_not_no_since, choice.opens_informed_since) == ("informed", BEGINNING, now)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO incoming SELECT * FROM incoming")
        with pytest.raises((ChoicesChanged, IntegrityError)), transaction.atomic():
            record_informed_people(
                cast.bakery, table="incoming", people=as_set(cast, OTHERS[0]), now=now + timedelta(hours=1)
            )
        with pytest.raises(ValueError, match="not a table"):
            record_informed_people(cast.bakery, table="x; DROP TABLE y", people=as_set(cast), now=now)
