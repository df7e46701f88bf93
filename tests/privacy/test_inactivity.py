"""Rule U6: whom inactivity asks, who is put out when nothing came back, and what an open day says (S8)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Organization
from common.tenancy import tenant
from consent.models import Subscription
from consent.rules import ChoiceValue
from delivery.models import MessageStatus, ServiceMessage
from delivery.services import suppress
from participants.models import Participant
from privacy.models import InactivityCheck, InactivityRule
from privacy.services.inactivity import apply_rule, people_to_ask, set_rule, switch_rule
from tests.support.cast import Cast, days_around
from tests.support.world import choose, loosen, make_participant, make_topic, make_website, subscribe_to
from tracking.models import LastOpenDay
from websites.models import OpensFallback, Website

pytestmark = pytest.mark.django_db

LONG = timedelta(days=1500)


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now - LONG)


@pytest.fixture
def rule(cast: Cast, website: Website, now: datetime) -> InactivityRule:
    with tenant(cast.bakery.pk):
        return set_rule(cast.bakery, website, months=24, answer_days=30, actor=cast.dana, now=now)


@pytest.fixture
def people(cast: Cast, website: Website, now: datetime) -> dict[str, Participant]:
    """One of them is silent; each of the others has a reason of their own to be left alone."""
    topic = make_topic(cast.bakery, website)
    names = ("silent", "answered", "bounced", "fresh", "opened", "unconfirmed")
    made = {name: make_participant(cast.bakery, f"{name}@b.example", now=now - LONG) for name in names}
    for name, person in made.items():
        subscribed_at = now - timedelta(days=5) if name == "fresh" else now - LONG
        subscribe_to(cast.bakery, person, topic, now=subscribed_at)
    choose(cast.bakery, made["answered"], opens=ChoiceValue.NO, now=now - timedelta(days=30))
    with tenant(cast.bakery.pk):
        suppress(cast.bakery, made["bounced"].email_norm, reason="bounced", source="test", now=now)
        LastOpenDay.objects.create(organization_id=cast.bakery.pk, participant=made["opened"], day=now.date())
        # Gets nothing yet, so there is nothing to stay for.
        Subscription.objects.filter(participant=made["unconfirmed"]).update(pending_since=now - LONG)
    return made


@pytest.fixture
def asking(cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime) -> InactivityRule:
    """The rule is on, and has asked the two who did nothing."""
    switch(cast, rule, on=True, now=now)
    assert apply_rule(cast.bakery, rule, now=now).asked == 2
    return rule


def switch(cast: Cast, rule: InactivityRule, *, on: bool, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        switch_rule(cast.bakery, rule, on=on, actor=cast.dana, now=now)


def asked(cast: Cast, rule: InactivityRule, now: datetime) -> set[str]:
    with tenant(cast.bakery.pk):
        current = InactivityRule.objects.select_related("website").get(pk=rule.pk)
        return {one.email.partition("@")[0] for one in people_to_ask(cast.bakery, current, now=now)}


def test_u6_whoever_did_something_cannot_be_reached_or_is_new_is_not_asked(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    # No website keeps the day of a last open unless it is set to: then it says nothing.
    assert asked(cast, rule, now) == {"silent", "opened"}


def test_u6_the_months_end_with_a_day_and_another_website_is_another_rule(
    cast: Cast, website: Website, rule: InactivityRule, now: datetime
) -> None:
    topic = make_topic(cast.bakery, website)
    elsewhere = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, name="Cakes", now=now - LONG))
    too_old, first_kept = days_around(cast, now.replace(year=now.year - 2))
    for name, since, what in (("old", too_old, topic), ("day", first_kept, topic), ("cakes", too_old, elsewhere)):
        person = make_participant(cast.bakery, f"{name}@b.example", now=since)
        subscribe_to(cast.bakery, person, what, now=since)
    assert asked(cast, rule, now) == {"old"}


def test_u6_an_address_that_takes_no_mail_is_told_apart_and_keeps_nobody_waiting(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    broken = people["silent"]
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=broken.pk).update(email="no address")
    switch(cast, rule, on=True, now=now)
    report = apply_rule(cast.bakery, rule, now=now)
    assert (report.asked, report.unreachable) == (1, [broken.pk])


def test_s8_the_last_open_day_counts_where_the_website_keeps_it_and_that_there_is_none_says_nothing(
    cast: Cast, website: Website, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    loosen(cast.bakery, website, now=now, opens_fallback=OpensFallback.LAST_OPEN_DAY.value)
    assert asked(cast, rule, now) == {"silent"}
    with tenant(cast.bakery.pk):
        LastOpenDay.objects.update(day=now.date() - LONG)
    assert asked(cast, rule, now) == {"silent", "opened"}


def the_questions_left(bakery: Organization) -> None:
    with tenant(bakery.pk):
        ServiceMessage.objects.filter(status=MessageStatus.QUEUED).update(status=MessageStatus.SENT)


def the_question_ends(person: Participant, status: str, words: str = "") -> None:
    with tenant(person.organization_id):
        question = ServiceMessage.objects.filter(participant=person)
        assert question.update(status=status, error=words) == 1


def test_u6_whoever_was_never_asked_since_no_mail_left_is_asked_anew(
    cast: Cast, asking: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    bakery, over = cast.bakery, now + timedelta(days=31)
    # One waits for a server that is away; the other was given up, as its time had passed.
    the_question_ends(people["silent"], MessageStatus.CANCELLED)
    again = apply_rule(bakery, asking, now=over)
    assert (again.asked, again.ended) == (2, 0)
    the_questions_left(bakery)
    assert apply_rule(bakery, asking, now=over + timedelta(days=29)).ended == 0
    assert apply_rule(bakery, asking, now=over + timedelta(days=31)).ended == 2


@pytest.mark.parametrize(
    ("state", "words", "ended"),
    [
        ("failed", "550 5.7.1 Our list does not like your server", 0),
        ("failed", "451 4.7.1 Greylisted", 0),
        ("failed", "550 5.1.1 No such user", 1),
        ("suppressed", "", 0),
        ("unknown", "", 0),
    ],
)
def test_u6_nobody_is_put_out_whose_question_was_not_taken(
    cast: Cast, asking: InactivityRule, people: dict[str, Participant], now: datetime, state: str, words: str,
    ended: int,
) -> None:  # fmt: skip
    the_question_ends(people["silent"], state, words)
    assert apply_rule(cast.bakery, asking, now=now + timedelta(days=31)).ended == ended


def test_u6_who_was_asked_is_put_out_though_retention_removed_the_question_and_nobody_else(
    cast: Cast, asking: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    bakery, over = cast.bakery, now + timedelta(days=31)
    the_question_ends(people["silent"], MessageStatus.SENT)
    apply_rule(bakery, asking, now=now + timedelta(days=1))
    with tenant(bakery.pk):
        ServiceMessage.objects.all().delete()
    again = apply_rule(bakery, asking, now=over)
    assert (again.asked, again.ended) == (1, 1)


def test_c9_the_question_leads_to_the_choice_in_the_language_of_the_person(
    cast: Cast, client: Client, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=people["silent"].pk).update(locale="fr_BE")
    switch(cast, rule, on=True, now=now)
    apply_rule(cast.bakery, rule, now=now)
    with tenant(cast.bakery.pk):
        text = ServiceMessage.objects.get(participant=people["silent"]).text
    found = re.search(r"Ce qui est mesuré, et votre choix: http\S+(/p/\S+)", text)
    assert found
    page = client.get(found[1]).content.decode()
    assert "s…@b….example" in page


def test_s8_who_reads_mail_after_the_question_stays_where_the_website_keeps_that_day(
    cast: Cast, website: Website, asking: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    the_questions_left(cast.bakery)
    loosen(cast.bakery, website, now=now, opens_fallback=OpensFallback.LAST_OPEN_DAY.value)
    with tenant(cast.bakery.pk):
        # Of the day of the question itself nobody can say whether it came before.
        LastOpenDay.objects.create(organization_id=cast.bakery.pk, participant=people["silent"], day=now.date())
        LastOpenDay.objects.filter(participant=people["opened"]).update(day=now.date() + timedelta(days=1))
        kept = InactivityRule.objects.select_related("website").get(pk=asking.pk)
    assert apply_rule(cast.bakery, kept, now=now + timedelta(days=31)).ended == 1
    with tenant(cast.bakery.pk):
        assert InactivityCheck.objects.get(ended_at__isnull=False).participant == people["silent"]


def test_u6_nobody_is_put_out_before_their_time_or_while_the_rule_is_off(
    cast: Cast, asking: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    bakery, over = cast.bakery, now + timedelta(days=31)
    the_questions_left(bakery)
    early = apply_rule(bakery, asking, now=now + timedelta(days=29))
    assert (early.asked, early.ended) == (0, 0)
    switch(cast, asking, on=False, now=now)
    assert apply_rule(bakery, asking, now=over).ended == 0
    with tenant(bakery.pk):
        assert InactivityCheck.objects.filter(ended_at=None).count() == 2
    switch(cast, asking, on=True, now=over)
    assert apply_rule(bakery, asking, now=over).ended == 2
    with tenant(bakery.pk):
        left = Subscription.objects.filter(unsubscribed_at__isnull=False).values_list("participant__email", flat=True)
        assert set(left) == {"silent@b.example", "opened@b.example"}
