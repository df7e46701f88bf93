"""A person who changes their choice gets it in writing, and not more than one mail an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from common.tenancy import tenant
from privacy.services.receipts import send_due_receipts
from tests.privacy.pages import Home

pytestmark = pytest.mark.django_db


def texts(home: Home) -> list[str]:
    return [mail.text for mail in home.mails("choice_receipt")]


def test_c11_a_withdrawal_is_confirmed_in_writing(client: Client, home: Home) -> None:
    client.post(f"{home.preferences}?lang=es", {"do": "choices", "both": "no"})
    mail = home.mails("choice_receipt")[0]
    assert (mail.to_email, mail.language, mail.unsubscribe_url) == ("zoe@home.example", "es", "")
    assert mail.subject == "Su elección sobre la medición, confirmada"
    assert "Aperturas: No\nClics: No" in mail.text
    assert "se borra" in mail.text
    assert home.preferences in mail.text


def test_the_second_change_of_an_hour_waits_and_says_how_it_ended(client: Client, home: Home) -> None:
    for answer in ("yes", "no", "yes"):
        client.post(home.preferences, {"do": "choices", "both": answer})
    assert len(texts(home)) == 1
    started = datetime.now(UTC)
    assert send_due_receipts(now=started + timedelta(minutes=30)) == 0
    assert send_due_receipts(now=started + timedelta(minutes=61)) == 1
    assert send_due_receipts(now=started + timedelta(minutes=62)) == 0
    first, second = texts(home)
    assert "Opens: Yes\nClicks: Yes" in first
    assert "Opens: Yes\nClicks: Yes" in second


def test_the_same_answer_again_needs_no_receipt(client: Client, home: Home) -> None:
    for _ in range(2):
        client.post(home.preferences, {"do": "choices", "both": "no"})
    assert len(texts(home)) == 1
    assert send_due_receipts(now=datetime.now(UTC) + timedelta(hours=2)) == 0


def test_s4_an_objection_is_confirmed_too(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "totals", "totals": "object"})
    assert "Anonymous totals: you objected" in texts(home)[0]


def test_the_choice_stands_where_no_mail_can_be_sent(client: Client, home: Home) -> None:
    with tenant(home.cast.bakery.pk):
        type(home.zoe).objects.filter(pk=home.zoe.pk).update(email="no address")
    assert client.post(home.preferences, {"do": "choices", "both": "no"}).status_code == 200
    choice = home.choice()
    assert choice is not None
    assert choice.opens == "no"
    assert texts(home) == []
