"""Short ways to campaigns and emails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.models import Organization
from campaigns.models import Campaign, CampaignKind, DeclaredReply, Email, Launch, Participation, Question
from common.keys import encode_key, new_key
from common.tenancy import tenant
from consent.models import Topic
from delivery.models import Message, ReplyKey
from participants.models import Participant
from tests.support.world import make_participant, subscribe_to
from websites.models import Website

type MakePerson = Callable[[str], Participant]

BODY = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ first_name }}, "
    '<a href="https://shop.example.org/rye">our rye</a> and <a href="https://shop.example.org/spelt?size=2">spelt</a>.'
    "</mj-text></mj-column></mj-section></mj-body></mjml>"
)


def make_campaign(organization: Organization, website: Website, *, now: datetime, **fields: Any) -> Campaign:
    with tenant(organization.pk):
        values = {"name": "Bread 2026", "kind": CampaignKind.NEWSLETTER, "created_at": now, **fields}
        return Campaign.objects.create(organization=organization, website=website, **values)


def make_email(
    organization: Organization, campaign: Campaign, topic: Topic | None = None, *, now: datetime, **fields: Any
) -> Email:
    values = {
        "name": "November",
        "subject": "Bread for {{ first_name }}",
        "preheader": "Rye and spelt",
        "body": BODY,
        "created_at": now,
        "updated_at": now,
        **fields,
    }
    with tenant(organization.pk):
        return Email.objects.create(organization=organization, campaign=campaign, topic=topic, **values)


def take_part(organization: Organization, campaign: Campaign, participant: Participant, *, now: datetime) -> None:
    with tenant(organization.pk):
        Participation.objects.create(
            organization=organization, campaign=campaign, participant=participant, participated_at=now, source="test"
        )


def subscribers_of(organization: Organization, topic: Topic, *, now: datetime) -> MakePerson:
    """Makes somebody who is subscribed."""

    def make(name: str) -> Participant:
        person = _person(organization, name, now=now)
        subscribe_to(organization, person, topic, now=now)
        return person

    return make


def players_of(organization: Organization, campaign: Campaign, *, now: datetime) -> MakePerson:
    """Makes somebody who takes part."""

    def make(name: str) -> Participant:
        person = _person(organization, name, now=now)
        take_part(organization, campaign, person, now=now)
        return person

    return make


def _person(organization: Organization, name: str, *, now: datetime) -> Participant:
    return make_participant(organization, f"{name}@mail.example.org", first_name=name.title(), now=now)


def ask_reader(message: Message) -> str:
    """A question of the email that a copy is taken to belong to: where its reader answers."""
    with tenant(message.organization_id):
        organization = message.organization
        campaign = Campaign.objects.create(organization=organization, website=message.mailing.website, name="Asking")
        email = Email.objects.create(
            organization=organization, campaign=campaign, name="Question", subject="?", body="?"
        )
        Launch.objects.create(organization=organization, email=email, mailing=message.mailing)
        Question.objects.create(organization=organization, email=email, number=1, kind="yes_no", options=["Yes", "No"])
        key = reply_key_for(message)
    return f"/a/{encode_key(key)}/1/2"


def reply_key_for(message: Message) -> UUID:
    """As a copy with buttons has it."""
    return ReplyKey.objects.create(organization_id=message.organization_id, message=message, key=new_key()).key


def answer(message: Message, *, now: datetime) -> DeclaredReply:
    """What the reader of a copy answered."""
    ask_reader(message)
    with tenant(message.organization_id):
        return DeclaredReply.objects.create(
            organization=message.organization,
            participant=message.participant,
            question=Question.objects.get(email__launches__mailing=message.mailing_id),
            message=message,
            mailing=message.mailing,
            answer=2,
            answered_at=now,
            first_answered_at=now,
        )
