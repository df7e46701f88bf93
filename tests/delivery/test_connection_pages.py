"""Settings > Connections in the console: set up, tried out, confirmed, never telling a secret twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from campaigns.services import why_not_launch
from common.tenancy import tenant
from delivery.connection_models import Connection, DkimKey, WebsiteConnection
from delivery.connections import attest, secrets_of, why_not_send
from delivery.providers import providers
from tests.campaigns.world import make_campaign, make_email
from tests.delivery.world import World
from tests.support.cast import Cast
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db
LIST = "admin:delivery_connection_changelist"
ADD = "admin:delivery_connection_add"
RIGHT = "right"


def member(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def only(cast: Cast, kind: str = "smtp") -> Connection:
    with tenant(cast.bakery.pk):
        return Connection.objects.select_related("organization").get(kind=kind)


def typed(**fields: object) -> dict[str, object]:
    start = {"name": "Relay", "imap_port": 993, "warmup_first": 200, "per_domain": ""}
    return {**start, **fields}


@pytest.fixture
def sink(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with SmtpServer(tmp_path / "sink", auth=("ana", "right")) as running:
        yield running


def add_server(cast: Cast, sink: SmtpServer, *, password: str = RIGHT, **fields: object) -> Connection:
    data = typed(host="127.0.0.1", port=sink.port, security="smtp", username="ana", password=password, **fields)
    response = member(cast.ana).post(reverse(ADD) + "?service=smtp", data)
    assert response.status_code == 302, response.context["form"].errors
    return only(cast)


def test_every_service_can_be_set_up_and_is_described(cast: Cast) -> None:
    client = member(cast.ana)
    page = client.get(reverse(ADD)).content.decode()
    for provider in providers().values():
        assert provider.name in page
        form = client.get(reverse(ADD) + f"?service={provider.key}")
        assert form.status_code == 200
        assert {*provider.secrets, *provider.options, *provider.hook_secrets} <= set(form.context["form"].fields)
    assert "it sends none that Pli can take" in page


def test_a_server_is_kept_and_its_password_never_shown(cast: Cast, sink: SmtpServer) -> None:
    row = add_server(cast, sink, per_domain="gmail.com 20\n* 5.5")
    assert secrets_of(row) == {"password": "right"}
    assert row.per_domain == {"gmail.com": 20.0, "*": 5.5}
    page = reverse("admin:delivery_connection_change", args=[row.pk])
    client = member(cast.ana)
    assert 'value="right"' not in client.get(page).content.decode()
    again = typed(host="127.0.0.1", port=sink.port, security="smtp", username="ana", name="Other name", password="")
    assert client.post(page, again).status_code == 302
    assert (only(cast).name, secrets_of(only(cast))) == ("Other name", {"password": "right"})


def test_the_test_button_says_what_the_server_says(cast: Cast, sink: SmtpServer) -> None:
    row = add_server(cast, sink)
    page = reverse("admin:delivery_connection_test", args=[row.pk])
    shown = member(cast.ana).post(page, follow=True).content.decode()
    assert "127.0.0.1 answers" in shown
    assert "PIPELINING" in shown
    with tenant(cast.bakery.pk):
        Connection.objects.filter(pk=row.pk).delete()
    wrong = add_server(cast, sink, password="wrong")
    shown = member(cast.ana).post(reverse("admin:delivery_connection_test", args=[wrong.pk]), follow=True)
    assert "535" in shown.content.decode()
    assert only(cast).test_passed is False


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"host": "mail.example", "security": "smtp"}, "security"),
        ({"host": "http://mail.example", "security": "smtps"}, "host"),
        ({"host": "mail.example", "security": "smtps", "per_domain": "gmail.com often"}, "per_domain"),
        ({"host": "mail.example", "security": "smtps", "guard_address": "nobody"}, "guard_address"),
        ({"host": "mail.example", "security": "smtps", "port": 99999}, "port"),
    ],
)
def test_what_cannot_work_is_refused_where_it_was_typed(cast: Cast, fields: dict[str, object], field: str) -> None:
    data = typed(**{"port": 587, "username": "", "password": "", **fields})
    response = member(cast.ana).post(reverse(ADD) + "?service=smtp", data)
    assert list(response.context["form"].errors) == [field]


def test_only_owners_touch_credentials(cast: Cast, sink: SmtpServer) -> None:
    row = add_server(cast, sink)
    page = reverse("admin:delivery_connection_change", args=[row.pk])
    for user in (cast.max, cast.dana):
        client = member(user)
        assert client.get(reverse(LIST)).status_code == 200
        shown = client.get(page)
        assert shown.status_code == 200
        assert 'name="password"' not in shown.content.decode()
        for name in ("test", "attest", "unattest", "guard", "mend", "secret"):
            assert client.post(reverse(f"admin:delivery_connection_{name}", args=[row.pk])).status_code == 403
        assert client.post(page, typed()).status_code == 403
        assert client.get(reverse(ADD)).status_code == 403
    assert member(cast.ben).get(page).status_code == 403
    assert member(cast.cleo).get(page).status_code == 404


def test_a_connection_in_use_has_no_delete_button(cast: Cast, sink: SmtpServer, world: World) -> None:
    row = add_server(cast, sink)
    address = reverse("admin:delivery_connection_delete", args=[row.pk])
    client = member(cast.ana)
    assert address in client.get(reverse("admin:delivery_connection_change", args=[row.pk])).content.decode()
    with tenant(cast.bakery.pk):
        WebsiteConnection.objects.create(organization=cast.bakery, website=world.website, connection=row)
    assert address not in client.get(reverse("admin:delivery_connection_change", args=[row.pk])).content.decode()
    assert client.post(address, {"post": "yes"}).status_code == 403
    with tenant(cast.bakery.pk):
        WebsiteConnection.objects.all().delete()
    client.post(address, {"post": "yes"})
    with tenant(cast.bakery.pk):
        assert not Connection.objects.filter(kind="smtp").exists()


def test_s11_a_confirmation_carries_who_when_and_what(cast: Cast, world: World, now: datetime) -> None:
    client = member(cast.ana)
    client.post(reverse(ADD) + "?service=brevo", typed(name="Brevo", api_key="k", is_default="on"))
    row = only(cast, "esp")
    page = reverse("admin:delivery_connection_change", args=[row.pk])
    assert "Brevo can add tracking of its own" in client.get(page).content.decode()
    assert "Brevo can add tracking" in why_not_send(cast.bakery, world.website, now=now)
    client.post(reverse("admin:delivery_connection_attest", args=[row.pk]), {"text": "Senders > Settings: both off"})
    shown = client.get(page).content.decode()
    assert "Confirmed by Ana" in shown
    assert "Senders &gt; Settings: both off" in shown
    assert why_not_send(cast.bakery, world.website, now=now) == ""
    client.post(reverse("admin:delivery_connection_unattest", args=[row.pk]))
    assert "Brevo can add tracking" in why_not_send(cast.bakery, world.website, now=now)


def test_the_secret_of_reports_is_shown_once(cast: Cast) -> None:
    client = member(cast.ana)
    client.post(reverse(ADD) + "?service=mailjet", typed(name="Mailjet", api_key="k", secret_key="s"))
    row = only(cast, "esp")
    shown = client.post(reverse("admin:delivery_connection_secret", args=[row.pk]), follow=True).content.decode()
    password = secrets_of(only(cast, "esp"))["hook_password"]
    assert re.search(rf"://pli:{re.escape(password)}@[^/]+/hooks/{row.hook_key.hex}/", shown)
    page = client.get(reverse("admin:delivery_connection_change", args=[row.pk])).content.decode()
    assert password not in page


def test_a_service_that_reports_nothing_says_so(cast: Cast) -> None:
    client = member(cast.ana)
    client.post(reverse(ADD) + "?service=scaleway", typed(name="Scaleway", secret_key="s", project_id="p"))
    page = client.get(reverse("admin:delivery_connection_change", args=[only(cast, "esp").pk])).content.decode()
    assert "Scaleway sends Pli no reports" in page


def test_a_signing_key_is_shown_as_a_record(cast: Cast) -> None:
    client = member(cast.ana)
    response = client.post(
        reverse("admin:delivery_dkimkey_add"), {"domain": "Bread.example", "algorithm": "rsa"}, follow=True
    )
    page = response.content.decode()
    with tenant(cast.bakery.pk):
        key = DkimKey.objects.get()
    assert f"{key.selector}._domainkey.bread.example" in page
    assert f"v=DKIM1; k=rsa; p={key.public_key}" in page
    assert "PRIVATE" not in page
    assert "It does not sign yet" in page
    bad = client.post(reverse("admin:delivery_dkimkey_add"), {"domain": "bread", "algorithm": "rsa"})
    assert list(bad.context["form"].errors) == ["domain"]


def test_s11_the_refusal_is_said_when_a_website_gets_a_connection(cast: Cast, world: World) -> None:
    with tenant(cast.bakery.pk):
        row = Connection.objects.create(organization=cast.bakery, name="Brevo", kind="esp", provider="brevo")
    data = {"website": world.website.pk, "connection": row.pk, "fallback": ""}
    shown = member(cast.max).post(reverse("admin:delivery_websiteconnection_add"), data, follow=True)
    assert "Brevo can add tracking of its own" in shown.content.decode()


def test_s11_an_email_is_refused_before_it_is_launched(cast: Cast, world: World, now: datetime) -> None:
    campaign = make_campaign(cast.bakery, world.website, now=now)
    email = make_email(cast.bakery, campaign, world.topic, now=now)
    with tenant(cast.bakery.pk):
        row = Connection.objects.create(
            organization=cast.bakery, name="Brevo", kind="esp", provider="brevo", is_default=True
        )
        assert any("Brevo can add tracking" in reason for reason in why_not_launch(cast.bakery, email, now=world.time))
        attest(cast.bakery, row, author=cast.ana, text="Both switched off today.", now=now)
        assert not any("Brevo" in reason for reason in why_not_launch(cast.bakery, email, now=world.time))


def test_the_list_says_which_connection_serves_where_none_was_chosen(cast: Cast, world: World) -> None:
    page, words = reverse("admin:delivery_connection_changelist"), "Every website without a connection of its own"
    client = member(cast.ana)
    assert client.get(page).content.decode().count(words) == 1
    with tenant(cast.bakery.pk):
        Connection.objects.create(organization=cast.bakery, name="Brevo", kind="esp", provider="brevo", is_default=True)
    shown = client.get(page).content.decode()
    assert shown.count(words) == 1
    assert shown.index("Brevo") < shown.index(words) < shown.index("Mail server of this installation</")
