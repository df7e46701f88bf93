"""/p/<key>: two clicks, no login; GET changes nothing."""

from __future__ import annotations

from datetime import datetime
from html import unescape
from uuid import UUID

import pytest
from django.test import Client

from common.keys import encode_key, new_key
from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent
from consent.services import ensure_preference_keys
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import make_participant

pytestmark = pytest.mark.django_db


@pytest.fixture
def zoe(cast: Cast, now: datetime) -> Participant:
    return make_participant(cast.bakery, "zoe@home.example", now=now, locale="fr-BE")


@pytest.fixture
def address(cast: Cast, zoe: Participant) -> str:
    with tenant(cast.bakery.pk):
        key: UUID = ensure_preference_keys(cast.bakery, [zoe.pk])[zoe.pk]
    return f"/p/{encode_key(key)}"


def choice_of(cast: Cast, person: Participant) -> Choice | None:
    with tenant(cast.bakery.pk):
        return Choice.objects.filter(participant=person).first()


def test_h2_looking_at_the_page_changes_nothing(client: Client, cast: Cast, zoe: Participant, address: str) -> None:
    for method in (client.get, client.head):
        response = method(address, headers={"Sec-Purpose": "prefetch"})
        assert response.status_code == 200
    assert choice_of(cast, zoe) is None
    assert not response.cookies


def test_h3_the_address_is_masked(client: Client, address: str) -> None:
    page = client.get(address).content.decode()
    assert "zoe@home.example" not in page
    assert "z…@h….example" in page


def test_c9_one_button_refuses_both_at_once(client: Client, cast: Cast, zoe: Participant, address: str) -> None:
    response = client.post(address, {"both": "no"})
    assert response.status_code == 200
    choice = choice_of(cast, zoe)
    assert choice is not None
    assert (choice.opens, choice.clicks) == ("no", "no")
    assert choice.opens_yes_since is None


def test_s3_opens_and_clicks_are_two_choices(client: Client, cast: Cast, zoe: Participant, address: str) -> None:
    client.post(address, {"about_opens": "no", "about_clicks": "yes"})
    choice = choice_of(cast, zoe)
    assert choice is not None
    assert (choice.opens, choice.clicks) == ("no", "yes")


def test_c2_an_untouched_question_writes_nothing(client: Client, cast: Cast, zoe: Participant, address: str) -> None:
    client.post(address, {"about_clicks": "yes"})
    client.post(address, {})
    choice = choice_of(cast, zoe)
    assert choice is not None
    assert (choice.opens, choice.clicks) == ("unknown", "yes")


def test_the_history_keeps_the_words_in_the_language_of_the_person(
    client: Client, cast: Cast, zoe: Participant, address: str
) -> None:
    page = client.get(address)
    client.post(address, {"both": "yes"})
    with tenant(cast.bakery.pk):
        events = list(ChoiceEvent.objects.filter(subject=zoe.ledger_id).select_related("consent_text"))
    assert {event.kind for event in events} == {"opens", "clicks"}
    assert {event.source for event in events} == {"person"}
    assert all(event.consent_text.text in unescape(page.content.decode()) for event in events)
    assert all("Bakery SA" in event.consent_text.text for event in events)


def test_a_key_that_means_nothing_gets_a_clear_page(client: Client) -> None:
    for key in (encode_key(new_key()), "x", "é" * 22, "A" * 400):
        response = client.get(f"/p/{key}")
        assert response.status_code == 404
        assert "<h1>" in response.content.decode()


def test_public_pages_have_a_strict_policy(client: Client, address: str) -> None:
    headers = client.get(address).headers
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in headers["Cache-Control"]
