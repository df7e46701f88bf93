"""Outside senders in the console: set up, tried with nothing about anybody, and what they would not take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.connection_models import Connection, WebsiteConnection
from delivery.connections import built_in, secrets_of
from tests.delivery.outside_world import Outside, make_sender
from tests.delivery.world import World
from tests.support.cast import Cast
from tests.support.outside import ActitoEndpoint, JsonEndpoint, Mood, OutsideServer

pytestmark = pytest.mark.django_db
ADD = "admin:delivery_connection_add"
SECRET = "Bearer swordfish"
ACTITO = {
    "name": "Actito", "entity": "Bakery", "table": "Customers", "tracking_attribute": "trackingConsent",
    "email_attribute": "emailAddress", "secret": "the-api-key",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _loopback(settings) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://pli.example"


@pytest.fixture
def server() -> Iterator[OutsideServer]:
    with OutsideServer(JsonEndpoint()) as running:
        yield running
        assert running.problems == []


def member(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def only(cast: Cast) -> Connection:
    with tenant(cast.bakery.pk):
        return Connection.objects.select_related("organization").get(kind="push")


def page_of(row: Connection, name: str = "change") -> str:
    return reverse(f"admin:delivery_connection_{name}", args=[row.pk])


def add(cast: Cast, server: OutsideServer, **fields: object) -> Connection:
    data = {"name": "Outside", "push_url": server.url, "secret": SECRET, **fields}
    response = member(cast.ana).post(reverse(ADD) + "?service=push", data)
    assert response.status_code == 302, response.context["form"].errors
    return only(cast)


def test_it_is_kept_and_its_secret_never_shown(cast: Cast, server: OutsideServer) -> None:
    row = add(cast, server)
    assert secrets_of(row) == {"push_secret": SECRET}
    assert "swordfish" not in row.sealed + str(row.options)
    client = member(cast.ana)
    assert "swordfish" not in client.get(page_of(row)).content.decode()
    again = {"name": "Renamed", "push_url": server.url, "secret": ""}
    assert client.post(page_of(row), again).status_code == 302
    assert (only(cast).name, secrets_of(only(cast))) == ("Renamed", {"push_secret": SECRET})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("push_url", "http://outside.example/push", "must begin with https"),
        ("push_url", "https://ana:secret@outside.example/push", "shown and logged"),
        ("push_url", "", "required"),
        ("secret", "", "required"),
        ("secret", "Bearer é", "letters, digits and signs"),
        ("auth_header", "Idempotency-Key", "cannot be the name"),
        ("auth_header", "X Y", "cannot be the name"),
    ],
)
def test_what_cannot_work_is_refused_in_words(cast: Cast, name: str, value: str, words: str) -> None:
    data = {"name": "Outside", "push_url": "https://outside.example/push", "secret": SECRET, name: value}
    response = member(cast.ana).post(reverse(ADD) + "?service=push", data)
    assert response.status_code == 200
    assert words in str(response.context["form"].errors[name])


def test_trying_it_says_nothing_about_anybody(cast: Cast, server: OutsideServer) -> None:
    row = add(cast, server)
    shown = member(cast.ana).post(page_of(row, "test"), follow=True).content.decode()
    assert "HTTP 200" in shown
    assert only(cast).test_passed is True
    (request,) = server.requests
    assert set(request.body) == {"format", "event", "key", "at"}


def test_trying_a_wrong_secret_shows_the_endpoints_words_without_it(cast: Cast, server: OutsideServer) -> None:
    row = add(cast, server)
    server.behave(Mood.UNAUTHORIZED)
    shown = member(cast.ana).post(page_of(row, "test"), follow=True).content.decode()
    assert "who are you?" in shown
    assert "swordfish" not in shown
    assert only(cast).test_passed is False


def test_a_private_address_is_refused_when_it_is_tried(cast: Cast, server: OutsideServer, settings) -> None:
    row = add(cast, server)
    settings.ALLOWED_NETWORKS = []
    shown = member(cast.ana).post(page_of(row, "test"), follow=True).content.decode()
    assert "private network" in shown
    assert server.requests == []


def test_a_website_chooses_it_for_exit_screen_emails_and_nothing_else(
    cast: Cast, world: World, server: OutsideServer
) -> None:
    row = add(cast, server)
    own = built_in(cast.bakery)
    client, address = member(cast.ana), reverse("admin:delivery_websiteconnection_add")
    refused = client.post(address, {"website": world.website.pk, "connection": row.pk, "fallback": "", "outside": ""})
    assert "takes exit-screen emails only" in str(refused.context["adminform"].form.errors["connection"])
    wrong = client.post(address, {"website": world.website.pk, "connection": own.pk, "outside": own.pk})
    assert "Only an outside sender" in str(wrong.context["adminform"].form.errors["outside"])
    done = client.post(address, {"website": world.website.pk, "connection": own.pk, "outside": row.pk})
    assert done.status_code == 302
    with tenant(cast.bakery.pk):
        assert WebsiteConnection.objects.get().outside == row
    page = client.get(page_of(row)).content.decode()
    assert "Daily bread" in page
    assert client.get(page_of(row, "delete")).status_code == 403


def test_another_organizations_outside_sender_does_not_exist(cast: Cast, server: OutsideServer) -> None:
    row = add(cast, server)
    stranger = member(cast.cleo)
    assert stranger.get(page_of(row)).status_code == 404
    for button in ("test", "again", "mend"):
        assert stranger.post(page_of(row, button)).status_code == 404
    assert member(cast.max).post(page_of(row, "again")).status_code == 403
    assert server.requests == []


def test_what_could_not_be_handed_over_is_listed_and_tried_again(
    cast: Cast, world: World, server: OutsideServer
) -> None:
    outside = Outside(world, server, make_sender(world, server))
    told, refused = outside.person("told", ChoiceValue.YES), outside.person("refused")
    outside.hand_over(outside.mailing(told))
    server.behave(Mood.REFUSE)
    mailing = outside.mailing(refused)
    outside.hand_over(mailing)
    outside.choose(told, ChoiceValue.NO)
    outside.tell()
    client = member(cast.ana)
    page = client.get(page_of(outside.sender)).content.decode()
    assert page.count("no such campaign") == 2
    assert "told@example.org" in page
    assert "refused@example.org" in page
    server.behave(Mood.WELL)
    shown = client.post(page_of(outside.sender, "again"), follow=True).content.decode()
    assert "2 are tried again." in shown
    outside.world.time = outside.row("told").due_at or outside.world.time
    outside.hand_over(mailing)
    outside.tell()
    assert outside.message(mailing, "refused").status == "sent"
    assert outside.said_of("told")[-1] == ("person", False)
    assert "no such campaign" not in client.get(page_of(outside.sender)).content.decode()


# --- Actito -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def actito() -> Iterator[OutsideServer]:
    with OutsideServer(ActitoEndpoint()) as running:
        yield running


def add_actito(cast: Cast, actito: OutsideServer, **fields: object) -> Connection:
    data = {
        **ACTITO,
        "campaign": "Exit",
        "base_url": f"{actito.base}/v4",
        "token_url": f"{actito.base}/auth/token",
        "tables_url": f"{actito.base}/profile-table-structure/v5/entities/{{entity}}/profile-tables",
        "parameters": "pliReference = reference\npreferences = preferences_url",
        "subscriptions": "News = Newsletter",
        **fields,
    }
    response = member(cast.ana).post(reverse(ADD) + "?service=actito", data)
    assert response.status_code == 302, response.context["form"].errors
    return only(cast)


def test_actito_is_set_up_and_looked_at_before_anybody_is_handed_over(cast: Cast, actito: OutsideServer) -> None:
    row = add_actito(cast, actito)
    assert row.options["parameters"] == {"pliReference": "reference", "preferences": "preferences_url"}
    shown = member(cast.ana).post(page_of(row, "test"), follow=True).content.decode()
    assert "has the attribute “trackingConsent”" in shown
    assert "the-api-key" not in shown
    assert {request.method for request in actito.requests} == {"GET"}
    assert actito.problems == []
    # What was typed comes back as it was typed.
    form = member(cast.ana).get(page_of(row)).context["form"]
    assert form["subscriptions"].value() == "News = Newsletter"


def test_a_table_without_tracking_consent_is_no_table_for_us(cast: Cast, actito: OutsideServer) -> None:
    assert isinstance(actito.endpoint, ActitoEndpoint)
    actito.endpoint.attributes.remove("trackingConsent")
    row = add_actito(cast, actito)
    client = member(cast.ana)
    assert "would track everybody" in client.post(page_of(row, "test"), follow=True).content.decode()
    actito.endpoint.table = "Other"
    assert "knows no table" in client.post(page_of(row, "test"), follow=True).content.decode()
    assert only(cast).test_passed is False


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tracking_attribute", "", "required"),
        ("parameters", "x = password", "knows nothing of this name"),
        ("parameters", "x", "Not “name = value”"),
        ("tables_url", "https://api.example/{secret}", "may stand between braces"),
        ("base_url", "http://api.example", "must begin with https"),
    ],
)
def test_what_actito_cannot_work_with_is_refused(cast: Cast, name: str, value: str, words: str) -> None:
    response = member(cast.ana).post(reverse(ADD) + "?service=actito", {**ACTITO, name: value})
    assert response.status_code == 200
    assert words in str(response.context["form"].errors[name])


def test_the_page_for_a_new_connection_offers_both_kinds(cast: Cast) -> None:
    page = member(cast.ana).get(reverse(ADD)).content.decode()
    assert "?service=actito" in page
    assert "?service=push" in page
