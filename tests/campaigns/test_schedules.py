"""When messages leave: each person's clock, quiet hours, so many a week, and again in rounds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from accounts.models import Organization
from campaigns.models import Campaign, Email, Launch, Repeat
from campaigns.repeats import RepeatPlan, end_repeat
from campaigns.schedules import hold_in_quiet_hours
from campaigns.selectors import many_people
from campaigns.services import LaunchRefused, expand_audience, launch_email
from common.tenancy import tenant
from consent.models import Topic
from delivery.models import Mailing, Message
from delivery.outbox import claim_messages
from delivery.services import begin_mailing, pause_mailing, resume_mailing
from participants.models import Participant
from tests.campaigns.world import MakePerson, make_email, take_part
from tests.support.cast import Cast


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def launch(cast: Cast, email: Email, *, now: datetime, **options: Any) -> Launch:
    with tenant(cast.bakery.pk):
        return launch_email(Organization.objects.get(), email, author=cast.max, now=now, **options)


def expand(cast: Cast, launched: Launch, *, now: datetime) -> int:
    with tenant(cast.bakery.pk):
        return expand_audience(Organization.objects.get(), Launch.objects.get(pk=launched.pk), now=now)


def settings_of(cast: Cast, **fields: Any) -> None:
    with tenant(cast.bakery.pk):
        Organization.objects.update(**fields)


def where(cast: Cast, person: Participant, **fields: Any) -> None:
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=person.pk).update(**fields)


def messages(cast: Cast, launched: Launch) -> dict[str, Message]:
    with tenant(cast.bakery.pk):
        rows = Message.objects.filter(mailing=launched.mailing_id).select_related("participant")
        return {row.participant.first_name: row for row in rows}


def dues(cast: Cast, launched: Launch) -> dict[str, datetime | None]:
    return {name: row.due_at for name, row in messages(cast, launched).items()}


def sent(cast: Cast, launched: Launch, at: datetime) -> None:
    with tenant(cast.bakery.pk):
        Message.objects.filter(mailing=launched.mailing_id, status="queued").update(
            status="sent", sent_at=at, due_at=None
        )


@pytest.fixture
def travellers(cast: Cast, subscriber: MakePerson) -> None:
    where(cast, subscriber("tomo"), country="JP")
    where(cast, subscriber("paul"), country="FR")
    where(cast, subscriber("nina"), country="US")
    # The person's own word counts more than the country; a word that is no zone says nothing.
    where(cast, subscriber("dora"), country="US", attributes={"timezone": "America/Denver"})
    where(cast, subscriber("nils"), country="US", attributes={"timezone": "Nowhere/Land"})
    # Without a country, the one that the language names; else the organization's zone.
    where(cast, subscriber("cleo"), locale="fr-CA")
    subscriber("hans")


@pytest.mark.usefixtures("travellers")
def test_a_launch_by_local_time_begins_where_it_is_that_time_first(cast: Cast, email: Email, now: datetime) -> None:
    launched = launch(cast, email, now=now, local_at=datetime.fromisoformat("2026-11-24T10:00"))
    with tenant(cast.bakery.pk):
        starts = Mailing.objects.get(pk=launched.mailing_id).not_before
    assert starts == utc("2026-11-24T01:00")
    assert expand(cast, launched, now=starts) == 7
    tuesday = {
        "Tomo": None,
        "Paul": utc("2026-11-24T09:00"),
        "Hans": utc("2026-11-24T09:00"),
        "Nina": utc("2026-11-24T15:00"),
        "Nils": utc("2026-11-24T15:00"),
        "Cleo": utc("2026-11-24T15:00"),
        "Dora": utc("2026-11-24T17:00"),
    }
    assert dues(cast, launched) == tuesday
    assert {name: row.held_for for name, row in messages(cast, launched).items()} == {
        name: "zone" if due else "" for name, due in tuesday.items()
    }
    # Running again adds nobody, whoever came since.
    assert expand(cast, launched, now=starts) == 0
    assert len(dues(cast, launched)) == 7


@pytest.mark.usefixtures("travellers")
def test_the_sender_takes_each_message_at_its_time(cast: Cast, email: Email, now: datetime) -> None:
    launched = launch(cast, email, now=now, local_at=datetime.fromisoformat("2026-11-24T10:00"))
    begins = utc("2026-11-24T01:00")
    expand(cast, launched, now=begins)
    mailing = begin_mailing(cast.bakery.pk, launched.mailing_id, now=begins)
    assert mailing is not None
    for at, names in [(begins, {"Tomo"}), (utc("2026-11-24T09:00"), {"Paul", "Hans"})]:
        claim = claim_messages(mailing, after=0, limit=50, now=at)
        assert {one.person.first_name for one in claim.messages} == names
        with tenant(cast.bakery.pk):
            Message.objects.filter(id__in=[one.id for one in claim.messages]).update(status="sent", sent_at=at)


@pytest.mark.parametrize(
    ("local", "country", "due"),
    [
        ("2027-03-28T02:30", "FR", "2027-03-28T01:30"),
        ("2026-10-25T02:30", "FR", "2026-10-25T00:30"),
        ("2026-11-01T01:30", "US", "2026-11-01T05:30"),
        ("2027-03-14T02:30", "US", "2027-03-14T07:30"),
    ],
)
def test_local_times_that_clocks_skip_or_show_twice(
    cast: Cast, email: Email, subscriber: MakePerson, local: str, country: str, due: str
) -> None:
    person = subscriber("sue")
    where(cast, person, country=country)
    before = utc(due) - timedelta(days=1)
    launched = launch(cast, email, now=before, local_at=datetime.fromisoformat(local))
    expand(cast, launched, now=before + timedelta(hours=1))
    assert dues(cast, launched) == {"Sue": utc(due)}


@pytest.mark.usefixtures("travellers")
def test_quiet_hours_over_midnight_hold_marketing_on_each_persons_clock(
    cast: Cast, email: Email, campaign: Campaign, now: datetime
) -> None:
    settings_of(cast, quiet_from=time(21), quiet_until=time(8))
    at = utc("2026-11-24T12:30")  # 21:30 in Tokyo, 13:30 in Paris, 07:30 in New York, 05:30 in Denver
    launched = launch(cast, email, now=at)
    assert dues(cast, launched) == {
        "Tomo": utc("2026-11-24T23:00"),
        "Paul": None,
        "Hans": None,
        "Nina": utc("2026-11-24T13:00"),
        "Nils": utc("2026-11-24T13:00"),
        "Cleo": utc("2026-11-24T13:00"),
        "Dora": utc("2026-11-24T15:00"),
    }
    assert messages(cast, launched)["Tomo"].held_for == "quiet"
    with tenant(cast.bakery.pk):
        people = list(Participant.objects.all())
    for person in people:
        take_part(cast.bakery, campaign, person, now=now)
    receipt = make_email(cast.bakery, campaign, purpose="transactional", now=now)
    assert set(dues(cast, launch(cast, receipt, now=at)).values()) == {None}


@pytest.mark.usefixtures("travellers")
def test_what_becomes_due_in_quiet_hours_is_held_when_it_goes_on(cast: Cast, email: Email) -> None:
    """A launch that was paused in the evening and goes on at night."""
    settings_of(cast, quiet_from=time(21), quiet_until=time(8))
    launched = launch(cast, email, now=utc("2026-11-24T19:00"))
    mailing = begin_mailing(cast.bakery.pk, launched.mailing_id, now=utc("2026-11-24T19:00"))
    assert mailing is not None
    assert dues(cast, launched)["Paul"] is None
    night = utc("2026-11-24T22:00")
    with tenant(cast.bakery.pk), many_people():
        organization = Organization.objects.get()
        pause_mailing(organization, mailing, now=utc("2026-11-24T19:01"))
        resume_mailing(organization, mailing, now=night)
        assert hold_in_quiet_hours(organization, mailing, now=night) == 2
        assert hold_in_quiet_hours(organization, mailing, now=night) == 0
    assert dues(cast, launched) | {"Tomo": None} == {
        "Paul": utc("2026-11-25T07:00"),
        "Hans": utc("2026-11-25T07:00"),
        "Nina": None, "Nils": None, "Cleo": None, "Dora": None, "Tomo": None,
    }  # fmt: skip
    claim = claim_messages(mailing, after=0, limit=50, now=night)
    assert {one.person.first_name for one in claim.messages} == {"Nina", "Nils", "Cleo", "Dora"}


def test_a_cap_over_two_campaigns_puts_off_until_the_week_allows(
    cast: Cast, email: Email, campaign: Campaign, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    settings_of(cast, weekly_cap=2)
    subscriber("sue")
    first = launch(cast, email, now=now)
    sent(cast, first, now + timedelta(minutes=5))
    subscriber("new")
    second = launch(cast, make_email(cast.bakery, campaign, topic, now=now), now=now + timedelta(days=1))
    assert set(dues(cast, second).values()) == {None}
    third = launch(cast, make_email(cast.bakery, campaign, topic, now=now), now=now + timedelta(days=2))
    # Sue has one from the first day and one that is about to leave; she gets the third when the first is a week old.
    assert dues(cast, third) == {"Sue": now + timedelta(days=7, minutes=5), "New": None}
    assert messages(cast, third)["Sue"].held_for == "cap"
    # And the fourth a week after the second, which has not left yet: it counts as leaving now.
    later = now + timedelta(days=2, hours=1)
    fourth = launch(cast, make_email(cast.bakery, campaign, topic, now=now), now=later)
    assert dues(cast, fourth) == {"Sue": later + timedelta(days=7), "New": later + timedelta(days=7)}
    # Who waits for the end of the week does not get it at night.
    settings_of(cast, quiet_from=time(9, 30), quiet_until=time(12))
    with tenant(cast.bakery.pk):
        Message.objects.filter(mailing__in=[third.mailing_id, fourth.mailing_id]).delete()
    fifth = launch(cast, make_email(cast.bakery, campaign, topic, now=now), now=later)
    assert dues(cast, fifth)["Sue"] == datetime(2026, 11, 29, 11, 0, tzinfo=UTC)
    assert messages(cast, fifth)["Sue"].held_for == "cap"


def test_a_cap_can_leave_out_and_the_report_says_so(
    cast: Cast, email: Email, campaign: Campaign, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    settings_of(cast, weekly_cap=1, over_cap="left_out")
    subscriber("sue")
    sent(cast, launch(cast, email, now=now), now)
    subscriber("new")
    second = launch(cast, make_email(cast.bakery, campaign, topic, now=now), now=now + timedelta(days=1))
    assert {name: row.status for name, row in messages(cast, second).items()} == {"Sue": "capped", "New": "queued"}
    assert dues(cast, second) == {"Sue": None, "New": None}
    take_part(cast.bakery, campaign, messages(cast, second)["Sue"].participant, now=now)  # type: ignore[arg-type]
    receipt = make_email(cast.bakery, campaign, purpose="transactional", now=now)
    assert messages(cast, launch(cast, receipt, now=now))["Sue"].status == "queued"
    # A week later she gets one again.
    third = launch(cast, make_email(cast.bakery, campaign, topic, now=now), now=now + timedelta(days=8, minutes=1))
    assert messages(cast, third)["Sue"].status == "queued"


# --- Rounds -----------------------------------------------------------------------------------------------------------


def rounds(cast: Cast) -> list[Launch]:
    with tenant(cast.bakery.pk):
        return list(Launch.objects.order_by("pk").select_related("mailing", "repeat"))


def names(cast: Cast, launched: Launch) -> set[str]:
    return set(messages(cast, launched))


def plan(**fields: Any) -> RepeatPlan:
    values = {"every_days": 7, "until": date(2026, 12, 31), "to_those": "took_part", "most_times": 3, **fields}
    return RepeatPlan(**values)


def test_three_rounds_to_those_who_have_not_taken_part(
    cast: Cast, email: Email, campaign: Campaign, subscriber: MakePerson
) -> None:
    people = {name: subscriber(name) for name in ("ann", "bob", "cat")}
    begins = utc("2026-10-20T08:00")
    sent(cast, launch(cast, email, now=begins, repeat=plan(most_times=2)), begins)
    take_part(cast.bakery, campaign, people["ann"], now=begins + timedelta(days=1))
    first, second = rounds(cast)
    assert (names(cast, first), second.round) == ({"Ann", "Bob", "Cat"}, 2)
    # The same time of day in Brussels, where clocks went back in between.
    assert second.mailing.not_before == utc("2026-10-27T09:00")
    assert expand(cast, second, now=second.mailing.not_before) == 2
    sent(cast, second, second.mailing.not_before)
    subscriber("dan")
    third = rounds(cast)[2]
    assert third.mailing.not_before == utc("2026-11-03T09:00")
    expand(cast, third, now=third.mailing.not_before)
    # Bob and Cat had it twice, which is as often as they may.
    assert names(cast, third) == {"Dan"}
    # Each round counts its own opens and clicks, of the same content.
    with tenant(cast.bakery.pk):
        snapshots = [one.mailing.snapshot for one in rounds(cast)]
        assert len({one.tracked_content_id for one in snapshots}) == 4
        assert len({one.compiled["subject"] for one in snapshots}) == 1
        assert Repeat.objects.get().ended_at is None


def test_a_round_goes_to_who_has_not_got_it_and_the_last_one_ends_it(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("ann")
    bob = subscriber("bob")
    first = launch(cast, email, now=now, repeat=plan(to_those="got_it", every_days=1, until=date(2026, 11, 24)))
    with tenant(cast.bakery.pk):
        Message.objects.filter(participant=bob).update(status="failed")
    sent(cast, first, now)
    subscriber("new")
    second = rounds(cast)[1]
    expand(cast, second, now=second.mailing.not_before)
    assert names(cast, second) == {"Bob", "New"}
    third = rounds(cast)[2]
    # Two days late: what has been missed is not made up for, and the last day is over.
    expand(cast, third, now=third.mailing.not_before + timedelta(days=2))
    assert len(rounds(cast)) == 3
    with tenant(cast.bakery.pk):
        assert Repeat.objects.get().ended_at is not None


def test_rounds_on_each_persons_clock(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    where(cast, subscriber("tomo"), country="JP")
    subscriber("hans")
    local = datetime.fromisoformat("2026-11-24T10:00")
    launched = launch(cast, email, now=now, local_at=local, repeat=plan(every_days=2))
    expand(cast, launched, now=utc("2026-11-24T01:00"))
    second = rounds(cast)[1]
    assert (second.local_at, second.mailing.not_before) == ("2026-11-26T10:00", utc("2026-11-26T01:00"))


def test_a_repetition_ends_when_somebody_ends_it_or_the_campaign_closes(
    cast: Cast, email: Email, campaign: Campaign, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("ann")
    launch(cast, email, now=now, repeat=plan())
    with tenant(cast.bakery.pk):
        assert end_repeat(cast.bakery, Repeat.objects.get(), now=now) == 1
        assert end_repeat(cast.bakery, Repeat.objects.get(), now=now) == 0
    assert rounds(cast)[1].mailing.state == "cancelled"
    with tenant(cast.bakery.pk):
        Campaign.objects.update(closes_at=now + timedelta(days=3))
    launch(cast, email, now=now, repeat=plan())
    assert len(rounds(cast)) == 3


@pytest.mark.parametrize(
    ("fields", "options", "problem"),
    [
        ({}, {"until": date(2026, 11, 22)}, "The last day of the repetition lies after the first one"),
        ({}, {"until": date(2036, 11, 22)}, "The last day of the repetition lies after the first one"),
        ({}, {"every_days": 0}, "Choose how often it is repeated."),
        ({}, {"most_times": 0}, "Choose how often it is repeated."),
        ({"kind": "exit_screen", "purpose": "transactional"}, {}, "Only newsletters and reminders can be repeated."),
        ({"kind": "reminder"}, {}, "This email goes to people who took part"),
    ],
)
def test_what_cannot_be_repeated_is_refused(
    cast: Cast,
    campaign: Campaign,
    topic: Topic,
    subscriber: MakePerson,
    fields: Any,
    options: Any,
    problem: str,
    now: datetime,
) -> None:
    take_part(cast.bakery, campaign, subscriber("ann"), now=now)
    email = make_email(cast.bakery, campaign, topic, now=now, **fields)
    with pytest.raises(LaunchRefused) as refused:
        launch(cast, email, now=now, repeat=plan(**options))
    assert any(words.startswith(problem) for words in refused.value.problems)
    assert rounds(cast) == []
