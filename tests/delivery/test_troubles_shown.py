"""Whatever a mail server does, each message ends in the right state, and the launch's report says it in its words."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Launch
from common.tenancy import tenant
from delivery.models import Mailing, MailingState, Message
from delivery.selectors import Progress, progress_of
from tests.campaigns.world import make_campaign, make_email
from tests.delivery.world import World
from tests.support.certificates import make_authority
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db


def launched(world: World, people: int = 10) -> tuple[Mailing, Launch]:
    mailing = world.mailing([world.person(f"p{number}") for number in range(people)])
    campaign = make_campaign(world.cast.bakery, world.website, now=world.time)
    email = make_email(world.cast.bakery, campaign, world.topic, now=world.time)
    with tenant(world.cast.bakery.pk):
        return mailing, Launch.objects.create(organization=world.cast.bakery, email=email, mailing=mailing)


def report_of(world: World, launch: Launch) -> str:
    client = Client()
    client.force_login(world.cast.max)
    return client.get(reverse("admin:reporting_launch", args=[launch.pk])).content.decode()


def states(world: World, mailing: Mailing) -> dict[str, int]:
    return dict(Counter(world.statuses(mailing).values()))


def test_a_5xx_for_one_of_ten_recipients(world: World, server: SmtpServer) -> None:
    server.behave(refuse={"p4@example.org": "550 5.1.1 No such user here"})
    mailing, launch = launched(world)
    world.send(mailing, minutes=1)
    assert states(world, mailing) == {"sent": 9, "failed": 1}
    assert world.statuses(mailing)["p4"] == "failed"
    assert "550 5.1.1 No such user here" in report_of(world, launch)


def test_a_421_in_mid_batch(world: World, server: SmtpServer) -> None:
    server.behave(close_after=2)
    mailing, launch = launched(world)
    world.send(mailing, minutes=1)
    assert sorted(set(server.recipients())) == sorted(server.recipients())
    while states(world, mailing) != {"sent": 10}:
        assert world.state(mailing).state == MailingState.SENDING
        assert "421 4.7.0 Too many messages in this session" in report_of(world, launch)
        before = len(server.recipients())
        world.send(mailing, minutes=10)
        assert len(server.recipients()) > before
    assert Counter(server.recipients()) == {f"p{number}@example.org": 1 for number in range(10)}


def test_a_server_that_accepts_and_then_hangs(
    world: World, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.transports.smtp.REPLY_SECONDS", 3.0)
    server.behave(hang=["p4@example.org"])
    mailing, launch = launched(world)
    for _run in range(3):
        world.send(mailing, minutes=5)
    assert states(world, mailing) == {"sent": 9, "unknown": 1}
    assert world.statuses(mailing)["p4"] == "unknown"
    page = report_of(world, launch)
    assert "timed out" in page
    assert "May have been sent: 1" in page


def test_tls_that_fails(world: World, tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = make_authority(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    certificate = authority.issue("mail.example")
    settings.BASE_URL = "https://pli.example"
    with SmtpServer(tmp_path / "sink", tls="starttls", certificate=certificate) as sink:
        settings.SMTP_URL = sink.url.replace("smtp://", "smtp+starttls://")
        mailing, launch = launched(world)
        world.send(mailing, minutes=1)
        assert sink.messages() == []
    assert states(world, mailing) == {"queued": 10}
    assert world.state(mailing).state == MailingState.PAUSED
    assert "the certificate of 127.0.0.1 is not to be trusted" in report_of(world, launch)


# --- How far it is ----------------------------------------------------------------------------------------------------


def look(world: World, mailing: Mailing, *, seconds: float = 0) -> Progress:
    world.time += timedelta(seconds=seconds)
    with tenant(world.cast.bakery.pk):
        return progress_of(world.cast.bakery, Mailing.objects.get(pk=mailing.pk), now=world.time)


def test_progress_says_how_many_left_how_fast_and_how_long_it_takes(world: World, server: SmtpServer) -> None:
    mailing, _launch = launched(world, 10)
    assert look(world, mailing) == Progress(left=10)
    with tenant(world.cast.bakery.pk):
        Mailing.objects.update(state="sending")
        rows = list(Message.objects.order_by("pk").values_list("pk", flat=True))
        look(world, mailing)
        for pk, status in zip(rows, ["sent", "sent", "sent", "sent", "failed", "unknown", "suppressed"], strict=False):
            Message.objects.filter(pk=pk).update(status=status)
    progress = look(world, mailing, seconds=2)
    assert (progress.sent, progress.left, progress.failed, progress.unknown, progress.spared) == (4, 3, 1, 1, 1)
    assert (progress.rate_per_s, progress.seconds_left, progress.total) == (2.0, 1.5, 10)
    with tenant(world.cast.bakery.pk):
        Mailing.objects.update(state="paused")
    assert look(world, mailing, seconds=2).rate_per_s is None


def test_progress_is_told_without_redis_too(world: World, server: SmtpServer, settings) -> None:
    mailing, _launch = launched(world, 2)
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    with tenant(world.cast.bakery.pk):
        Mailing.objects.update(state="sending")
    assert look(world, mailing).left == 2
    assert look(world, mailing, seconds=5).rate_per_s is None


def test_the_address_for_the_script_is_walled_and_says_why_nothing_leaves(world: World, server: SmtpServer) -> None:
    server.behave(refuse_sender="550 5.7.1 Sender not allowed")
    mailing, launch = launched(world)
    world.send(mailing, minutes=1)
    address = reverse("admin:campaigns_launch_progress", args=[launch.pk])
    client = Client()
    client.force_login(world.cast.ben)
    told = client.get(address).json()
    assert (told["state"], told["left"], told["reason"]) == ("paused", "10", "550 5.7.1 Sender not allowed")
    assert (told["total_number"], told["done_number"]) == (10, 0)
    client.force_login(world.cast.cleo)
    assert client.get(address).status_code == 404
