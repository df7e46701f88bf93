"""Bounces of plain SMTP: what a server sends back is read, the message is found without an address (rule H3)."""

from __future__ import annotations

import io
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.core.management import call_command

from common.tenancy import tenant
from delivery.bounces import read_bounce
from delivery.connection_models import News, ProviderNews
from delivery.models import Message, MessageStatus, Suppression
from tests.delivery.world import World, by_name
from tests.support.smtp import SmtpServer

REFERENCE = UUID("0123456789abcdef0123456789abcdef")

REPORT = """\
From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"
MIME-Version: 1.0

--b1
Content-Type: text/plain

I'm sorry.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0100

Final-Recipient: rfc822; zoe@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}

--b1
Content-Type: text/rfc822-headers

From: news@bread.example
To: zoe@example.org
Message-ID: <{message_id}@bread.example>

--b1--
"""

COMPLAINT = """\
From: feedback@provider.example
To: bounce+{reference}@bread.example
Content-Type: multipart/report; report-type=feedback-report; boundary="b2"
MIME-Version: 1.0

--b2
Content-Type: text/plain

This is an abuse report.

--b2
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Feedback/1.0
Version: 1

--b2
Content-Type: message/rfc822

Message-ID: <{reference}@bread.example>
Subject: Le pain

Bonjour
--b2--
"""


def report(
    *, to: str = "", action: str = "failed", status: str = "5.1.1", words: str = "550 5.1.1 No such user",
    reference: UUID = REFERENCE,
) -> bytes:  # fmt: skip
    to = to or f"bounce+{reference.hex}@bread.example"
    return REPORT.format(to=to, action=action, status=status, words=words, message_id=reference.hex).encode()


@pytest.mark.parametrize(
    ("action", "status", "words", "kind"),
    [
        ("failed", "5.1.1", "550 5.1.1 No such user", News.HARD_BOUNCE),
        ("failed", "5.0.0", "550 User unknown", News.HARD_BOUNCE),
        ("failed", "5.2.1", "550 5.2.1 Receiving mail too quickly", News.SOFT_BOUNCE),
        ("failed", "5.2.2", "552 5.2.2 Mailbox full", News.SOFT_BOUNCE),
        ("failed", "5.0.0", "554 5.7.1 Blocked by policy", News.SOFT_BOUNCE),
        ("failed", "4.4.7", "451 4.4.7 Expired", News.SOFT_BOUNCE),
        ("delayed", "4.4.1", "", News.DEFERRED),
        ("delivered", "2.0.0", "", News.DELIVERED),
    ],
)
def test_a_report_is_read_in_our_words(action: str, status: str, words: str, kind: str) -> None:
    bounce = read_bounce(report(action=action, status=status, words=words))
    assert bounce is not None
    assert (bounce.reference, bounce.kind) == (REFERENCE, kind)
    assert words in bounce.words


def test_the_message_is_also_found_by_the_copy_that_comes_back() -> None:
    bounce = read_bounce(report(to="postmaster@bread.example"))
    assert bounce is not None
    assert bounce.reference == REFERENCE


def test_what_is_no_report_is_left_alone() -> None:
    away = f"To: bounce+{REFERENCE.hex}@bread.example\nSubject: Away\nAuto-Submitted: auto-replied\n\nBack on Monday\n"
    assert read_bounce(away.encode()) is None
    assert read_bounce(b"") is None
    assert read_bounce(report(to="postmaster@bread.example").replace(REFERENCE.hex.encode(), b"1@x")) is None


@pytest.mark.django_db
def test_h3_a_bounce_finds_its_message_by_an_address_that_names_nobody(
    world: World, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = world.mailing([world.person("zoe"), world.person("max")])
    world.send(mailing, minutes=1)
    sent_by = by_name(server)["zoe"].mail_from
    assert "zoe" not in sent_by
    reference = world.rows(mailing)["zoe"].reference

    def hand_over(raw: bytes) -> str:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
        out = io.StringIO()
        call_command("take_bounce", stdout=out)
        return out.getvalue().strip()

    assert hand_over(report(to=sent_by, words="550 5.1.1 <zoe@example.org> unknown")) == "taken"
    assert hand_over(report(to=sent_by, words="550 5.1.1 <zoe@example.org> unknown")) == "taken"
    assert hand_over(report(reference=UUID(int=1))) == "not about a message of ours"
    row = world.rows(mailing)["zoe"]
    assert (row.status, row.news) == (MessageStatus.SENT, News.HARD_BOUNCE)
    assert "zoe@" not in row.news_words
    assert hand_over(COMPLAINT.format(reference=reference.hex).encode()) == "taken"
    with tenant(world.cast.bakery.pk):
        assert ProviderNews.objects.count() == 2
        assert set(Suppression.objects.values_list("email_norm", "reason")) == {
            ("zoe@example.org", "bounced"),
            ("zoe@example.org", "complained"),
        }
        assert Message.objects.get(news="").participant.email == "max@example.org"
