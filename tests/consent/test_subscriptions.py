"""The register of permissions to send: asked for, confirmed, paused, ended, begun again."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction

from common.tenancy import call_door, tenant
from consent.imports import end_subscriptions, subscribe_people
from consent.ledger import WordingError
from consent.models import Basis, Choice, ChoiceEvent, Subscription, SubscriptionEvent, Topic
from consent.selectors import active_subscriptions
from consent.services import (
    confirm_subscription,
    end_pauses,
    pause_subscription,
    publish_consent_text,
    resume_subscription,
    subscribe,
    unsubscribe,
)
from consent.tasks import end_ended_pauses
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import later, make_participant, make_topic, make_website

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(cast: Cast, now: datetime) -> Topic:
    return make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))


@pytest.fixture
def zoe(cast: Cast, now: datetime) -> Participant:
    return make_participant(cast.bakery, "zoe@home.example", now=now)


def acts(cast: Cast, person: Participant) -> list[str]:
    with tenant(cast.bakery.pk):
        events = SubscriptionEvent.objects.filter(subject=person.ledger_id).order_by("id")
        return [event.act for event in events]


def is_active(cast: Cast, person: Participant) -> bool:
    with tenant(cast.bakery.pk):
        return active_subscriptions(cast.bakery).filter(participant=person).exists()


def test_c5_every_act_is_appended(cast: Cast, zoe: Participant, topic: Topic, now: datetime) -> None:
    bakery = cast.bakery
    with tenant(bakery.pk):
        ask = {"basis": Basis.OPT_IN, "source": "form", "wording": "News, please."}
        waiting = subscribe(bakery, zoe, topic, **ask, double_opt_in=True, now=now)
        assert not is_active(cast, zoe)
        assert confirm_subscription(bakery, waiting, now=later(now, hours=1))
        assert is_active(cast, zoe)
        assert not confirm_subscription(bakery, waiting, now=later(now, hours=2))
        assert pause_subscription(bakery, zoe, topic, until=later(now, days=9), now=later(now, hours=3))
        assert not is_active(cast, zoe)
        assert resume_subscription(bakery, zoe, topic, now=later(now, hours=4))
        assert unsubscribe(bakery, zoe, topic, now=later(now, hours=5), source="unsubscribe page")
        assert not unsubscribe(bakery, zoe, topic, now=later(now, hours=6))
        subscribe(bakery, zoe, topic, **ask, now=later(now, hours=7))
        subscribe(bakery, zoe, topic, **ask, now=later(now, hours=8))
    assert is_active(cast, zoe)
    assert acts(cast, zoe) == ["requested", "confirmed", "paused", "resumed", "unsubscribed", "resubscribed"]
    with tenant(bakery.pk):
        first, *_rest, ended, last = SubscriptionEvent.objects.order_by("id")
        assert (first.basis, first.source, first.happened_at) == ("double_opt_in", "form", now)
        assert first.consent_text is not None
        assert first.consent_text.text == "News, please."
        assert first.consent_text.asks_for == [f"subscription:{topic.pk}"]
        assert ended.source == "unsubscribe page"
        assert last.basis == "opt_in"


def test_c1_the_register_says_nothing_about_being_measured(
    cast: Cast, zoe: Participant, topic: Topic, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        subscribe(cast.bakery, zoe, topic, basis=Basis.OPT_IN, source="form", now=now)
        assert not Choice.objects.exists()
        assert not ChoiceEvent.objects.exists()


def test_c1_words_that_ask_for_something_else_subscribe_to_nothing(
    cast: Cast, zoe: Participant, topic: Topic, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        text = publish_consent_text(
            cast.bakery, website=topic.website, language="en", place="form", text="May we measure?",
            asks_for=["opens", "clicks"], author=cast.max, now=now,
        )  # fmt: skip
    with pytest.raises(WordingError), tenant(cast.bakery.pk):
        subscribe(cast.bakery, zoe, topic, basis=Basis.OPT_IN, source="form", consent_text=text, now=now)
    with tenant(cast.bakery.pk):
        assert not Subscription.objects.exists()


def test_the_same_words_are_one_version_and_other_words_another(cast: Cast, topic: Topic, now: datetime) -> None:
    ask = {
        "website": topic.website, "language": "en", "place": "form", "asks_for": ["opens"], "author": cast.max,
        "now": now,
    }  # fmt: skip
    first = publish_consent_text(cast.bakery, text="A", **ask)
    assert publish_consent_text(cast.bakery, text="A", **ask).pk == first.pk
    second = publish_consent_text(cast.bakery, text="B", **ask)
    assert (first.version, second.version) == (1, 2)
    # What is asked with again is a new version: the history shows when.
    assert publish_consent_text(cast.bakery, text="A", **ask).version == 3


def test_c5_the_register_cannot_be_rewritten(cast: Cast, zoe: Participant, topic: Topic, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        subscribe(cast.bakery, zoe, topic, basis=Basis.OPT_IN, source="form", now=now)
    for statement in (
        "UPDATE consent_subscriptionevent SET act = 'unsubscribed'",
        "DELETE FROM consent_subscriptionevent",
        "TRUNCATE consent_subscriptionevent",
    ):
        with (
            pytest.raises((InternalError, ProgrammingError)),
            tenant(cast.bakery.pk),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert acts(cast, zoe) == ["subscribed"]


@pytest.mark.django_db(databases=["default", "owner"])
def test_c5_the_trigger_stands_even_where_rights_would_not(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'consent_subscriptionevent'::regclass"
            " AND tgname LIKE 'append_only%'"
        )
        assert cursor.fetchone() == (2,)


def test_a_pause_ends_by_itself(cast: Cast, zoe: Participant, topic: Topic, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        subscribe(cast.bakery, zoe, topic, basis=Basis.OPT_IN, source="form", now=now)
        pause_subscription(cast.bakery, zoe, topic, until=later(now, days=9), now=now)
        assert end_pauses(cast.bakery, now=later(now, days=8)) == 0
        assert not is_active(cast, zoe)
        assert end_pauses(cast.bakery, now=later(now, days=9)) == 1
    assert is_active(cast, zoe)
    assert acts(cast, zoe) == ["subscribed", "paused", "resumed"]


def test_the_task_finds_pauses_that_are_over(cast: Cast, zoe: Participant, topic: Topic, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        past = later(now, days=-20)
        subscribe(cast.bakery, zoe, topic, basis=Basis.OPT_IN, source="form", now=past)
        pause_subscription(cast.bakery, zoe, topic, until=later(now, days=-9), now=past)
    assert call_door("door_ended_pauses", [now]) == [(cast.bakery.pk,)]
    assert end_ended_pauses() == 1
    assert is_active(cast, zoe)


def test_what_waits_or_has_ended_cannot_be_paused(cast: Cast, zoe: Participant, topic: Topic, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        assert not pause_subscription(cast.bakery, zoe, topic, until=None, now=now)
        subscribe(cast.bakery, zoe, topic, basis=Basis.OPT_IN, source="form", double_opt_in=True, now=now)
        assert not pause_subscription(cast.bakery, zoe, topic, until=None, now=now)
        unsubscribe(cast.bakery, zoe, topic, now=now)
        assert not pause_subscription(cast.bakery, zoe, topic, until=None, now=now)
        assert not resume_subscription(cast.bakery, zoe, topic, now=now)


def test_whoever_unsubscribed_meanwhile_is_not_confirmed(
    cast: Cast, zoe: Participant, topic: Topic, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        waiting = subscribe(cast.bakery, zoe, topic, basis=Basis.OPT_IN, source="form", double_opt_in=True, now=now)
        unsubscribe(cast.bakery, zoe, topic, now=later(now, hours=1))
        assert not confirm_subscription(cast.bakery, waiting, now=later(now, hours=2))
    assert not is_active(cast, zoe)


def test_files_write_the_register_too(cast: Cast, zoe: Participant, topic: Topic, now: datetime) -> None:
    left = make_participant(cast.bakery, "left@home.example", now=now)
    with tenant(cast.bakery.pk), connection.cursor() as cursor:
        subscribe(cast.bakery, left, topic, basis=Basis.OPT_IN, source="form", now=now)
        unsubscribe(cast.bakery, left, topic, now=now)
        cursor.execute(
            "CREATE TEMP TABLE people ON COMMIT DROP AS SELECT unnest(%s) AS participant_id", [[zoe.pk, left.pk]]
        )
        made = subscribe_people(
            cast.bakery, topic, table="people", basis=Basis.EXISTING_CUSTOMER, source="crm.csv", wording="At the till",
            now=now, evidence={"import": 7}, actor=cast.max,
        )  # fmt: skip
        assert made == 1
    assert acts(cast, zoe) == ["subscribed"]
    assert acts(cast, left) == ["subscribed", "unsubscribed"]
    assert not is_active(cast, left)
    with tenant(cast.bakery.pk):
        event = SubscriptionEvent.objects.get(subject=zoe.ledger_id)
        assert (event.basis, event.source, event.evidence, event.actor_id) == (
            "existing_customer", "crm.csv", {"import": 7}, cast.max.pk,
        )  # fmt: skip
        assert event.consent_text is not None
        assert event.consent_text.text == "At the till"
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE leavers ON COMMIT DROP AS SELECT 'zoe@home.example' AS email_norm")
        assert end_subscriptions(cast.bakery, table="leavers", now=now, source="old tool") == 1
    assert acts(cast, zoe) == ["subscribed", "unsubscribed"]
    assert not is_active(cast, zoe)
