"""Rule D4: a correction or an objection is asked for on the page of one's own data, and its month begins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from common.tenancy import tenant
from consent.selectors import local_day
from delivery.models import ServiceMessage
from privacy.forms import LONGEST_REQUEST
from privacy.models import PersonRequest
from privacy.rules import add_months
from privacy.services.own_data import OPEN_AT_ONCE
from tests.privacy.pages import Home

pytestmark = pytest.mark.django_db

WORDS = "My name is Zoé, with an accent.\nNot Zoe."


@pytest.fixture
def client() -> Client:
    return Client()


def ask(client: Client, at: tuple[str, str], kind: str = "rectification", details: str = WORDS) -> HttpResponse:
    address, key = at
    return client.post(address, {"page": key, "language": "en", "do": "request", "kind": kind, "details": details})


def requests(home: Home) -> list[PersonRequest]:
    with tenant(home.cast.bakery.pk):
        return list(PersonRequest.objects.order_by("id"))


@pytest.fixture
def opened(client: Client, home: Home) -> tuple[str, str]:
    address, key, _page = home.open_data(client)
    return address, key


@pytest.mark.parametrize("kind", ["rectification", "objection"])
def test_d4_a_request_opens_its_month_and_is_confirmed_by_mail(
    client: Client, home: Home, opened: tuple[str, str], kind: str
) -> None:
    page = ask(client, opened, kind).content.decode()
    (request,) = requests(home)
    today = local_day(home.cast.bakery, timezone.now())
    assert (request.kind, request.channel, request.state) == (kind, "page", "open")
    assert (request.details, request.participant_id, request.created_by) == (WORDS, home.zoe.pk, None)
    assert (request.received_on, request.due_on) == (today, add_months(today, 1))
    due = date_format(request.due_on)
    assert f"Bakery SA has your request. You get an answer by {due}." in page
    assert "My name is Zoé, with an accent.<br>Not Zoe." in page
    (mail,) = home.mails("request_receipt")
    assert mail.to_email == "zoe@home.example"
    assert due in mail.text
    assert WORDS in mail.text


def test_d4_the_person_reads_the_answer_where_they_asked(client: Client, home: Home, opened: tuple[str, str]) -> None:
    ask(client, opened)
    with tenant(home.cast.bakery.pk):
        PersonRequest.objects.update(state="answered", answered_at=timezone.now(), answer="It is Zoé now.")
    address, key = opened
    page = client.post(address, {"page": key, "do": "show"}).content.decode()
    assert "It is Zoé now." in page
    assert "Answered" in page
    # A download is no question.
    client.post(address, {"page": key, "do": "export"})
    assert "To take your data with you" not in client.post(address, {"page": key, "do": "show"}).content.decode()


@pytest.mark.parametrize(
    ("kind", "details", "words"),
    [
        ("", WORDS, "please say whether it is a correction or an objection"),
        ("erasure", WORDS, "please say whether it is a correction or an objection"),
        ("objection", " \n\x00", "please say what it is about"),
        ("objection", "x" * (LONGEST_REQUEST + 1), "please use no more than 2000 characters"),
    ],
)
def test_what_cannot_be_noted_is_said_and_nothing_that_was_typed_is_lost(
    client: Client, home: Home, opened: tuple[str, str], kind: str, details: str, words: str
) -> None:
    page = ask(client, opened, kind, details).content.decode()
    assert words in page
    assert details.replace("\x00", "").strip() in page.replace("\r\n", "\n")
    assert requests(home) == []
    assert home.mails("request_receipt") == []


def test_the_same_words_sent_twice_are_one_request_and_many_are_too_many(
    client: Client, home: Home, opened: tuple[str, str]
) -> None:
    for _again in range(2):
        ask(client, opened)
    assert len(requests(home)) == len(home.mails("request_receipt")) == 1
    for number in range(OPEN_AT_ONCE):
        page = ask(client, opened, "objection", f"No {number}").content.decode()
    assert "several of yours are still open" in page
    assert len(requests(home)) == OPEN_AT_ONCE


def test_h3_nothing_is_asked_without_the_key_of_the_page(client: Client, home: Home, opened: tuple[str, str]) -> None:
    ask(client, (opened[0], "wrong"))
    client.get(opened[0], {"do": "request", "kind": "objection", "details": "x"})
    assert requests(home) == []


def test_what_somebody_wrote_is_shown_and_never_run(client: Client, home: Home, opened: tuple[str, str]) -> None:
    page = ask(client, opened, details="<script>alert(1)</script>").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test_d4_a_request_stands_where_no_mail_can_confirm_it(client: Client, home: Home, opened: tuple[str, str]) -> None:
    with tenant(home.cast.bakery.pk):
        home.zoe.email = home.zoe.email_norm = "zoe@home..example"
        home.zoe.save(update_fields=["email", "email_norm"])
        before = ServiceMessage.objects.count()
    ask(client, opened)
    assert len(requests(home)) == 1
    with tenant(home.cast.bakery.pk):
        assert ServiceMessage.objects.count() == before
        assert requests(home)[0].due_on - requests(home)[0].received_on >= timedelta(days=28)
