"""People > Participants with many people and many changes: what stays quick, what is kept, what each page says."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from accounts.models import User
from intake.admin.paging import PeoplePaginator
from tests.support.cast import Cast
from tests.support.world import make_participant

pytestmark = pytest.mark.django_db

PEOPLE = "/console/participants/participant/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- The list -------------------------------------------------------------------------------------------------------


def test_a_whole_address_finds_its_person_only_and_a_part_of_one_finds_all(cast: Cast, now: datetime) -> None:
    for email, own_id in (("ana@b.example", ""), ("ana@b.example.org", "X7"), ("x7@b.example", "")):
        make_participant(cast.bakery, email, now=now, external_id=own_id)
    client = signed_in(cast.max)
    for text, found in (
        (" Ana@B.example ", ["ana@b.example"]),
        ("ana@b.ex", ["ana@b.example", "ana@b.example.org"]),
        # The own id of one person, and how the address of another begins.
        ("X7", ["ana@b.example.org", "x7@b.example"]),
    ):
        page = client.get(PEOPLE, {"q": text})
        assert [one.email for one in page.context["cl"].result_list] == found, text


def test_counting_stops_where_nobody_reads_on_and_the_page_says_so(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeoplePaginator, "limit", 100)
    for number in range(101):
        make_participant(cast.bakery, f"p{number:03}@b.example", now=now, country="FR" if number == 7 else "BE")
    client = signed_in(cast.max)
    page = client.get(PEOPLE)
    assert "More than 100 participants" in page.content.decode()
    assert page.context["cl"].paginator.num_pages == 2
    narrowed = client.get(PEOPLE, {"country": "FR"}).content.decode()
    assert "1 participant" in narrowed
    assert "More than" not in narrowed


def test_the_list_asks_the_same_few_questions_however_many_it_shows(
    cast: Cast, now: datetime, django_assert_max_num_queries
) -> None:
    for number in range(30):
        make_participant(cast.bakery, f"p{number:03}@b.example", now=now)
    client = signed_in(cast.max)
    client.get(PEOPLE)
    with django_assert_max_num_queries(15):
        client.get(PEOPLE)
