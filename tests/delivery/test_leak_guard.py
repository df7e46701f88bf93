"""The leak guard sees what a relay adds on the way (rule S11). Relay and mailbox are real, on this machine."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
from django.test import Client

from common.tenancy import tenant
from delivery.connection_models import Connection, GuardCheck, GuardState
from delivery.connections import seal_secrets, trust_of
from delivery.leak_guard import EVERY, PATIENCE, canary, compare, keep_guard, send_canary
from delivery.providers import Trust
from delivery.returns import read_returns, watch
from tests.delivery.world import World
from tests.support.certificates import make_authority
from tests.support.imap import ImapServer
from tests.support.smtp import SmtpServer

PIXEL = '<img src="https://track.relay.example/open.gif?id=1" width="1" height="1">'


def leaky(raw: bytes) -> bytes:
    """What a service with tracking makes of a message."""
    mail = BytesParser(EmailMessage, policy=policy.SMTP).parsebytes(raw)
    part = mail.get_body(("html",))
    assert part is not None
    html = re.sub(r'href="[^"]*canary[^"]*1\?', 'href="https://track.relay.example/c/99?', part.get_content())
    part.set_content(html.replace("</body>", f"{PIXEL}</body>"), subtype="html")
    return mail.as_bytes()


# --- What is compared -------------------------------------------------------------------------------------------------


def test_s11_the_same_message_has_nothing_to_say() -> None:
    html, text = canary("0" * 32)
    assert compare(html, html.replace("><", ">\r\n<"), written_text=text, arrived_text=text + "\n") == []


@pytest.mark.parametrize(
    ("added", "kind"),
    [
        (PIXEL, "pixel"),
        ('<div style="background:url(https://t.example/p)"></div>', "pixel"),
        ('<table background="//t.example/p"></table>', "pixel"),
        ("<style>@import url('https://t.example/p.css');</style>", "pixel"),
        ('<link rel="stylesheet" href="https://t.example/p.css">', "pixel"),
        ('<img srcset="https://t.example/p.png 2x">', "pixel"),
        ('<!--[if mso]><img src="https://t.example/p"><![endif]-->', "pixel"),
        ('<a href="https://t.example/unsubscribe">Unsubscribe</a>', "link"),
    ],
)
def test_s11_whatever_is_added_is_found(added: str, kind: str) -> None:
    html, _text = canary("0" * 32)
    (finding,) = compare(html, html.replace("</body>", f"{added}</body>"))
    assert finding.kind == kind


def test_s11_a_rewritten_link_is_found_in_html_and_in_text() -> None:
    html, text = canary("0" * 32)
    links = re.findall(r"https?://\S+canary\S+", text)
    changed = compare(html, html.replace(links[0].replace("&", "&amp;"), "https://t.example/c"))
    assert {finding.kind for finding in changed} == {"link", "missing"}
    in_text = compare(html, html, written_text=text, arrived_text=text.replace(links[0], "https://t.example/c"))
    assert [finding.address for finding in in_text] == ["https://t.example/c"]


# --- The whole way ----------------------------------------------------------------------------------------------------


@pytest.fixture
def mailbox(tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImapServer]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    authority = make_authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with ImapServer(authority.issue("127.0.0.1"), password="sesame") as running:
        yield running


@pytest.fixture
def relay(world: World, server: SmtpServer, mailbox: ImapServer) -> Connection:
    row = Connection(
        organization=world.cast.bakery, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, security="smtp",
        guard_address="guard@bread.example", imap_host="127.0.0.1", imap_port=mailbox.port, imap_username="guard",
    )  # fmt: skip
    seal_secrets(row, {"imap_password": "sesame"})
    with tenant(world.cast.bakery.pk):
        row.save()
        row.refresh_from_db(fields=["hook_key"])
    return row


def newest(relay: Connection) -> GuardCheck:
    with tenant(relay.organization_id):
        return GuardCheck.objects.filter(connection=relay).latest("sent_at")


@pytest.mark.django_db
def test_s11_a_relay_that_adds_a_pixel_and_rewrites_a_link_is_found_out(
    world: World, server: SmtpServer, mailbox: ImapServer, relay: Connection
) -> None:
    bakery = world.cast.bakery
    assert send_canary(bakery, relay, now=world.time).state == GuardState.WAITING
    mailbox.mails.append(leaky(server.messages()[0].raw))
    assert read_returns(relay) == ""
    check = newest(relay)
    assert check.state == GuardState.LEAKY
    kinds = {finding["kind"]: finding["address"] for finding in check.findings}
    assert kinds["pixel"].startswith("https://track.relay.example/open.gif")
    assert kinds["link"].startswith("https://track.relay.example/c/99")
    assert "missing" in kinds
    assert trust_of(bakery, relay, now=world.time) is Trust.LEAKS
    assert mailbox.mails == [None]
    # Switched off there, and looked at again: it may be used again.
    send_canary(bakery, relay, now=world.time + timedelta(minutes=5))
    mailbox.mails.append(server.messages()[1].raw)
    read_returns(relay)
    assert newest(relay).state == GuardState.CLEAN
    assert trust_of(bakery, relay, now=world.time) is Trust.NOTHING_ADDED


@pytest.mark.django_db
def test_other_mail_stays_in_the_mailbox(mailbox: ImapServer, relay: Connection) -> None:
    mailbox.mails.append(b"Subject: Lunch?\r\n\r\nAt noon.\r\n")
    mailbox.mails.append(b"Subject: Pli leak guard " + b"0" * 32 + b"\r\n\r\nNot one of ours.\r\n")
    assert read_returns(relay) == ""
    assert None not in mailbox.mails


@pytest.mark.django_db
def test_what_keeps_a_mailbox_closed_is_said(
    mailbox: ImapServer, relay: Connection, settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seal_secrets(relay, {"imap_password": "wrong"})
    assert "wrong password" in read_returns(relay)
    monkeypatch.setenv("SSL_CERT_FILE", str(make_authority(tmp_path / "other").path))
    assert "not to be trusted" in read_returns(relay)
    settings.ALLOWED_NETWORKS = []
    assert "private network" in read_returns(relay)


@pytest.mark.django_db
def test_the_guard_looks_every_day_and_gives_up_on_what_is_lost(
    world: World, server: SmtpServer, relay: Connection
) -> None:
    bakery = world.cast.bakery
    assert keep_guard(bakery, relay, now=world.time) is not None
    assert keep_guard(bakery, relay, now=world.time + EVERY - timedelta(minutes=1)) is None
    with tenant(bakery.pk):
        assert GuardCheck.objects.get().state == GuardState.LOST
    assert keep_guard(bakery, relay, now=world.time + EVERY + PATIENCE) is not None
    assert len(server.messages()) == 2


@pytest.mark.django_db
def test_a_canary_that_cannot_leave_says_why(world: World, server: SmtpServer, relay: Connection) -> None:
    server.behave(refuse={"guard@bread.example": "550 5.1.1 No such user"})
    check = send_canary(world.cast.bakery, relay, now=world.time)
    assert (check.state, check.words) == (GuardState.FAILED, "550 5.1.1 No such user")


@pytest.mark.django_db
def test_the_watch_reads_and_sends(world: World, server: SmtpServer, mailbox: ImapServer, relay: Connection) -> None:
    watch(world.cast.bakery.pk, relay.pk)
    mailbox.mails.append(server.messages()[0].raw)
    watch(world.cast.bakery.pk, relay.pk)
    assert newest(relay).state == GuardState.CLEAN
    with tenant(world.cast.bakery.pk):
        row = Connection.objects.get(pk=relay.pk)
    assert (row.mailbox_words, row.mailbox_read_at is not None) == ("", True)


@pytest.mark.django_db
def test_a_mailbox_may_also_hand_its_mail_to_us(world: World, server: SmtpServer, relay: Connection) -> None:
    seal_secrets(relay, {"hook_password": "open"})
    with tenant(world.cast.bakery.pk):
        relay.save()
    send_canary(world.cast.bakery, relay, now=world.time)
    address, raw = f"/hooks/{relay.hook_key.hex}/mail/", leaky(server.messages()[0].raw)
    for password, status in (("", 403), ("wrong", 403), ("open", 200)):
        header = "Basic " + b64encode(f"pli:{password}".encode()).decode()
        response = Client().post(address, raw, "message/rfc822", headers={"Authorization": header})
        assert response.status_code == status
    assert newest(relay).state == GuardState.LEAKY
