"""Reports by email: for oneself, as a file without persons, and for as long as one is a member."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.members import remove_member
from accounts.models import Membership, User
from common.tenancy import tenant
from participants.models import Participant
from reporting.models import ScheduledReport
from reporting.rules import next_report_day
from reporting.scheduled import mail_due_reports
from tests.reporting.test_reports import YES, Sending, make_sending
from tests.support.cast import Cast
from tests.support.hits import batch_of, forget_hits, make_copies, store
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
PAGE = "admin:reporting_scheduled"


@pytest.fixture
def sending(transactional_db: None, cast: Cast, settings: Any) -> Sending:
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    forget_hits()
    sending = make_sending(make_copies(cast.bakery))
    store(batch_of(*sending.send(12, **YES)[:11]))
    sending.count()
    return sending


def order(user: User, about: str = "", rhythm: str = "weekly", file_kind: str = "xlsx") -> Client:
    client = Client()
    client.force_login(user)
    given = {"about": about, "rhythm": rhythm, "days": "30", "file_kind": file_kind}
    assert client.post(reverse(PAGE), given).status_code == 302
    return client


def due_at(cast: Cast) -> datetime:
    with tenant(cast.bakery.pk):
        return ScheduledReport.objects.latest("pk").next_at


def test_next_report_days() -> None:
    friday = date(2026, 1, 30)
    assert next_report_day(friday, "daily") == date(2026, 1, 31)
    assert next_report_day(friday, "weekly") == date(2026, 2, 2)
    assert next_report_day(date(2026, 2, 2), "weekly") == date(2026, 2, 9)
    assert next_report_day(friday, "monthly") == date(2026, 2, 1)
    assert next_report_day(date(2026, 12, 31), "monthly") == date(2027, 1, 1)


def test_a_viewer_gets_the_figures_as_a_file_and_nobodys_data(sending: Sending, cast: Cast) -> None:
    order(cast.ben, f"campaign-{sending.launch.email.campaign_id}", file_kind="zip")
    due = due_at(cast)
    local = due.astimezone(ZoneInfo(cast.bakery.timezone))
    assert (local.weekday(), local.hour) == (0, 7)
    assert mail_due_reports(now=due - timedelta(seconds=1)) == 0
    assert mail_due_reports(now=due) == 1
    assert mail_due_reports(now=due) == 0, "once"
    (message,) = mail.outbox
    assert message.to == [cast.ben.email]
    assert message.subject == "Report: Autumn"
    path = reverse("admin:campaigns_campaign_report", args=[sending.launch.email.campaign_id])
    assert f"{path}?days=30" in message.body
    assert reverse(PAGE) in message.body
    ((name, content, kind),) = message.attachments
    assert (name[-4:], kind) == (".zip", "application/zip")
    with ZipFile(BytesIO(content)) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "November" in files["emails.csv"]
    with tenant(cast.bakery.pk):
        addresses = list(Participant.objects.values_list("email", flat=True))
    assert addresses
    assert not [one for one in addresses for text in [message.body, *files.values()] if one in text]
    assert due_at(cast) == due + timedelta(days=7)


def test_one_that_cannot_be_made_keeps_nobody_elses(sending: Sending, cast: Cast) -> None:
    order(cast.ben)
    order(cast.max)
    due = due_at(cast)
    with tenant(cast.bakery.pk):
        broken = ScheduledReport.objects.filter(membership__user=cast.ben)
        # A kind of file that this version no longer makes.
        assert broken.update(file_kind="old") == 1
    assert mail_due_reports(now=due) == 1
    assert [message.to for message in mail.outbox] == [[cast.max.email]]
    with tenant(cast.bakery.pk):
        broken.update(file_kind="xlsx")
    assert mail_due_reports(now=due + timedelta(minutes=5)) == 0, "not built over and over"
    assert mail_due_reports(now=due + timedelta(days=7)) == 2, "it is tried again when it is due"


@pytest.mark.parametrize(("words", "again"), [("451 Try again later", 1), ("550 5.1.1 No such user", 0)])
def test_one_that_no_server_takes_now_is_tried_again(
    sending: Sending, cast: Cast, settings: Any, tmp_path: Path, words: str, again: int
) -> None:
    order(cast.ben)
    due = due_at(cast)
    settings.MAILERS = {"default": {"BACKEND": "delivery.transports.MemberMailBackend"}}
    with SmtpServer(tmp_path) as server:
        settings.SMTP_URL = server.url
        server.behave(refuse={cast.ben.email: words})
        assert mail_due_reports(now=due) == 0
        server.behave()
        assert mail_due_reports(now=due + timedelta(minutes=5)) == again
        assert len(server.messages()) == again


def test_it_stops_with_the_membership(sending: Sending, cast: Cast) -> None:
    order(cast.ben, "")
    order(cast.max, "", file_kind="pdf")
    due = due_at(cast)
    with tenant(cast.bakery.pk):
        ben = Membership.objects.get(user=cast.ben)
    remove_member(cast.bakery, ben.pk, actor=cast.ana, now=due)
    assert mail_due_reports(now=due) == 1
    assert [message.to for message in mail.outbox] == [[cast.max.email]]
    User.objects.filter(pk=cast.max.pk).update(is_active=False)
    assert mail_due_reports(now=due + timedelta(days=7)) == 0


def test_everybody_manages_their_own(sending: Sending, cast: Cast) -> None:
    bens = order(cast.ben, f"website-{sending.copies.website.pk}")
    maxs = order(cast.max, "", rhythm="daily")
    with tenant(cast.bakery.pk):
        first, second = ScheduledReport.objects.order_by("pk")
    assert maxs.post(reverse(PAGE), {"stop": first.pk}).status_code == 302
    assert bens.post(reverse(PAGE), {"stop": "x"}).status_code == 302
    page = bens.get(reverse(PAGE)).content.decode()
    assert page.count('name="stop"') == 1, "another's is neither seen nor stopped"
    bens.post(reverse(PAGE), {"stop": first.pk})
    with tenant(cast.bakery.pk):
        assert list(ScheduledReport.objects.all()) == [second]
    order(cast.max, "", rhythm="daily", file_kind="pdf")
    with tenant(cast.bakery.pk):
        assert ScheduledReport.objects.get().file_kind == "pdf", "one of a kind"


def test_nothing_of_another_organization_can_be_ordered(sending: Sending, cast: Cast) -> None:
    client = Client()
    client.force_login(cast.cleo)
    given = {"rhythm": "weekly", "days": "30", "file_kind": "pdf"}
    about = f"website-{sending.copies.website.pk}"
    assert client.post(reverse(PAGE), given | {"about": about}).status_code == 422
    assert client.post(reverse(PAGE), given | {"days": "9999", "about": ""}).status_code == 422
