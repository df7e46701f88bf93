"""Topics on the preference page: beside measuring, and apart from it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from common.tenancy import tenant
from consent.models import Subscription, Topic
from delivery.models import Suppression
from tests.privacy.pages import Home
from tests.support.world import make_topic, make_website, subscribe_to

pytestmark = pytest.mark.django_db


def act(client: Client, home: Home, topic: Topic, what: str) -> str:
    return client.post(home.preferences, {"do": "topic", "topic": topic.pk, "act": what}).content.decode()


def subscription(home: Home) -> Subscription:
    with tenant(home.cast.bakery.pk):
        return Subscription.objects.get(participant=home.zoe, topic=home.topic)


def test_c1_subscribing_answers_nothing_about_measuring(client: Client, home: Home) -> None:
    assert "You are subscribed to “Offers”" in act(client, home, home.other_topic, "subscribe")
    assert home.subscribed() == {"Weekly news", "Offers"}
    with tenant(home.cast.bakery.pk):
        row = Subscription.objects.get(topic=home.other_topic)
    assert (row.basis, row.source) == ("opt_in", "preference_page")
    assert row.wording == "Send me “Offers” of Daily bread by email."
    assert home.choice() is None


def test_c1_refusing_to_be_measured_ends_no_subscription(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "choices", "both": "no"})
    assert home.subscribed() == {"Weekly news"}


def test_c1_unsubscribing_from_everything_leaves_the_answer_about_measuring(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "choices", "both": "yes"})
    page = client.post(home.preferences, {"do": "leave"}).content.decode()
    assert "You have unsubscribed from everything." in page
    assert home.subscribed() == set()
    with tenant(home.cast.bakery.pk):
        assert Suppression.objects.get().email_norm == "zoe@home.example"
    choice = home.choice()
    assert choice is not None
    assert (choice.opens, choice.clicks) == ("yes", "yes")


def test_coming_back_for_one_topic_brings_back_no_other(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "leave"})
    act(client, home, home.other_topic, "subscribe")
    assert home.subscribed() == {"Offers"}
    with tenant(home.cast.bakery.pk):
        assert not Suppression.objects.exists()


def test_a_topic_pauses_and_comes_again(client: Client, home: Home, moment: datetime) -> None:
    assert "pauses until" in act(client, home, home.topic, "pause_60")
    until = subscription(home).paused_until
    assert until is not None
    assert abs(until - moment - timedelta(days=60)) < timedelta(minutes=5)
    assert home.subscribed() == {"Weekly news"}
    assert "comes again" in act(client, home, home.topic, "resume")
    assert subscription(home).paused_until is None


def test_only_pauses_that_the_page_offers_exist(client: Client, home: Home) -> None:
    for wanted in ("pause_0", "pause_3650", "pause_", "pause_-1", "pause_x"):
        act(client, home, home.topic, wanted)
    assert subscription(home).paused_until is None


def test_h3_topics_of_others_are_not_touched(client: Client, home: Home, moment: datetime) -> None:
    cast = home.cast
    abroad = make_topic(cast.cinema, make_website(cast.cinema, cast.cleo, now=moment, name="Films"), "Films")
    act(client, home, abroad, "subscribe")
    with tenant(cast.cinema.pk):
        assert not Subscription.objects.exists()
    assert home.subscribed() == {"Weekly news"}


def test_the_page_says_why_the_mail_comes_and_who_sends_it(client: Client, home: Home, moment: datetime) -> None:
    subscribe_to(home.cast.bakery, home.zoe, home.other_topic, now=moment)
    page = client.get(home.preferences).content.decode()
    assert page.count("You asked for it.") == 2
    assert "Source: test." in page
    assert "Bakery SA" in page
    assert "Rue du Four 1, 1000 Bruxelles" in page
