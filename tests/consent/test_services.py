"""Choices, subscriptions, notices, justifications, and the settings that the rules refuse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounts.models import Organization
from common.tenancy import tenant
from consent import services
from consent.models import Basis, Choice, ChoiceEvent, Subscription, Topic
from consent.rules import BEGINNING, ChoiceValue, Kind, Source, Verdict
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import later, make_participant, make_topic, make_website

pytestmark = pytest.mark.django_db

YES, NO, UNKNOWN = ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


@pytest.fixture
def zoe(bakery: Organization, now: datetime) -> Participant:
    return make_participant(bakery, "zoe@home.example", now=now, country="BE")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The tasks that are asked for once the transaction stands."""
    tasks: list[tuple[str, dict[str, Any]]] = []

    def note(name: str, **kwargs: Any) -> None:
        if name != "consent.seal_ledger":
            tasks.append((name, kwargs))

    monkeypatch.setattr("consent.services.choices.after_commit", note)
    return tasks


def choose(bakery: Organization, person: Participant, *, now: datetime, **fields: Any) -> dict[Kind, Verdict]:
    defaults = {"opens": None, "clicks": None, "source": Source.PERSON, "method": "preference page"}
    return services.record_choice(bakery, person, happened_at=fields.pop("at", now), now=now, **{**defaults, **fields})


# --- Choices ----------------------------------------------------------------------------------------------------------


def test_c5_a_choice_is_appended_and_the_current_state_derived(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    verdicts = choose(bakery, zoe, now=now, opens=YES, clicks=NO, wording="May we measure?", actor=None)
    assert verdicts == {Kind.OPENS: Verdict.APPLIED, Kind.CLICKS: Verdict.APPLIED}
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens, choice.opens_yes_since, choice.opens_not_no_since) == ("yes", now, BEGINNING)
    assert (choice.clicks, choice.clicks_yes_since, choice.clicks_not_no_since) == ("no", None, None)
    events = ChoiceEvent.objects.filter(subject=zoe.ledger_id).order_by("id")
    assert [(one.kind, one.value, one.consent_text.text, one.recorded_at) for one in events] == [
        ("opens", "yes", "May we measure?", now),
        ("clicks", "no", "May we measure?", now),
    ]


def test_c5_the_history_cannot_be_changed(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES)
    for change in (
        lambda: ChoiceEvent.objects.update(value="no"),
        lambda: ChoiceEvent.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert ChoiceEvent.objects.get().value == "yes"


def test_c2_no_answer_writes_nothing(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES)
    assert choose(bakery, zoe, now=later(now, hours=1), opens=UNKNOWN, clicks=UNKNOWN) == {
        Kind.OPENS: Verdict.UNCHANGED,
        Kind.CLICKS: Verdict.UNCHANGED,
    }
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens, choice.clicks, ChoiceEvent.objects.count()) == ("yes", "unknown", 1)


def test_s3_one_kind_leaves_the_other_alone(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES, clicks=YES)
    assert choose(bakery, zoe, now=later(now, hours=1), clicks=NO) == {Kind.CLICKS: Verdict.APPLIED}
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens, choice.opens_yes_since, choice.clicks) == ("yes", now, "no")


def test_c6_a_person_s_no_outranks_what_others_bring(
    bakery: Organization, cast: Cast, zoe: Participant, now: datetime
) -> None:
    choose(bakery, zoe, now=now, opens=NO)
    brought = choose(
        bakery,
        zoe,
        now=later(now, days=1),
        opens=YES,
        source=Source.IMPORT,
        method="import",
        evidence={"where": "fair"},
    )
    assert brought == {Kind.OPENS: Verdict.KEPT_PERSONS_OWN}
    assert Choice.objects.get(participant=zoe).opens == "no"
    assert ChoiceEvent.objects.count() == 1


def test_c6_a_member_records_a_yes_only_with_evidence(
    bakery: Organization, cast: Cast, zoe: Participant, now: datetime
) -> None:
    by_member = {"opens": YES, "source": Source.MEMBER, "method": "console", "actor": cast.max}
    assert choose(bakery, zoe, now=now, **by_member) == {Kind.OPENS: Verdict.NO_PROVENANCE}
    evidence = {"paper": "form 12"}
    assert choose(bakery, zoe, now=now, **by_member, evidence=evidence) == {Kind.OPENS: Verdict.APPLIED}
    event = ChoiceEvent.objects.get()
    assert (event.actor, event.evidence) == (cast.max, evidence)


def test_h1_a_yes_never_reaches_back_to_before_it_was_recorded(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    collected = now - timedelta(days=300)
    choose(
        bakery,
        zoe,
        now=now,
        opens=YES,
        at=collected,
        source=Source.IMPORT,
        method="import",
        evidence={"where": "fair"},
    )
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens_at, choice.opens_yes_since) == (collected, now)


def test_an_answer_from_the_future_counts_as_given_now(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES, at=later(now, days=9))
    assert Choice.objects.get(participant=zoe).opens_at == now
    assert choose(bakery, zoe, now=later(now, minutes=1), opens=NO) == {Kind.OPENS: Verdict.APPLIED}


def test_c11_a_refusal_asks_for_the_deletion_of_past_hits_once(
    bakery: Organization, zoe: Participant, now: datetime, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    choose(bakery, zoe, now=now, opens=YES, clicks=YES)
    assert asked == []
    choose(bakery, zoe, now=later(now, hours=1), opens=NO)
    choose(bakery, zoe, now=later(now, hours=2), opens=NO)
    assert asked == [
        (
            "tracking.delete_hits_of_participant",
            {
                "organization_id": bakery.pk,
                "participant_id": zoe.pk,
                "kind": "opens",
                "scope_id": Choice.objects.get(participant=zoe).scope_id,
            },
        )
    ]


def test_c11_so_does_a_refusal_of_somebody_who_never_answered(
    bakery: Organization, zoe: Participant, now: datetime, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    choose(bakery, zoe, now=now, clicks=NO)
    assert [kwargs["kind"] for _name, kwargs in asked] == ["clicks"]


def test_s5_a_move_lets_silence_count_from_now_on_and_keeps_what_was_said(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    silent = make_participant(bakery, "silent@home.example", now=now, country="CH")
    choose(bakery, zoe, now=now, opens=YES, clicks=NO)
    moved = later(now, hours=1)
    services.apply_move(bakery, [zoe.pk, silent.pk], now=moved)
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens_yes_since, choice.opens_not_no_since) == (now, moved)
    assert (choice.clicks, choice.clicks_not_no_since) == ("no", None)
    silence = Choice.objects.get(participant=silent)
    assert (silence.opens, silence.opens_not_no_since, silence.clicks_not_no_since) == ("unknown", moved, moved)


# --- Subscriptions and keys -------------------------------------------------------------------------------------------


@pytest.fixture
def news(bakery: Organization, cast: Cast, now: datetime) -> Topic:
    return make_topic(bakery, make_website(bakery, cast.ana, now=now))


def test_c1_subscribing_says_nothing_about_measuring(
    bakery: Organization, zoe: Participant, news: Topic, now: datetime
) -> None:
    services.subscribe(bakery, zoe, news, basis=Basis.OPT_IN, source="shop", now=now)
    assert not Choice.objects.filter(participant=zoe).exists()
    services.unsubscribe(bakery, zoe, news, now=later(now, hours=1))
    assert not Choice.objects.filter(participant=zoe).exists()


def test_a_subscription_keeps_how_it_came_about_until_it_is_ended(
    bakery: Organization, zoe: Participant, news: Topic, now: datetime
) -> None:
    services.subscribe(bakery, zoe, news, basis=Basis.OPT_IN, source="shop", now=now)
    services.subscribe(bakery, zoe, news, basis=Basis.EXISTING_CUSTOMER, source="till", now=later(now, hours=1))
    kept = Subscription.objects.get(participant=zoe)
    assert (kept.basis, kept.source, kept.subscribed_at) == ("opt_in", "shop", now)

    assert services.unsubscribe(bakery, zoe, news, now=later(now, hours=2)) is True
    assert services.unsubscribe(bakery, zoe, news, now=later(now, hours=3)) is False
    assert Subscription.objects.get(participant=zoe).unsubscribed_at == later(now, hours=2)

    services.subscribe(bakery, zoe, news, basis=Basis.DOUBLE_OPT_IN, source="form", now=later(now, hours=4))
    again = Subscription.objects.get(participant=zoe)
    assert (again.basis, again.subscribed_at, again.unsubscribed_at) == ("double_opt_in", later(now, hours=4), None)


def test_a_person_keeps_one_preference_key(bakery: Organization, zoe: Participant, now: datetime) -> None:
    other = make_participant(bakery, "other@home.example", now=now)
    first = services.ensure_preference_keys(bakery, [zoe.pk])
    both = services.ensure_preference_keys(bakery, [zoe.pk, other.pk])
    assert both[zoe.pk] == first[zoe.pk]
    assert both[other.pk] != first[zoe.pk]
    assert services.ensure_preference_keys(bakery, [zoe.pk, other.pk]) == both
    assert services.ensure_preference_keys(bakery, []) == {}
