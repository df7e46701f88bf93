"""A website with a topic, a campaign and an email of Bakery; somebody who subscribes, somebody who takes part."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from campaigns.models import Campaign, Email
    from consent.models import Topic
    from tests.campaigns.world import MakePerson
    from tests.support.cast import Cast

# Models can be imported only once Django is set up, which is after this file is read.


@pytest.fixture
def topic(cast: Cast, now: datetime) -> Topic:
    from tests.support.world import make_topic, make_website

    return make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))


@pytest.fixture
def campaign(cast: Cast, topic: Topic, now: datetime) -> Campaign:
    from tests.campaigns.world import make_campaign

    return make_campaign(cast.bakery, topic.website, now=now)


@pytest.fixture
def email(cast: Cast, campaign: Campaign, topic: Topic, now: datetime) -> Email:
    from tests.campaigns.world import make_email

    return make_email(cast.bakery, campaign, topic, now=now)


@pytest.fixture
def subscriber(cast: Cast, topic: Topic, now: datetime) -> MakePerson:
    from tests.campaigns.world import subscribers_of

    return subscribers_of(cast.bakery, topic, now=now)


@pytest.fixture
def player(cast: Cast, campaign: Campaign, now: datetime) -> MakePerson:
    from tests.campaigns.world import players_of

    return players_of(cast.bakery, campaign, now=now)
