"""/u/<key>: one click by the mail client (RFC 8058), one by the person."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from common.keys import encode_key
from common.tenancy import tenant
from consent.models import Subscription, Topic
from delivery.models import ContentSnapshot, Mailing, Message, Suppression
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import make_participant, make_topic, make_website, subscribe_to
from tracking.models import TrackedContent

pytestmark = pytest.mark.django_db


@pytest.fixture
def zoe(cast: Cast, now: datetime) -> Participant:
    return make_participant(cast.bakery, "zoe@home.example", now=now, locale="en")


@pytest.fixture
def topic(cast: Cast, zoe: Participant, now: datetime) -> Topic:
    website = make_website(cast.bakery, cast.ana, now=now)
    topic = make_topic(cast.bakery, website)
    subscribe_to(cast.bakery, zoe, topic, now=now)
    return topic


@pytest.fixture
def address(cast: Cast, zoe: Participant, topic: Topic, now: datetime) -> str:
    with tenant(cast.bakery.pk):
        common = {"organization": cast.bakery, "website": topic.website}
        content = TrackedContent.objects.create(**common)
        snapshot = ContentSnapshot.objects.create(**common, tracked_content=content, compiled={})
        mailing = Mailing.objects.create(**common, snapshot=snapshot, topic=topic, purpose="marketing", not_before=now)
        message = Message.objects.create(organization=cast.bakery, mailing=mailing, participant=zoe)
        message.refresh_from_db()
        return f"/u/{encode_key(message.unsubscribe_key)}"


def subscribed(cast: Cast) -> bool:
    with tenant(cast.bakery.pk):
        return Subscription.objects.filter(unsubscribed_at__isnull=True).exists()


def test_h2_scanners_that_fetch_the_link_unsubscribe_nobody(client: Client, cast: Cast, address: str) -> None:
    assert client.get(address).status_code == 200
    assert client.head(address).status_code == 200
    assert subscribed(cast)


def test_d1_one_click_by_the_mail_client(client: Client, cast: Cast, address: str) -> None:
    response = client.post(address, {"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200
    assert not response.cookies
    assert not subscribed(cast)


def test_one_click_works_without_any_token_or_cookie(cast: Cast, address: str) -> None:
    assert Client(enforce_csrf_checks=True).post(address, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not subscribed(cast)


def test_everything_stops_all_marketing_mail(client: Client, cast: Cast, address: str) -> None:
    page = client.post(address, {"everything": "1"}).content.decode()
    assert "Bakery" in page
    with tenant(cast.bakery.pk):
        assert Suppression.objects.get().email_norm == "zoe@home.example"


def test_unsubscribing_twice_is_harmless(client: Client, cast: Cast, address: str) -> None:
    for _ in range(2):
        assert client.post(address, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not subscribed(cast)
