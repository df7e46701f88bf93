"""Many answers at once: the same verdicts and the same states as one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from common.tenancy import tenant
from consent.imports import Answers, ChoicesChanged, end_subscriptions, record_choices, subscribe_people
from consent.models import Basis, Choice, ChoiceEvent, Subscription
from consent.rules import (
    BEGINNING,
    ChoiceFact,
    ChoiceState,
    ChoiceValue,
    Kind,
    Source,
    Verdict,
    choice_since,
    supersedes,
)
from consent.services import unsubscribe
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import make_participant, make_topic, make_website, subscribe_to
from websites.services import ensure_default_scope

pytestmark = pytest.mark.django_db

VALUES = (ChoiceValue.YES, ChoiceValue.NO)


@dataclass(frozen=True)
class Known:
    """A state that a person may be in about one kind."""

    fact: ChoiceFact | None
    state: ChoiceState
    has_row: bool = True

    def columns(self, kind: Kind) -> dict[str, Any]:
        return {
            kind.value: self.state.value.value,
            f"{kind}_source": self.fact.source.value if self.fact else "",
            f"{kind}_at": self.fact.at if self.fact else None,
            f"{kind}_yes_since": self.state.yes_since,
            f"{kind}_not_no_since": self.state.not_no_since,
        }


def known_states(now: datetime) -> Iterator[Known]:
    yield Known(None, ChoiceState(), has_row=False)
    yield Known(None, ChoiceState(not_no_since=now - timedelta(days=3)))
    for value, source, days in product(VALUES, Source, (9, 5, 1)):
        at = now - timedelta(days=days)
        state = choice_since(ChoiceState(), value, now=at)
        yield Known(ChoiceFact(value, source, at), state)
    # A yes after a no: silence counts from the yes on.
    at = now - timedelta(days=5)
    yield Known(ChoiceFact(ChoiceValue.YES, Source.PERSON, at), ChoiceState(ChoiceValue.YES, at, at))


def answers_to_try(now: datetime) -> Iterator[tuple[ChoiceValue, Answers]]:
    for value, source, days, evidence in product(ChoiceValue, Source, (9, 5, 1, -1), (True, False)):
        yield (
            value,
            Answers(
                source=source,
                method="test",
                happened_at=now - timedelta(days=days),
                wording="May we?",
                evidence={"import": 1} if evidence else {},
            ),
        )


def fill(rows: list[tuple[int, str | None, str | None]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.incoming")
        cursor.execute(
            "CREATE TEMP TABLE incoming (participant_id bigint, ledger_id uuid, opens text, clicks text) ON COMMIT DROP"
        )
        cursor.executemany(
            "INSERT INTO incoming SELECT id, ledger_id, %s, %s FROM participants_participant WHERE id = %s",
            [(opens, clicks, person) for person, opens, clicks in rows],
        )


def make_people(cast: Cast, pairs: list[tuple[Known, Known]], now: datetime) -> list[Participant]:
    people = Participant.objects.bulk_create(
        Participant(
            organization=cast.bakery, email=f"p{number}@b.example", email_norm=f"p{number}@b.example", created_at=now
        )
        for number, _pair in enumerate(pairs)
    )
    scope = ensure_default_scope(cast.bakery, now=now)
    Choice.objects.bulk_create(
        Choice(
            organization=cast.bakery,
            participant=person,
            scope=scope,
            **opens.columns(Kind.OPENS),
            **clicks.columns(Kind.CLICKS),
        )
        for person, (opens, clicks) in zip(people, pairs, strict=True)
        if opens.has_row
    )
    return people


def pairs_of(now: datetime) -> list[tuple[Known, Known]]:
    states = list(known_states(now))
    with_row = states[1:]
    return [(states[0], states[0]), *zip(with_row, reversed(with_row), strict=True)]


def expected(known: Known, value: ChoiceValue, answers: Answers, now: datetime) -> tuple[Verdict, dict[str, Any]]:
    at = min(answers.happened_at, now)
    verdict = supersedes(known.fact, ChoiceFact(value, answers.source, at, has_evidence=bool(answers.evidence)))
    if verdict is not Verdict.APPLIED:
        return verdict, known.columns(Kind.OPENS)
    after = choice_since(known.state, value, now=now)
    return verdict, Known(ChoiceFact(value, answers.source, at), after).columns(Kind.OPENS)


def verdicts_by_person() -> dict[int, tuple[str | None, str | None]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT participant_id, opens_verdict, clicks_verdict FROM consent_answer")
        return {person: (opens, clicks) for person, opens, clicks in cursor.fetchall()}


NO_ROW = Known(None, ChoiceState()).columns(Kind.OPENS)


def states_of(kind: Kind) -> dict[int, dict[str, Any]]:
    """The columns of each person's choice about a kind, under the names of those about opens."""
    names = {name.replace("opens", kind.value): name for name in NO_ROW}
    return {
        choice.participant_id: {name: getattr(choice, column) for column, name in names.items()}
        for choice in Choice.objects.all()
    }


def test_every_answer_to_every_state_is_judged_and_kept_as_by_the_rules(cast: Cast, now: datetime) -> None:
    pairs = pairs_of(now)
    with tenant(cast.bakery.pk):
        people = make_people(cast, pairs, now)
    for value, answers in answers_to_try(now):
        with transaction.atomic(), tenant(cast.bakery.pk):
            fill([(person.pk, value.value, value.value) for person in people])
            counts = record_choices(cast.bakery, table="incoming", answers=answers, now=now)
            found = verdicts_by_person()
            states = {kind: states_of(kind) for kind in Kind}
            applied = 0
            for person, pair in zip(people, pairs, strict=True):
                for kind, known, verdict in zip(Kind, pair, found[person.pk], strict=True):
                    wanted, state = expected(known, value, answers, now)
                    assert verdict == wanted, (known, value, answers)
                    assert states[kind].get(person.pk, NO_ROW) == state, (kind, known, value, answers)
                    applied += wanted is Verdict.APPLIED
            assert counts[Verdict.APPLIED] == applied
            assert counts.total() == 2 * len(people)
            assert ChoiceEvent.objects.count() == applied
            transaction.set_rollback(True)


def test_one_kind_is_left_alone_when_nothing_is_said_about_it(cast: Cast, now: datetime) -> None:
    person = make_participant(cast.bakery, "ana@b.example", now=now)
    answers = Answers(source=Source.PERSON, method="test", happened_at=now)
    with tenant(cast.bakery.pk):
        fill([(person.pk, None, "no")])
        assert record_choices(cast.bakery, table="incoming", answers=answers, now=now) == {Verdict.APPLIED: 1}
        choice = Choice.objects.get(participant=person)
        assert (choice.opens, choice.opens_at, choice.opens_not_no_since) == ("unknown", None, BEGINNING)
        assert (choice.clicks, choice.clicks_not_no_since) == ("no", None)


def test_each_applied_answer_is_an_event_with_its_provenance(cast: Cast, now: datetime) -> None:
    person = make_participant(cast.bakery, "ana@b.example", now=now)
    collected = now - timedelta(days=30)
    answers = Answers(
        source=Source.IMPORT,
        method="import:7",
        happened_at=collected,
        wording="May we?",
        evidence={"import": 7},
        actor=cast.ana,
    )
    with tenant(cast.bakery.pk):
        fill([(person.pk, "yes", None)])
        record_choices(cast.bakery, table="incoming", answers=answers, now=now)
        (event,) = ChoiceEvent.objects.select_related("consent_text")
    assert (event.kind, event.value, event.source, event.method) == ("opens", "yes", "import", "import:7")
    assert (event.happened_at, event.recorded_at) == (collected, now)
    assert (event.consent_text.text, event.evidence, event.actor_id) == ("May we?", {"import": 7}, cast.ana.pk)


def test_an_answer_given_meanwhile_refuses_the_whole_set(cast: Cast, now: datetime) -> None:
    """The same person twice in a set is the same conflict: the second row was judged on what is no more."""
    person = make_participant(cast.bakery, "ana@b.example", now=now)
    answers = Answers(source=Source.PERSON, method="test", happened_at=now, evidence={"a": 1})
    with tenant(cast.bakery.pk):
        fill([(person.pk, "yes", "yes")])
        record_choices(cast.bakery, table="incoming", answers=answers, now=now)
        fill([(person.pk, "no", None), (person.pk, None, "no")])
        later = Answers(source=Source.PERSON, method="test", happened_at=now + timedelta(seconds=1))
        with pytest.raises((ChoicesChanged, IntegrityError)), transaction.atomic():
            record_choices(cast.bakery, table="incoming", answers=later, now=now + timedelta(seconds=1))
        fresh = make_participant(cast.bakery, "max@b.example", now=now)
        fill([(fresh.pk, "no", None), (fresh.pk, None, "no")])
        with pytest.raises(IntegrityError), transaction.atomic():
            record_choices(cast.bakery, table="incoming", answers=answers, now=now)


def test_a_table_is_named_not_written(cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk), pytest.raises(ValueError, match="not a table"):
        record_choices(
            cast.bakery,
            table="x; DROP TABLE y",
            answers=Answers(source=Source.API, method="test", happened_at=now),
            now=now,
        )


def test_people_are_subscribed_once_and_never_again_after_leaving(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    topic = make_topic(cast.bakery, website)
    new, there, left = (
        make_participant(cast.bakery, f"{name}@b.example", now=now) for name in ("new", "there", "left")
    )
    subscribe_to(cast.bakery, there, topic, now=now)
    subscribe_to(cast.bakery, left, topic, now=now)
    with tenant(cast.bakery.pk):
        unsubscribe(cast.bakery, left, topic, now=now)
        fill([(person.pk, None, None) for person in (new, there, left)])
        made = subscribe_people(
            cast.bakery, topic, table="incoming", basis=Basis.OPT_IN, source="shop", wording="News?", now=now
        )
        active = Subscription.objects.filter(unsubscribed_at__isnull=True).values_list("participant_id", flat=True)
        assert made == 1
        assert set(active) == {new.pk, there.pk}
        fresh = Subscription.objects.get(participant=new)
        assert (fresh.basis, fresh.source, fresh.wording, fresh.subscribed_at) == ("opt_in", "shop", "News?", now)


def test_subscriptions_of_addresses_end(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    leaver = make_participant(cast.bakery, "leaver@b.example", now=now)
    stayer = make_participant(cast.bakery, "stayer@b.example", now=now)
    for person in (leaver, stayer):
        subscribe_to(cast.bakery, person, topic, now=now)
    with tenant(cast.bakery.pk):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE leavers ON COMMIT DROP AS SELECT 'leaver@b.example'::text AS email_norm")
        assert end_subscriptions(cast.bakery, table="leavers", now=now) == 1
        assert Subscription.objects.get(participant=leaver).unsubscribed_at == now
        assert Subscription.objects.get(participant=stayer).unsubscribed_at is None
