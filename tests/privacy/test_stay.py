"""/s/<key>: a button that only a person presses keeps the emails coming."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from common.keys import encode_key
from common.tenancy import tenant
from privacy.models import InactivityCheck
from tests.privacy.pages import PREFETCH, Home, ask_to_stay

pytestmark = pytest.mark.django_db


@pytest.fixture
def check(home: Home) -> InactivityCheck:
    return ask_to_stay(home)


def now_known(home: Home, check: InactivityCheck) -> InactivityCheck:
    with tenant(home.cast.bakery.pk):
        return InactivityCheck.objects.get(pk=check.pk)


def address(check: InactivityCheck) -> str:
    return reverse("stay", args=[encode_key(check.key)])


def test_h2_opening_the_page_is_no_answer(client: Client, home: Home, check: InactivityCheck) -> None:
    page = client.get(address(check), headers=PREFETCH).content.decode()
    assert "Do you want to stay?" in page
    assert "z…@h….example" in page
    assert now_known(home, check).stayed_at is None


def test_u6_the_button_keeps_the_emails_coming(client: Client, home: Home, check: InactivityCheck) -> None:
    assert "Thank you, you stay" in client.post(address(check)).content.decode()
    assert now_known(home, check).stayed_at is not None
    assert "Thank you, you stay" in client.get(address(check)).content.decode()


def test_u6_too_late_says_how_to_come_back(client: Client, home: Home, check: InactivityCheck) -> None:
    with tenant(home.cast.bakery.pk):
        InactivityCheck.objects.update(ended_at=check.answer_by)
    for page in (client.get(address(check)), client.post(address(check))):
        assert "The emails have ended" in page.content.decode()
    assert now_known(home, check).stayed_at is None
