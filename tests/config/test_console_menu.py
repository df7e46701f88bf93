"""The navigation leads nobody to a page that is closed to them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.support.cast import Cast


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "sees_people"), [("ana", True), ("max", True), ("dana", True), ("ben", False)])
def test_every_page_that_is_offered_answers(cast: Cast, name: str, sees_people: bool) -> None:
    client = Client()
    client.force_login(getattr(cast, name))
    page = client.get(reverse("admin:index")).content.decode()
    offered = set(re.findall(r'href="(/console/[^"#?]*)"', page))
    closed = {address for address in offered if not _answers(client, address)}
    assert closed == set()
    assert len(offered) > 15
    assert (reverse("admin:participants_participant_changelist") in offered) is sees_people


def _answers(client: Client, address: str) -> bool:
    """Whether there is a page, be it at the place that this one sends to, and not the one for signing in."""
    answer = client.get(address, follow=True)
    return answer.status_code == 200 and answer.request["PATH_INFO"] != reverse("account_login")
