"""What mail servers refuse ends in the right state, with their words, on the pages that people look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Launch
from campaigns.services import launch_email
from common.tenancy import tenant
from delivery.connection_models import Connection, WebsiteConnection
from delivery.models import Message
from delivery.transports import smtp as smtp_module
from tests.campaigns.world import make_campaign, make_email, subscribers_of
from tests.delivery.world import World, make_world
from tests.support.cast import Cast
from tests.support.certificates import make_authority
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db
NAMES = [f"p{number}" for number in range(10)]


class Scene:
    """An email of Bakery that was launched to ten people, through a connection of its own."""

    def __init__(self, cast: Cast, world: World, server: SmtpServer, *, now: datetime, security: str = "smtp") -> None:
        bakery = cast.bakery
        self.cast, self.world = cast, world
        make = subscribers_of(bakery, world.topic, now=now)
        for name in NAMES:
            make(name)
        email = make_email(bakery, make_campaign(bakery, world.website, now=now), world.topic, now=now)
        with tenant(bakery.pk):
            connection = Connection.objects.create(
                organization=bakery, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, security=security
            )
            WebsiteConnection.objects.create(organization=bakery, website=world.website, connection=connection)
            self.launch: Launch = launch_email(bakery, email, author=cast.ana, now=world.time)

    def send(self, **later: float) -> dict[str, str]:
        self.world.send(self.launch.mailing, **later)
        return self.world.statuses(self.launch.mailing)

    def page(self) -> str:
        client = Client()
        client.force_login(self.cast.ana)
        return client.get(f"/console/reports/{self.launch.pk}/").content.decode()

    def person_page(self, name: str) -> str:
        client = Client()
        client.force_login(self.cast.ana)
        with tenant(self.cast.bakery.pk):
            message = Message.objects.get(participant__email__startswith=f"{name}@")
        return client.get(
            reverse("admin:participants_participant_change", args=[message.participant_id])
        ).content.decode()


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with SmtpServer(tmp_path / "sink") as running:
        yield running


@pytest.fixture
def world(cast: Cast, now: datetime, settings) -> World:
    settings.BASE_URL = "https://pli.example"
    return make_world(cast, now)


def test_one_refused_recipient_of_ten(cast: Cast, world: World, server: SmtpServer, now: datetime) -> None:
    server.behave(refuse={"p3@mail.example.org": "550 5.1.1 <p3@mail.example.org>: No such user"})
    scene = Scene(cast, world, server, now=now)
    assert scene.send(minutes=1) == {name: "failed" if name == "p3" else "sent" for name in NAMES}
    assert "550 5.1.1" in scene.page()
    assert "No such user" in scene.page()
    # The report names nobody; the person's own page may.
    assert "p3@mail.example.org" not in scene.page()
    assert "No such user" in scene.person_page("p3")


def test_a_421_in_the_middle_of_a_batch(cast: Cast, world: World, server: SmtpServer, now: datetime) -> None:
    server.behave(close_after=4)
    scene = Scene(cast, world, server, now=now)
    first = scene.send(minutes=1)
    assert set(first.values()) <= {"sent", "queued"}
    while "queued" in set((states := scene.send(minutes=10)).values()):
        assert sum(state == "sent" for state in states.values()) >= 4
    assert sorted(server.recipients()) == sorted(f"{name}@mail.example.org" for name in NAMES)


def test_a_server_that_takes_a_message_and_then_hangs(
    cast: Cast, world: World, server: SmtpServer, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_module, "REPLY_SECONDS", 3.0)
    server.behave(hang=["p0@mail.example.org"])
    scene = Scene(cast, world, server, now=now)
    scene.send(minutes=1)
    states = scene.send(minutes=10)
    # What may have been sent is never sent again by itself; everybody else has theirs once.
    assert states == {name: "unknown" if name == "p0" else "sent" for name in NAMES}
    assert sorted(server.recipients()) == sorted(f"{name}@mail.example.org" for name in NAMES)
    assert "May have been sent" in scene.page()
    assert "timed out" in scene.person_page("p0")


def test_tls_that_fails(
    cast: Cast, world: World, tmp_path: Path, now: datetime, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setenv("SSL_CERT_FILE", str(make_authority(tmp_path / "trusted").path))
    certificate = make_authority(tmp_path / "other").issue("127.0.0.1")
    with SmtpServer(tmp_path / "tls", tls="starttls", certificate=certificate) as closed:
        scene = Scene(cast, world, closed, now=now, security="smtp+starttls")
        assert set(scene.send(minutes=1).values()) == {"queued"}
        assert closed.messages() == []
    page = scene.page()
    assert "the certificate of 127.0.0.1 is not to be trusted" in page
    assert "Resume" in page
