"""Fewer emails for people who did nothing by themselves for long: whom it concerns, and what launches make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Organization
from campaigns.models import Campaign, Email, Launch, Question
from campaigns.replies import record_reply
from campaigns.selectors import many_people
from campaigns.services import launch_email
from common.tenancy import tenant
from consent.models import Topic
from consent.rules import ChoiceValue
from delivery.models import Message, MessageStatus
from participants.models import Participant
from privacy.models import InactivityRule
from privacy.services.inactivity import people_to_slow, set_slow_down, switch_slow_down
from tests.campaigns.world import make_campaign, make_email, take_part
from tests.support.cast import Cast
from tests.support.planner import forget_statistics
from tests.support.world import choose, loosen, make_participant, make_topic, make_website, subscribe_to
from tracking.models import LastOpenDay
from websites.models import OpensFallback, Website

pytestmark = pytest.mark.django_db

LONG = timedelta(days=400)
NO = ChoiceValue.NO


@pytest.fixture
def now() -> datetime:
    """Pages ask the clock themselves."""
    return timezone.now() - timedelta(hours=1)


@dataclass
class Shop:
    """A website whose people have been there for long, and which sends a newsletter."""

    cast: Cast
    now: datetime
    website: Website
    topic: Topic
    campaign: Campaign
    people: dict[str, Participant] = field(default_factory=dict)

    @property
    def organization(self) -> Organization:
        return self.cast.bakery

    def add(self, *names: str) -> None:
        for name in names:
            person = make_participant(
                self.organization, f"{name}@mail.example.org", first_name=name, now=self.now - LONG
            )
            subscribe_to(self.organization, person, self.topic, now=self.now - LONG)
            self.people[name] = person

    def rule(self, *, months: int = 6, cap: int = 1) -> InactivityRule:
        """Fewer emails, switched on."""
        actor = self.cast.dana
        with tenant(self.organization.pk):
            rule = set_slow_down(self.organization, self.website, months=months, cap=cap, actor=actor, now=self.now)
            return switch_slow_down(self.organization, rule, on=True, actor=actor, now=self.now)

    def send(self, *, days: float = 0, purpose: str = "marketing") -> dict[str, str]:
        """A launch so many days from now; what became of each person's message."""
        at = self.now + timedelta(days=days)
        topic = self.topic if purpose == "marketing" else None
        email = make_email(self.organization, self.campaign, topic, purpose=purpose, now=self.now)
        with tenant(self.organization.pk):
            organization = Organization.objects.get(pk=self.organization.pk)
            launched = launch_email(organization, email, author=self.cast.max, now=at)
            mine = Message.objects.filter(mailing=launched.mailing_id)
            found = dict(mine.values_list("participant__first_name", "status"))
            mine.filter(status="queued").update(status=MessageStatus.SENT, sent_at=at, due_at=None)
        return found


@pytest.fixture
def shop(cast: Cast, now: datetime) -> Shop:
    website = make_website(cast.bakery, cast.ana, now=now - LONG)
    topic = make_topic(cast.bakery, website)
    return Shop(cast, now, website, topic, make_campaign(cast.bakery, website, now=now - LONG))


def test_u6_who_did_nothing_for_long_gets_fewer_emails_and_the_others_all_of_them(shop: Shop) -> None:
    shop.add("silent", "player")
    take_part(shop.organization, shop.campaign, shop.people["player"], now=shop.now - timedelta(days=30))
    shop.rule()
    assert shop.send() == {"silent": "queued", "player": "queued"}
    assert shop.send(days=1) == {"silent": "slowed", "player": "queued"}
    # A week after the first one there is room for another.
    assert shop.send(days=7.1) == {"silent": "queued", "player": "queued"}
    # The rule is about marketing only.
    take_part(shop.organization, shop.campaign, shop.people["silent"], now=shop.now - LONG)
    assert shop.send(days=7.2, purpose="transactional") == {"silent": "queued", "player": "queued"}


def test_u1_who_may_not_be_measured_is_judged_by_what_they_did_and_not_by_missing_opens(shop: Shop) -> None:
    shop.add("measured", "unasked", "refuser", "player", "replier", "subscriber", "changed")
    for name in shop.people.keys() - {"measured", "unasked"}:
        choose(shop.organization, shop.people[name], opens=NO, clicks=NO, now=shop.now - LONG)
    yes = ChoiceValue.YES
    choose(shop.organization, shop.people["measured"], opens=yes, clicks=yes, now=shop.now - LONG)
    assert set(shop.send(days=-60)) == shop.people.keys()
    recently = shop.now - timedelta(days=50)
    take_part(shop.organization, shop.campaign, shop.people["player"], now=recently)
    with tenant(shop.organization.pk):
        copy = Message.objects.get(participant=shop.people["replier"])
        email = Email.objects.get(launches__mailing=copy.mailing_id)
        asked = Question.objects.create(
            organization=shop.organization, email=email, number=1, kind="yes_no", text="Rye?", options=["Yes", "No"]
        )
        record_reply(shop.organization, asked, copy, answer=2, now=recently)
    other = make_topic(shop.organization, shop.website, "Recipes")
    subscribe_to(shop.organization, shop.people["subscriber"], other, now=recently)
    choose(shop.organization, shop.people["changed"], opens=NO, now=recently)
    shop.rule()
    shop.send()
    # Of nobody an open is known; it is the same for those who may be measured and those who may not.
    statuses = shop.send(days=1)
    assert {name for name, status in statuses.items() if status == "slowed"} == {"measured", "unasked", "refuser"}


def test_s8_the_last_open_day_counts_where_the_website_keeps_it_and_that_there_is_none_says_nothing(
    shop: Shop,
) -> None:
    shop.add("opened", "silent", "player")
    take_part(shop.organization, shop.campaign, shop.people["player"], now=shop.now - timedelta(days=30))
    with tenant(shop.organization.pk):
        LastOpenDay.objects.create(
            organization_id=shop.organization.pk, participant=shop.people["opened"], day=shop.now.date()
        )
    shop.rule()
    shop.send()
    assert shop.send(days=1) == {"opened": "slowed", "silent": "slowed", "player": "queued"}
    loosen(shop.organization, shop.website, now=shop.now, opens_fallback=OpensFallback.LAST_OPEN_DAY.value)
    assert shop.send(days=2) == {"opened": "queued", "silent": "slowed", "player": "queued"}


def test_the_number_a_week_is_that_of_the_rule_and_what_is_too_much_never_piles_up(shop: Shop) -> None:
    shop.add("silent", "player")
    take_part(shop.organization, shop.campaign, shop.people["player"], now=shop.now - timedelta(days=30))
    with tenant(shop.organization.pk):
        Organization.objects.update(weekly_cap=3, over_cap="put_off")
    shop.rule(cap=2)
    statuses = [shop.send(days=day) for day in range(4)]
    assert [one["silent"] for one in statuses] == ["queued", "queued", "slowed", "slowed"]
    # The fourth one waits for the end of the week, as the organization set it for everybody.
    assert [one["player"] for one in statuses] == ["queued"] * 4
    with tenant(shop.organization.pk):
        late = Message.objects.filter(participant=shop.people["silent"], status="slowed")
        assert set(late.values_list("due_at", "held_for")) == {(None, "")}


def test_a_rule_that_is_off_or_of_another_website_costs_and_changes_nothing(shop: Shop, now: datetime) -> None:
    shop.add("silent")
    elsewhere = make_website(shop.organization, shop.cast.ana, name="Cakes", now=now - LONG)
    with tenant(shop.organization.pk):
        off = set_slow_down(shop.organization, shop.website, months=6, cap=1, actor=shop.cast.dana, now=now)
        on = set_slow_down(shop.organization, elsewhere, months=6, cap=1, actor=shop.cast.dana, now=now)
        switch_slow_down(shop.organization, on, on=True, actor=shop.cast.dana, now=now)
        assert off.slow_on_at is None
    shop.send()
    with CaptureQueriesContext(connection) as queries:
        assert shop.send(days=1) == {"silent": "queued"}
    written = [query["sql"] for query in queries if "INTO delivery_message" in query["sql"]]
    assert written
    assert not [sql for sql in written if "campaigns_declaredreply" in sql]


def test_nobodys_activity_is_asked_for_one_by_one(shop: Shop) -> None:
    """A million people and a table read once for each of them would take days."""
    forget_statistics()
    rule = shop.rule()
    with tenant(shop.organization.pk), many_people():
        plan = people_to_slow(shop.organization, rule, now=shop.now).explain()
    assert "SubPlan" not in plan, plan
    assert "Nested Loop" not in plan, plan


@pytest.fixture
def shown(shop: Shop, client: Client) -> Callable[..., str]:
    client.force_login(shop.cast.dana)

    def show(name: str, *numbers: int) -> str:
        return " ".join(client.get(reverse(f"admin:{name}", args=numbers)).content.decode().split())

    return show


def test_the_rule_is_counted_before_it_is_switched_on_and_said_where_emails_are_sent(
    shop: Shop, client: Client, shown: Callable[..., str]
) -> None:
    shop.add("silent", "player")
    take_part(shop.organization, shop.campaign, shop.people["player"], now=shop.now - timedelta(days=1))
    page = reverse("admin:privacy_personrequest_inactivity_rule", args=[shop.website.pk])
    client.force_login(shop.cast.dana)
    wrong = client.post(page, {"slow-months": "0", "slow-cap": "1"})
    assert wrong.status_code == 422
    assert client.post(page, {"slow-months": "4", "slow-cap": "2"}).status_code == 302
    assert "It concerns 1 subscriber now." in shown("privacy_personrequest_inactivity_rule", shop.website.pk)
    with tenant(shop.organization.pk):
        rule = InactivityRule.objects.get()
        assert (rule.slow_months, rule.slow_cap, rule.slow_on_at, rule.months) == (4, 2, None, 24)
    client.post(page, {"switch_slow": "on"})
    assert "From 4 months on 2 marketing emails a week" in shown("privacy_personrequest_inactivity")
    email = make_email(shop.organization, shop.campaign, shop.topic, now=shop.now)
    client.force_login(shop.cast.max)
    sentence = "Who has done nothing by themselves for 4 months gets at most 2 marketing emails a week"
    assert sentence in shown("campaigns_email_send", email.pk)
    client.force_login(shop.cast.dana)
    client.post(page, {"switch_slow": "off"})
    client.force_login(shop.cast.max)
    assert sentence not in shown("campaigns_email_send", email.pk)
    with tenant(shop.organization.pk):
        noted = AuditEntry.objects.filter(action="settings:inactivity:change").order_by("pk")
        assert [(one.actor, one.details) for one in noted] == [
            (shop.cast.dana, {"slow_months": 4, "slow_cap": 2}),
            (shop.cast.dana, {"slow_on": True}),
            (shop.cast.dana, {"slow_on": False}),
        ]


def test_the_report_says_who_was_left_out_and_why(shop: Shop, client: Client) -> None:
    shop.add("silent", "player")
    take_part(shop.organization, shop.campaign, shop.people["player"], now=shop.now - timedelta(days=30))
    shop.rule()
    shop.send(days=-2)
    shop.send(days=-1)
    with tenant(shop.organization.pk):
        launch = Launch.objects.latest("pk")
    client.force_login(shop.cast.max)
    report = client.get(f"/console/reports/{launch.pk}/").content.decode()
    assert "Left out: not active for long, so fewer marketing emails a week" in report
