"""Tests of an email go to a test group: marked, never measured, and in no report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from campaigns.audiences import delete_test_group, save_test_group
from campaigns.models import Email, Launch, TrialAddress, TrialGroup
from campaigns.refusals import CampaignRefused, LaunchRefused
from campaigns.trying import latest_tests, send_test
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import ContentSnapshot, Mailing, Message, ServiceMessage
from delivery.service_mail import send_service_messages
from tests.campaigns.world import MakePerson
from tests.support.cast import Cast
from tests.support.smtp import SmtpServer
from tests.support.world import choose, set_tracking
from tracking.models import TrackedContent, TrackedMessage
from websites.rules import EmailTracking

YES = ChoiceValue.YES


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        yield running


def group_of(cast: Cast, *addresses: str, now: datetime, name: str = "Editors") -> TrialGroup:
    with tenant(cast.bakery.pk):
        return save_test_group(cast.bakery, TrialGroup(name=name), addresses, now=now)


def test_s14_a_test_is_marked_written_for_the_person_and_leaves_no_trace(
    cast: Cast, email: Email, subscriber: MakePerson, server: SmtpServer, now: datetime
) -> None:
    set_tracking(cast.bakery, email.campaign.website, EmailTracking.BY_CONSENT, now=now)
    choose(cast.bakery, subscriber("sue"), now=now, opens=YES, clicks=YES)
    group = group_of(cast, "Sue@mail.example.org", "max@bread.example", now=now)
    with tenant(cast.bakery.pk):
        assert send_test(cast.bakery, email, group, now=now) == 2
    assert send_service_messages(cast.bakery.pk, clock=lambda: now) == 2
    mails: dict[str, EmailMessage] = {one.rcpt_to: one.message for one in server.messages()}
    assert {to: mail["Subject"] for to, mail in mails.items()} == {
        "Sue@mail.example.org": "[Test] Bread for Sue",
        "max@bread.example": "[Test] Bread for Camille",
    }
    for mail in mails.values():
        body = mail.get_body(("html",))
        assert body is not None
        html = body.get_content()
        assert 'href="https://shop.example.org/rye' in html
        assert "/t/" not in html
    with tenant(cast.bakery.pk):
        for model in (Launch, Mailing, Message, ContentSnapshot, TrackedContent, TrackedMessage):
            assert not model._default_manager.exists(), model
        assert {one.status for one in latest_tests(cast.bakery, email)} == {"sent"}
        # What it said is forgotten once it has left.
        assert not ServiceMessage.objects.exclude(mime=None).exists()


def test_an_email_that_cannot_be_written_is_not_tested(cast: Cast, email: Email, now: datetime) -> None:
    group = group_of(cast, "max@bread.example", now=now)
    email.subject = "{{ nobody }}"
    with tenant(cast.bakery.pk), pytest.raises(LaunchRefused):
        send_test(cast.bakery, email, group, now=now)
    with tenant(cast.bakery.pk):
        assert not ServiceMessage.objects.exists()


def test_a_test_group_has_addresses_each_once(cast: Cast, now: datetime) -> None:
    group = group_of(cast, "max@bread.example", "Max@Bread.example", "ana@bread.example", now=now)
    with tenant(cast.bakery.pk):
        assert TrialAddress.objects.count() == 2
        save_test_group(cast.bakery, group, ["ana@bread.example"], now=now)
        assert [one.email for one in TrialAddress.objects.all()] == ["ana@bread.example"]
        for name, addresses in [("Editors", ["a@b.example"]), ("New", []), ("New", ["nobody"]), ("", ["a@b.example"])]:
            with pytest.raises(CampaignRefused):
                save_test_group(cast.bakery, TrialGroup(name=name), addresses, now=now)
        assert TrialGroup.objects.count() == 1
        delete_test_group(cast.bakery, group)
        assert not TrialAddress.objects.exists()
