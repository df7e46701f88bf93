"""An exempt purpose that was approved, and withdrawn while copies lie in mailboxes and wait to leave (rules S6, H1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.exemptions import approve_exemption, propose_exemption, withdraw_exemption
from campaigns.launches import expand_audience
from campaigns.models import Email, Exemption, Launch
from campaigns.services import launch_email, save_email
from common.tenancy import tenant
from consent.rules import Kind
from delivery.models import Mailing, MailingState
from delivery.outbox import claim_messages, may_leave
from tests.campaigns.console import signed_in
from tests.campaigns.world import make_campaign, make_email, players_of
from tests.delivery.world import World
from tests.support.cast import Cast
from tests.support.hits import fingerprint, forget_hits
from tests.support.readers import Copy
from tests.support.smtp import SmtpServer
from tests.support.world import make_topic, make_website
from tracking.models import Hit, TrackedMessage
from tracking.selectors import level_now
from websites.models import MeasurementPermission
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


class Flow:
    """A code to sign in, approved by two people, and the server that gets it."""

    def __init__(self, cast: Cast, server: SmtpServer) -> None:
        # The recorder goes by the machine's clock, so all of this began an hour ago.
        now = timezone.now() - timedelta(hours=1)
        self.cast, self.server = cast, server
        website = make_website(cast.bakery, cast.ana, now=now, tracking=EmailTracking.BY_CONSENT)
        campaign = make_campaign(cast.bakery, website, now=now)
        make = players_of(cast.bakery, campaign, now=now)
        self.people = [make("zoe"), make("max")]
        topic = make_topic(cast.bakery, website)
        self.world = World(cast, website, topic, now + timedelta(minutes=1))
        self.email = make_email(cast.bakery, campaign, now=now, purpose="authentication")
        self.exemption = self.approve()

    def approve(self) -> Exemption:
        bakery, now = self.cast.bakery, self.world.time
        with tenant(bakery.pk):
            asked = propose_exemption(bakery, self.email, reason="A code", author=self.cast.max, now=now)
            return approve_exemption(bakery, asked, author=self.cast.dana, now=now, note="Nothing else.")

    def launch(self) -> Mailing:
        bakery, now = self.cast.bakery, self.world.time
        with tenant(bakery.pk):
            launch = launch_email(bakery, self.email, author=self.cast.max, now=now)
            launch = Launch.objects.select_related("mailing", "email").get(pk=launch.pk)
            expand_audience(bakery, launch, now=now)
            mailings = Mailing.objects.select_related("organization", "website", "snapshot__tracked_content")
            return mailings.get(pk=launch.mailing_id)

    def send(self, mailing: Mailing) -> dict[str, Copy]:
        known = len(self.server.messages())
        self.world.send(mailing, minutes=1)
        return {one.rcpt_to.partition("@")[0]: Copy(one.html) for one in self.server.messages()[known:]}

    def withdraw(self) -> None:
        with tenant(self.cast.bakery.pk):
            withdraw_exemption(self.cast.bakery, self.exemption, author=self.cast.max, now=self.world.time)

    def change(self, **fields: str) -> None:
        with tenant(self.cast.bakery.pk):
            self.email = Email.objects.select_related("campaign", "topic").get(pk=self.email.pk)
            for name, value in fields.items():
                setattr(self.email, name, value)
            save_email(self.cast.bakery, self.email, now=self.world.time)

    def hits(self) -> int:
        with tenant(self.cast.bakery.pk):
            return Hit.objects.count()

    def levels_in_python(self) -> set[str]:
        """What the rules say that a hit leaves, of each copy and kind."""
        with tenant(self.cast.bakery.pk):
            return {
                str(level_now(copy, kind, self._permission(copy), None, now=timezone.now()))
                for copy in TrackedMessage.objects.all()
                for kind in Kind
            }

    @staticmethod
    def _permission(copy: TrackedMessage) -> MeasurementPermission:
        return MeasurementPermission.objects.get(website=copy.website_id, country=copy.country)


@pytest.fixture
def flow(cast: Cast, tmp_path: Path, settings: Any) -> Iterator[Flow]:
    forget_hits()
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield Flow(cast, running)


def test_s6_nothing_is_recorded_of_delivered_copies_once_the_approval_is_withdrawn(flow: Flow) -> None:
    copies = flow.send(flow.launch())
    before = copies["zoe"].open(), copies["zoe"].click()
    assert flow.hits() == 2
    assert flow.levels_in_python() == {"individual"}
    flow.withdraw()
    assert flow.levels_in_python() == {"none"}
    nothing_new = fingerprint()
    after = copies["zoe"].open(), copies["zoe"].click()
    copies["max"].fetch_all()
    assert fingerprint() == nothing_new
    assert after[0].content == before[0].content
    assert after[1]["Location"] == before[1]["Location"]
    # Approved anew, copies of before stay as silent as they are (H1), and later ones are measured.
    flow.approve()
    later = flow.send(flow.launch())
    copies["zoe"].fetch_all()
    assert flow.hits() == 2
    later["zoe"].open()
    assert flow.hits() == 3


def test_s6_a_worker_that_has_the_mailing_in_hand_measures_nothing_more(flow: Flow) -> None:
    mailing = flow.launch()
    with tenant(flow.cast.bakery.pk):
        Mailing.objects.filter(pk=mailing.pk).update(state=MailingState.SENDING)
        claimed = claim_messages(mailing, after=0, limit=1, now=flow.world.time)
        assert [one.tracking_key is not None for one in claimed.messages] == [True]
    flow.withdraw()
    with tenant(flow.cast.bakery.pk):
        assert may_leave(mailing, claimed.messages, now=flow.world.time) == set()
        rest = claim_messages(mailing, after=claimed.latest_id or 0, limit=9, now=flow.world.time)
        assert [one.tracking_key for one in rest.messages] == [None]
    assert flow.levels_in_python() == {"none"}


def test_s6_a_delivered_copy_keeps_the_content_that_was_approved(flow: Flow) -> None:
    copies = flow.send(flow.launch())
    flow.change(subject="Offers", purpose="transactional")
    copies["zoe"].open()
    assert flow.hits() == 1
    client = signed_in(flow.cast.max)
    page = reverse("admin:campaigns_email_change", args=[flow.email.pk])
    assert "Measured under an earlier approval" in client.get(page).content.decode()
    client.post(reverse("admin:campaigns_email_exempt_withdraw", args=[flow.email.pk]))
    assert "Measured under an earlier approval" not in client.get(page).content.decode()
    copies["zoe"].fetch_all()
    copies["max"].fetch_all()
    assert flow.hits() == 1
