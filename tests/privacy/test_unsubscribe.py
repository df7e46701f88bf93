"""/u/<key>: one click by the mail client (RFC 8058), or by the person; a pause; and the way back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from common.keys import encode_key
from common.tenancy import tenant
from consent.models import Subscription
from delivery.models import Suppression
from tests.privacy.pages import PREFETCH, SCANNER, Home, send_copy
from tests.support.world import subscribe_to

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def suppressed(home: Home) -> bool:
    with tenant(home.cast.bakery.pk):
        return Suppression.objects.filter(email_norm="zoe@home.example", reason="unsubscribed").exists()


def test_h2_scanners_that_fetch_the_link_unsubscribe_nobody(client: Client, home: Home) -> None:
    for headers in (PREFETCH, SCANNER):
        assert client.get(home.unsubscribe, headers=headers).status_code == 200
        assert client.head(home.unsubscribe, headers=headers).status_code == 200
    assert home.subscribed() == {"Weekly news"}


def test_d1_one_click_by_the_mail_client(home: Home) -> None:
    """No cookie, no sign-in, no redirect, no token."""
    response = Client(enforce_csrf_checks=True).post(home.unsubscribe, ONE_CLICK)
    assert response.status_code == 200
    assert not response.cookies
    assert home.subscribed() == set()
    assert not suppressed(home)


def test_d1_an_empty_post_is_enough_too(client: Client, home: Home) -> None:
    assert client.post(home.unsubscribe).status_code == 200
    assert home.subscribed() == set()


def test_d1_one_click_ends_the_topic_of_the_mail_and_no_other(client: Client, home: Home, moment: datetime) -> None:
    subscribe_to(home.cast.bakery, home.zoe, home.other_topic, now=moment)
    client.post(home.unsubscribe, ONE_CLICK)
    assert home.subscribed() == {"Offers"}


def test_everything_stops_all_marketing_mail(client: Client, home: Home, moment: datetime) -> None:
    subscribe_to(home.cast.bakery, home.zoe, home.other_topic, now=moment)
    page = client.post(home.unsubscribe, {"act": "everything"}).content.decode()
    assert "Bakery SA sends no more marketing emails" in page
    assert home.subscribed() == set()
    assert suppressed(home)


def test_a_mail_without_a_topic_is_about_everything(client: Client, home: Home, moment: datetime) -> None:
    message = send_copy(home.cast, home.topic, home.zoe, now=moment, with_topic=False)
    client.post(f"/u/{encode_key(message.unsubscribe_key)}", ONE_CLICK)
    assert suppressed(home)


def test_unsubscribing_twice_is_harmless(client: Client, home: Home) -> None:
    for _ in range(2):
        page = client.post(home.unsubscribe, ONE_CLICK).content.decode()
        assert "You are unsubscribed" in page
    assert home.subscribed() == set()


def test_subscribing_again_right_after(client: Client, home: Home) -> None:
    client.post(home.unsubscribe, ONE_CLICK)
    page = client.post(home.unsubscribe, {"act": "again"}).content.decode()
    assert "You are subscribed again" in page
    assert home.subscribed() == {"Weekly news"}


def test_subscribing_again_after_everything_brings_back_what_one_click_ended(
    client: Client, home: Home, moment: datetime
) -> None:
    subscribe_to(home.cast.bakery, home.zoe, home.other_topic, now=moment)
    client.post(home.unsubscribe, {"act": "topic"})
    client.post(home.unsubscribe, {"act": "everything"})
    client.post(home.unsubscribe, {"act": "again"})
    assert home.subscribed() == {"Offers"}
    assert not suppressed(home)


def test_an_old_mail_brings_nobody_back_who_left_everything(client: Client, home: Home, moment: datetime) -> None:
    client.post(home.unsubscribe, {"act": "everything"})
    with tenant(home.cast.bakery.pk):
        Suppression.objects.update(created_at=moment - timedelta(days=2))
    page = client.get(home.unsubscribe).content.decode()
    assert "Subscribe again" not in page
    client.post(home.unsubscribe, {"act": "again"})
    assert home.subscribed() == set()
    assert suppressed(home)


def test_subscribe_again_makes_nothing_that_never_was(client: Client, home: Home) -> None:
    with tenant(home.cast.bakery.pk):
        Subscription.objects.all().delete()
    client.post(home.unsubscribe, {"act": "again"})
    assert home.subscribed() == set()


def test_a_pause_instead(client: Client, home: Home) -> None:
    page = client.post(home.unsubscribe, {"act": "pause_30"}).content.decode()
    assert "pauses until" in page
    assert home.subscribed() == {"Weekly news"}
    client.post(home.unsubscribe, {"act": "resume"})
    assert "pauses until" not in client.get(home.unsubscribe).content.decode()


def test_h3_the_page_shows_no_address_and_no_other_key(client: Client, home: Home) -> None:
    page = client.get(home.unsubscribe).content.decode()
    assert "zoe@home.example" not in page
    assert home.preferences not in page


def test_c1_unsubscribing_says_nothing_about_measuring(client: Client, home: Home) -> None:
    client.post(home.unsubscribe, {"act": "everything"})
    assert home.choice() is None
    assert home.mails("choice_receipt") == []
