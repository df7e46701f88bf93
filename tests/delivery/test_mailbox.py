"""The built-in mailbox: what it takes stands in the database, under the organization that signed in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from django.core.mail import EmailMessage as DjangoMessage
from django.test import Client

from accounts.models import Organization
from common.tenancy import tenant
from delivery.mailbox import Caught, Shelf, subject_of
from delivery.models import CaughtMessage
from delivery.readers import open_caught, raw_of
from delivery.transports import MemberMailBackend, Outgoing, Result, SmtpAccount, SmtpConnection, account_of
from tests.support.cast import Cast
from tests.support.gate import Gate
from tests.support.ports import free_port
from tests.support.wait import wait_until

across_processes = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


class MailboxProcess:
    """`manage.py run_mailbox` on a free port."""

    def __init__(self, **environ: str) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "run_mailbox"],
            env={**os.environ, "PLI_MAILBOX_PORT": str(self.port), **environ},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert "listens on" in self._process.stdout.readline()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


@pytest.fixture
def mailbox(settings) -> Iterator[MailboxProcess]:
    process = MailboxProcess()
    settings.SMTP_URL, settings.MAILBOX_PORT = "", process.port
    yield process
    process.stop()


def message(number: int, to: str = "lea@example.org", subject: str = "Les nouvelles du fournil") -> Outgoing:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"{subject} {number}"
    mail["To"] = to
    mail.set_content("Bonjour Léa\n.\n.point")
    return Outgoing(number, f"bounce+{number}@bread.example", to, mail.as_bytes())


def send(account: SmtpAccount, messages: list[Outgoing]) -> list[Result]:
    connection = SmtpConnection(account)
    outcomes, _trouble = connection.send(messages)
    connection.close()
    return [outcome.result for outcome in outcomes]


def caught_of(organization: Organization) -> list[CaughtMessage]:
    with tenant(organization.pk):
        return list(CaughtMessage.objects.order_by("id"))


@across_processes
def test_what_it_takes_stands_byte_by_byte_under_the_organization_that_signed_in(
    transactional_db: None, cast: Cast, mailbox: MailboxProcess
) -> None:
    messages = [message(number) for number in range(30)]
    assert set(send(account_of(cast.bakery), messages)) == {Result.ACCEPTED}
    caught = caught_of(cast.bakery)
    assert [raw_of(one) for one in caught] == [one.data for one in messages]
    assert caught[7].subject == "Les nouvelles du fournil 7"
    assert (caught[7].mail_from, caught[7].rcpt_to) == ("bounce+7@bread.example", "lea@example.org")
    assert caught_of(cast.cinema) == []


@across_processes
def test_nobody_gets_in_without_the_password_of_the_organization(
    transactional_db: None, cast: Cast, mailbox: MailboxProcess
) -> None:
    bakery, cinema = account_of(cast.bakery), account_of(cast.cinema)
    mixed = SmtpAccount(bakery.host, bakery.port, bakery.security, cinema.username, bakery.password)
    nobody = SmtpAccount(bakery.host, bakery.port)
    for account in (mixed, nobody):
        outcomes, trouble = SmtpConnection(account).send([message(1)])
        assert outcomes[0].result is Result.UNTOUCHED
        assert trouble is not None
        assert trouble.lasting
    assert caught_of(cast.bakery) == caught_of(cast.cinema) == []


@across_processes
def test_stopping_it_loses_nothing_that_it_confirmed(transactional_db: None, cast: Cast, settings) -> None:
    process = MailboxProcess()
    settings.SMTP_URL, settings.MAILBOX_PORT = "", process.port
    account = account_of(cast.bakery)
    accepted: list[int] = []

    def work() -> None:
        connection = SmtpConnection(account)
        for number in range(10_000):
            outcomes, trouble = connection.send([message(number)])
            if trouble is not None:
                return
            accepted.extend(one.id for one in outcomes if one.result is Result.ACCEPTED)

    sender = threading.Thread(target=work)
    sender.start()
    wait_until(lambda: len(accepted) > 50)
    assert process.stop() == 0
    sender.join(60)
    subjects = {one.subject.rpartition(" ")[2] for one in caught_of(cast.bakery)}
    assert {str(number) for number in accepted} <= subjects


@across_processes
def test_while_the_database_is_away_the_sender_is_asked_to_keep_the_message(
    transactional_db: None, cast: Cast, settings
) -> None:
    gate = Gate(os.environ["DATABASE_URL"])
    process = MailboxProcess(DATABASE_URL=gate.url)
    settings.SMTP_URL, settings.MAILBOX_PORT = "", process.port
    account = account_of(cast.bakery)
    assert send(account, [message(1)]) == [Result.ACCEPTED]
    gate.shut()
    assert send(account, [message(2)]) == [Result.DEFERRED]
    gate.reopen()
    assert wait_until(lambda: send(account, [message(3)]) == [Result.ACCEPTED])
    process.stop()
    gate.close()
    assert [one.subject[-1] for one in caught_of(cast.bakery)] == ["1", "3"]


def test_only_the_newest_messages_of_each_organization_are_kept(cast: Cast) -> None:
    shelf = Shelf(keep=5, trim_every=2)
    for organization in (cast.cinema, cast.bakery):
        for number in range(8):
            one = message(number)
            shelf.store([Caught(organization.public_id.hex, one.sender, one.recipient, one.data)])
    assert [one.subject[-1] for one in caught_of(cast.bakery)] == ["3", "4", "5", "6", "7"]
    assert len(caught_of(cast.cinema)) == 5


def test_mail_of_an_organization_that_was_deleted_is_dropped(cast: Cast) -> None:
    Shelf().store([Caught("00000000000000000000000000000000", "a@b.example", "c@d.example", b"Subject: x\r\n\r\n")])
    assert caught_of(cast.bakery) == []


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        (b"Subject: Hello", "Hello"),
        (b"To: a@b.example\r\nsubject:\r\n =?utf-8?b?w4l0w6k=?=\r\n =?utf-8?q?_2026?=\r\nX: y", "Été 2026"),
        (b"X-Subject: no", ""),
        (b"Subject: =?nonsense?b?w4l0w6k=?=", "=?nonsense?b?w4l0w6k=?="),
        (b"X: y\r\n\r\nSubject: in the body", ""),
        ("Subject: Écrit brut".encode(), "Écrit brut"),
    ],
)
def test_subjects_are_readable(head: bytes, subject: str) -> None:
    assert subject_of(head + b"\r\n\r\nbody") == subject


@across_processes
def test_mail_to_a_member_lands_in_the_mailbox_of_their_organization(
    transactional_db: None, cast: Cast, mailbox: MailboxProcess
) -> None:
    mail = DjangoMessage("New password", "Here.", "pli@pli.example", [cast.cleo.email, "nobody@example.org"])
    assert MemberMailBackend().send_messages([mail]) == 1
    assert [one.rcpt_to for one in caught_of(cast.cinema)] == [cast.cleo.email]
    assert caught_of(cast.bakery) == []


# --- Reading in the console -------------------------------------------------------------------------------------------

KEY = "AbCdEfGhIjKlMnOpQrStUA"
TO = "https%3A%2F%2Fbread.example%2Fa%3Fb%3D1%26c%3D%C3%A9"
BODY = f"""<!doctype html><html><head><title>x</title></head><body>
<a href="https://pli.example/c/{KEY}/1/c2lnbmF0dXJlMTIzNA?to={TO}">Read</a>
<a href="https://pli.example/u/{KEY}">Unsubscribe</a>
<img src="https://bread.example/hero.png" alt="Bread">
<p>After<img src="https://pli.example/o/{KEY}" width="1" height="1" alt="" style="display:block">the pixel</p>
</body></html>"""


def put_newsletter(organization: Organization, html: str = BODY) -> CaughtMessage:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = "Pain & <levain>"
    mail["To"] = "lea@example.org"
    mail.set_content("Bonjour Léa")
    mail.add_alternative(html, subtype="html")
    username = organization.public_id.hex
    Shelf().store([Caught(username, "bounce+1@bread.example", "lea@example.org", mail.as_bytes())])
    return caught_of(organization)[-1]


def test_what_a_member_sees_has_no_pixel_and_links_that_go_straight(cast: Cast) -> None:
    opened = open_caught(put_newsletter(cast.bakery))
    assert opened.has_pixel
    assert opened.tracked_links == 1
    assert "/o/" not in opened.html
    assert "/c/" not in opened.html
    assert 'href="https://bread.example/a?b=1&amp;c=é"' in opened.html
    assert "<p>Afterthe pixel</p>" in opened.html
    assert "hero.png" in opened.html
    assert opened.links[0].destination == "https://bread.example/a?b=1&c=é"
    assert opened.links[0].address.startswith("https://pli.example/c/")
    assert opened.links[1].address == opened.links[1].destination == f"https://pli.example/u/{KEY}"


@pytest.mark.parametrize(
    "pixel",
    [
        f"<img src=https://pli.example/o/{KEY}>",
        f"<IMG alt='' SRC='https://pli.example/o/{KEY}'/>",
        f'<div style="background:url(https://pli.example/o/{KEY})">x</div>',
        f'<img src="https://pli.example/o/{KEY}?x=1">',
    ],
)
def test_no_form_of_the_pixel_survives(cast: Cast, pixel: str) -> None:
    opened = open_caught(put_newsletter(cast.bakery, f"<p>{pixel}stays</p>"))
    assert opened.has_pixel
    assert "/o/" not in opened.html
    assert "stays" in opened.html


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\r\n\r\n\x00",
        b"Content-Type: text/html; charset=nonsense\r\n\r\n<p>x",
        b"Subject: =?utf-8?b?w4?=\r\n\r\n",
    ],
)
def test_odd_messages_can_be_opened(cast: Cast, raw: bytes) -> None:
    Shelf().store([Caught(cast.bakery.public_id.hex, "", "lea@example.org", raw)])
    open_caught(caught_of(cast.bakery)[0])


@pytest.fixture
def member(client: Client, cast: Cast) -> Client:
    client.force_login(cast.max)
    return client


def page_of(caught: CaughtMessage, rest: str = "change/") -> str:
    return f"/console/delivery/caughtmessage/{caught.pk}/{rest}"


def test_the_console_lists_and_finds_by_the_exact_recipient(member: Client, cast: Cast) -> None:
    put_newsletter(cast.bakery)
    listing = "/console/delivery/caughtmessage/"
    assert "Pain &amp; &lt;levain&gt;" in member.get(listing).content.decode()
    assert "levain" in member.get(listing, {"q": "lea@example.org"}).content.decode()
    assert "levain" not in member.get(listing, {"q": "lea"}).content.decode()


@pytest.mark.parametrize("tab", ["html", "text", "links", "headers", "source", "nonsense"])
def test_each_tab_of_a_message_opens(member: Client, cast: Cast, tab: str) -> None:
    caught = put_newsletter(cast.bakery)
    page = member.get(page_of(caught), {"tab": tab})
    assert page.status_code == 200
    assert "This copy has an open pixel" in page.content.decode()
    # The page itself loads nothing of the message.
    assert f'src="https://pli.example/o/{KEY}' not in page.content.decode()


def test_the_frame_runs_nothing_and_loads_nothing_from_elsewhere(member: Client, cast: Cast) -> None:
    caught = put_newsletter(cast.bakery)
    frame = member.get(page_of(caught, "html/"))
    policy = frame["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "img-src data: http://testserver/static/;" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    assert f"/o/{KEY}" not in frame.content.decode()
    assert "https:" in member.get(page_of(caught, "html/"), {"images": ""})["Content-Security-Policy"]
    assert member.get(page_of(caught))["X-Frame-Options"] == "DENY"


def test_the_raw_source_is_what_came_over_the_wire(member: Client, cast: Cast) -> None:
    caught = put_newsletter(cast.bakery)
    source = member.get(page_of(caught, "source/"))
    assert source["Content-Type"] == "text/plain; charset=utf-8"
    assert source.content == raw_of(caught)


def test_newer_and_older_messages_are_one_click_away(member: Client, cast: Cast) -> None:
    first, second, third = (put_newsletter(cast.bakery) for _ in range(3))
    page = member.get(page_of(second)).content.decode()
    assert page_of(first) in page
    assert page_of(third) in page


@pytest.mark.parametrize("rest", ["change/", "html/", "source/"])
def test_strangers_get_404_and_viewers_nothing(client: Client, cast: Cast, rest: str) -> None:
    caught = put_newsletter(cast.bakery)
    client.force_login(cast.cleo)
    assert client.get(page_of(caught, rest)).status_code == 404
    client.force_login(cast.ben)
    assert client.get(page_of(caught, rest)).status_code == 403
    client.force_login(cast.dana)
    assert client.get(page_of(caught, rest)).status_code == 200
