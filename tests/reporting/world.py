"""Emails that were sent to people of some countries, for tests of what reports say of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest

from django.utils import timezone

from accounts.models import Organization
from campaigns.models import Campaign, Email, Launch
from common.keys import new_key
from common.tenancy import tenant
from consent.models import Topic
from delivery.models import ContentSnapshot, Mailing, Message
from participants.models import Participant
from reporting import counting, tasks
from tests.support.hits import DECIDED_AT, Copies
from tracking.models import TrackedContent, TrackedMessage

YES = {"opens": "individual", "clicks": "individual", "opens_reason": "person_said_yes"}
ANONYMOUS = {"opens": "anonymous", "clicks": "anonymous", "opens_reason": "no_answer"}


@dataclass
class Sending:
    """An email that was sent to some people."""

    copies: Copies
    launch: Launch

    @property
    def organization(self) -> Organization:
        return self.copies.organization

    def send(self, many: int, *, country: str = "BE", domain: str = "mail.example", **level: str) -> list[str]:
        """Copies of so many people; the keys of those that are measured one by one."""
        level = {"opens": "none", "clicks": "none", "opens_reason": "person_said_no"} | level
        level.setdefault("clicks_reason", level["opens_reason"])
        organization, website = self.organization, self.copies.website
        with tenant(organization.pk):
            people = Participant.objects.bulk_create(
                Participant(organization=organization, email=one, email_norm=one, country=country, locale="fr-BE")
                for one in (f"{new_key().hex}@{domain}" for _ in range(many))
            )
            copies: list[TrackedMessage] = []
            if level["opens"] == "individual":
                copies = TrackedMessage.objects.bulk_create(
                    TrackedMessage(
                        organization=organization, content=self.copies.content, website=website, participant=person,
                        country="BE", key=new_key(), decided_at=DECIDED_AT, opens="individual", clicks=level["clicks"],
                    )
                    for person in people
                )  # fmt: skip
            Message.objects.bulk_create(
                Message(
                    organization=organization, mailing=self.launch.mailing, participant=person, status="sent",
                    tracked_message=copy, sent_at=timezone.now(), **level,
                )
                for person, copy in zip_longest(people, copies)
            )  # fmt: skip
        return [copy.key.hex for copy in copies]

    def count(self) -> None:
        tasks.count_hits()
        tasks.count_hits()
        counting.count_mailing(self.organization.pk, self.launch.mailing_id, now=timezone.now())


def make_sending(copies: Copies, name: str = "November") -> Sending:
    organization, website = copies.organization, copies.website
    now = timezone.now() - timedelta(hours=3)
    with tenant(organization.pk):
        links = [{"number": number, "url": f"https://bread.example/{number}", "label": "Loaf"} for number in (1, 2, 3)]
        TrackedContent.objects.filter(pk=copies.content.pk).update(links=links)
        snapshot = ContentSnapshot.objects.create(
            organization=organization, website=website, tracked_content=copies.content, compiled={}
        )
        mailing = Mailing.objects.create(
            organization=organization, website=website, snapshot=snapshot, purpose="marketing", state="done",
            not_before=now, expanded_at=now, finished_at=now,
        )  # fmt: skip
        campaign, _ = Campaign.objects.get_or_create(organization=organization, website=website, name="Autumn")
        topic, _ = Topic.objects.get_or_create(organization=organization, website=website, name="News")
        email = Email.objects.create(organization=organization, campaign=campaign, name=name, subject="x", topic=topic)
        launch = Launch.objects.create(organization=organization, email=email, mailing=mailing)
    return Sending(copies, launch)
