"""Who an email goes to: subscriptions for marketing, the people who took part for what answers them."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Campaign, Email
from campaigns.selectors import audience_of, many_people
from common.tenancy import tenant
from consent.models import Basis, Topic
from consent.services import pause_subscription, resume_subscription, subscribe, unsubscribe
from delivery.services import suppress
from tests.campaigns.world import MakePerson, make_email, take_part
from tests.support.cast import Cast
from tests.support.planner import forget_statistics
from tests.support.world import make_participant, make_topic, make_website, subscribe_to


def names(cast: Cast, email: Email) -> set[str]:
    with tenant(cast.bakery.pk):
        return {person.email.split("@")[0] for person in audience_of(cast.bakery, email)}


def test_marketing_goes_to_subscriptions_only(
    cast: Cast, campaign: Campaign, topic: Topic, subscriber: MakePerson, player: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    player("paul")
    other = make_topic(cast.bakery, topic.website, "Offers")
    subscribe_to(cast.bakery, make_participant(cast.bakery, "olga@mail.example.org", now=now), other, now=now)
    assert names(cast, make_email(cast.bakery, campaign, topic, now=now)) == {"sue"}


def test_marketing_leaves_out_everybody_who_ended_it(
    cast: Cast, campaign: Campaign, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    unsubscribed = subscriber("una")
    for reason in ("unsubscribed", "bounced", "complained"):
        suppress(cast.bakery, subscriber(reason).email_norm, reason=reason, source="test", now=now)
    with tenant(cast.bakery.pk):
        unsubscribe(cast.bakery, unsubscribed, topic, now=now)
    assert names(cast, make_email(cast.bakery, campaign, topic, now=now)) == {"sue"}


def test_marketing_waits_for_who_has_not_confirmed_and_leaves_out_who_paused(
    cast: Cast, campaign: Campaign, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    paused, resumed = subscriber("paul"), subscriber("rita")
    waiting = make_participant(cast.bakery, "wim@mail.example.org", now=now)
    with tenant(cast.bakery.pk):
        subscribe(cast.bakery, waiting, topic, basis=Basis.OPT_IN, source="form", now=now, double_opt_in=True)
        for person in (paused, resumed):
            pause_subscription(cast.bakery, person, topic, until=None, now=now)
        resume_subscription(cast.bakery, resumed, topic, now=now)
    assert names(cast, make_email(cast.bakery, campaign, topic, now=now)) == {"rita"}


def test_marketing_without_a_topic_goes_to_nobody(
    cast: Cast, campaign: Campaign, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    assert names(cast, make_email(cast.bakery, campaign, now=now)) == set()


def test_an_exit_screen_email_goes_to_those_who_took_part_whatever_they_subscribed_to(
    cast: Cast, campaign: Campaign, player: MakePerson, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    player("paul")
    suppress(cast.bakery, player("una").email_norm, reason="unsubscribed", source="test", now=now)
    suppress(cast.bakery, player("bob").email_norm, reason="bounced", source="test", now=now)
    email = make_email(cast.bakery, campaign, kind="exit_screen", purpose="transactional", now=now)
    assert names(cast, email) == {"paul", "una"}


def test_a_marketing_reminder_needs_taking_part_and_a_subscription(
    cast: Cast, campaign: Campaign, topic: Topic, player: MakePerson, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    player("paul")
    take_part(cast.bakery, campaign, subscriber("both"), now=now)
    assert names(cast, make_email(cast.bakery, campaign, topic, kind="reminder", now=now)) == {"both"}


def test_a_stranger_is_never_in_the_audience(cast: Cast, campaign: Campaign, topic: Topic, now: datetime) -> None:
    website = make_website(cast.cinema, cast.cleo, now=now)
    person = make_participant(cast.cinema, "cleo@mail.example.org", now=now)
    subscribe_to(cast.cinema, person, make_topic(cast.cinema, website), now=now)
    email = make_email(cast.bakery, campaign, topic, now=now)
    assert names(cast, email) == set()
    with tenant(cast.cinema.pk):
        assert not audience_of(cast.bakery, email).exists()


def test_right_after_an_import_no_table_is_read_once_for_each_person(
    cast: Cast, campaign: Campaign, topic: Topic, now: datetime
) -> None:
    """Until they are analyzed, the planner takes new tables for empty; nested loops over them take hours."""
    forget_statistics()
    reminder = make_email(cast.bakery, campaign, topic, kind="reminder", now=now)
    with tenant(cast.bakery.pk), many_people():
        plan = audience_of(cast.bakery, reminder).explain()
    assert "Nested Loop" not in plan
