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
    closed = {address for address in offered if client.get(address).status_code != 200}
    assert closed == set()
    assert len(offered) > 15
    assert (reverse("admin:participants_participant_changelist") in offered) is sees_people
