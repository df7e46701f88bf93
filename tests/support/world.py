"""Short ways to a website, a person and an email, through the services of the product."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Organization, User
from common.tenancy import tenant
from consent.models import Basis, Topic
from consent.rules import ChoiceValue, Source
from consent.services import change_email_tracking, open_website, publish_notice, record_choice, subscribe
from participants.models import Participant
from participants.rules import normalise_email
from websites.models import Website
from websites.rules import EmailTracking


def make_website(
    organization: Organization,
    author: User,
    *,
    now: datetime,
    name: str = "Daily bread",
    country: str = "BE",
    tracking: EmailTracking = EmailTracking.NEVER,
    notice: bool = True,
) -> Website:
    """A website with a notice, set to ``tracking``."""
    with tenant(organization.pk):
        website = open_website(
            organization,
            name=name,
            domain="bread.example",
            country=country,
            sender_name="Bakery",
            sender_email="news@bread.example",
            author=author,
            now=now,
        )
        if notice:
            publish_notice(
                organization, website, language="en", text="What we measure.", url="https://bread.example/privacy",
                author=author, now=now,
            )  # fmt: skip
        if tracking != EmailTracking.NEVER:
            change_email_tracking(organization, website, tracking=tracking, author=author, reason="test", now=now)
        return Website.objects.get(pk=website.pk)


def make_participant(organization: Organization, email: str, *, now: datetime, **fields: Any) -> Participant:
    with tenant(organization.pk):
        return Participant.objects.create(
            organization=organization,
            email=email,
            email_norm=normalise_email(email),
            created_at=now,
            updated_at=now,
            **fields,
        )


def make_topic(organization: Organization, website: Website, name: str = "Weekly news") -> Topic:
    with tenant(organization.pk):
        return Topic.objects.create(organization=organization, website=website, name=name)


def subscribe_to(organization: Organization, participant: Participant, topic: Topic, *, now: datetime) -> None:
    with tenant(organization.pk):
        subscribe(organization, participant, topic, basis=Basis.OPT_IN, source="test", wording="News, please.", now=now)


def choose(
    organization: Organization,
    participant: Participant,
    *,
    now: datetime,
    opens: ChoiceValue | None = None,
    clicks: ChoiceValue | None = None,
) -> None:
    """The person's own act, a second after ``now`` began to count."""
    with tenant(organization.pk):
        record_choice(
            organization, participant, opens=opens, clicks=clicks, source=Source.PERSON, method="test",
            happened_at=now, now=now, wording="May we measure?",
        )  # fmt: skip


def later(now: datetime, **delta: float) -> datetime:
    return now + timedelta(**delta)
