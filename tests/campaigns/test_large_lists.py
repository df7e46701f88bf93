"""Pages that would have to look at a million people for a few of them, or count them each time."""

from __future__ import annotations

import pytest
from django.urls import reverse

from campaigns import selectors
from campaigns.models import Email
from campaigns.selectors import people_to_preview
from common.tenancy import tenant
from consent.models import Topic
from participants import selectors as participants_selectors
from reporting.selectors import summarize
from tests.campaigns.console import signed_in
from tests.campaigns.world import MakePerson
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db


def test_people_to_try_an_email_with_are_the_first_of_its_audience(
    cast: Cast, email: Email, player: MakePerson, subscriber: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    player("pat")
    people = [subscriber(name) for name in ("sue", "sam", "sid")]
    # Among the first two there is one of the audience, among all of them there are three.
    monkeypatch.setattr(selectors, "FIRST_PEOPLE", 2)
    with tenant(cast.bakery.pk):
        assert people_to_preview(cast.bakery, email, limit=1) == people[:1]
        assert people_to_preview(cast.bakery, email, limit=2) == people[:2]
        assert people_to_preview(cast.bakery, email) == people


def test_a_topic_says_how_many_get_it_and_topics_can_be_sorted_by_that(
    cast: Cast, topic: Topic, subscriber: MakePerson
) -> None:
    subscriber("sue")
    subscriber("sam")
    with tenant(cast.bakery.pk):
        topic.subscriptions.filter(participant__first_name="Sam").update(paused_at="2026-11-20T00:00Z")
        Topic.objects.create(organization=cast.bakery, website=topic.website, name="Nobody's")
    page = reverse("admin:consent_topic_changelist")
    for order, expected in (("2", [("Nobody's", 0), (topic.name, 1)]), ("-2", [(topic.name, 1), ("Nobody's", 0)])):
        rows = signed_in(cast.max).get(page, {"o": order}).context["cl"].result_list
        assert [(row.name, row.active) for row in rows] == expected


def test_the_overview_of_a_large_organization_is_not_counted_for_each_look(
    cast: Cast, subscriber: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        assert summarize(cast.bakery).participants == 1
        subscriber("sam")
        assert summarize(cast.bakery).participants == 2
        monkeypatch.setattr(participants_selectors, "CROWD", 1)
        assert summarize(cast.bakery).participants == 2
        subscriber("sid")
        assert summarize(cast.bakery).participants == 2
    with tenant(cast.cinema.pk):
        assert summarize(cast.cinema).participants == 0
