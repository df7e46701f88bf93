"""What a person sees of what was sent to them and recorded of it, and that they can have it deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.db import connections
from django.test import Client

from common.keys import new_key
from common.tenancy import tenant
from delivery.models import Message
from tests.privacy.pages import Home, send_copy
from tests.support.hits import forget_hits
from tests.support.world import make_participant
from tracking.models import Hit, LastOpenDay, TrackedMessage

# The recorder alone writes hits, on a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


@pytest.fixture(autouse=True)
def _no_hits() -> Iterator[None]:
    yield
    forget_hits()


def measure(home: Home, message: Message, moment: datetime) -> TrackedMessage:
    """A sent copy as one whose opens are measured, opened once, with a click in it."""
    with tenant(home.cast.bakery.pk):
        copy = TrackedMessage.objects.create(
            organization=home.cast.bakery,
            content=message.mailing.snapshot.tracked_content,
            website=home.website,
            participant=message.participant,
            key=new_key(),
            country="BE",
            opens="individual",
            clicks="individual",
            decided_at=moment,
        )
        Message.objects.filter(pk=message.pk).update(
            tracked_message=copy,
            opens="individual",
            clicks="none",
            opens_reason="person_said_yes",
            clicks_reason="person_said_no",
        )
    with connections["owner"].cursor() as cursor:
        for kind, link, actor in ((1, None, 2), (2, 1, 1)):
            cursor.execute(
                "INSERT INTO tracking_hit (organization_id, content_id, tracked_message_id, kind, link_number, actor,"
                " received_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [copy.organization_id, copy.content_id, copy.pk, kind, link, actor, moment],
            )
    return copy


def hits(home: Home) -> int:
    with tenant(home.cast.bakery.pk):
        return Hit.objects.count()


def test_s12_the_mirror_shows_each_message_its_decision_and_what_was_recorded(
    client: Client, home: Home, moment: datetime
) -> None:
    measure(home, home.message, moment)
    _address, _key, page = home.open_data(client)
    text = page.content.decode()
    assert "Fresh bread for Zoe" in text
    assert "measured for you personally" in text
    assert "You said yes." in text
    assert "You said no." in text
    assert "automatic, for example by your mail program" in text
    assert "link followed: https://bread.example/rye" in text


def test_u5_the_mirror_shows_nothing_of_others(client: Client, home: Home, moment: datetime) -> None:
    other = make_participant(home.cast.bakery, "ana@home.example", now=moment, first_name="Ana")
    measure(home, send_copy(home.cast, home.topic, other, now=moment), moment)
    _address, _key, page = home.open_data(client)
    text = page.content.decode()
    assert text.count("Fresh bread") == 1
    assert "Ana" not in text
    assert "Nothing is recorded of it." in text


def test_c11_past_measurements_are_deleted_and_the_choice_stays(client: Client, home: Home, moment: datetime) -> None:
    client.post(home.preferences, {"do": "choices", "both": "yes"})
    measure(home, home.message, moment)
    other = make_participant(home.cast.bakery, "ana@home.example", now=moment)
    measure(home, send_copy(home.cast, home.topic, other, now=moment), moment)
    with tenant(home.cast.bakery.pk):
        LastOpenDay.objects.create(organization_id=home.cast.bakery.pk, participant=home.zoe, day=moment.date())
    address, key, _page = home.open_data(client)
    page = client.post(address, {"page": key, "do": "delete"}).content.decode()
    assert "has been deleted" in page
    assert "link followed" not in page
    assert hits(home) == 2
    with tenant(home.cast.bakery.pk):
        assert not LastOpenDay.objects.exists()
    choice = home.choice()
    assert choice is not None
    assert choice.opens == "yes"
