"""Short ways to a website, a person and an email, through the services of the product."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Membership, Organization, Role, User
from common.tenancy import tenant
from consent.models import Basis, ProposalKind, Topic
from consent.rules import ChoiceValue, Source
from consent.services import (
    change_email_tracking,
    confirm_proposal,
    open_website,
    propose_change,
    publish_notice,
    record_choice,
    subscribe,
)
from consent.services.proposals import KIND_OF
from participants.models import Participant
from participants.rules import normalise_email
from websites.models import Website
from websites.rules import EmailTracking, tracks_more


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
            loosen(organization, website, now=now, email_tracking=tracking.value)
        return Website.objects.get(pk=website.pk)


def loosen(organization: Organization, website: Website, *, now: datetime, reason: str = "test", **wanted: Any) -> None:
    """What takes two people, done by two (rule D5): ``loosen(bakery, website, now=now, email_tracking="always")``.

    Without anything wanted: the undo of a stop. In an organization of one, its member waited a day.
    """
    with tenant(organization.pk):
        owner, second = two_people(organization)
        alone = owner == second
        kinds = {KIND_OF[name] for name in wanted} or {ProposalKind.UNDO_STOP}
        for kind in sorted(kinds):
            part = {name: value for name, value in wanted.items() if KIND_OF[name] == kind}
            proposal = propose_change(
                organization,
                website,
                kind=kind,
                wanted=part,
                reason=reason,
                author=owner,
                now=now - timedelta(hours=25) if alone else now,
            )
            confirm_proposal(organization, proposal, author=second, now=now, note="I checked it again.")
        website.refresh_from_db()


def set_tracking(organization: Organization, website: Website, tracking: str, *, now: datetime) -> None:
    """A website's email tracking, by as many people as it takes."""
    with tenant(organization.pk):
        website.refresh_from_db()
        if tracks_more(website.email_tracking, tracking):
            loosen(organization, website, now=now, email_tracking=str(tracking))
        else:
            owner, _second = two_people(organization)
            change_email_tracking(organization, website, tracking=tracking, author=owner, reason="test", now=now)
            website.refresh_from_db()


def two_people(organization: Organization) -> tuple[User, User]:
    """An owner, and whoever confirms what the owner proposes: the officer, another owner, or nobody else."""
    members = Membership.objects.filter(organization=organization).select_related("user").order_by("pk")
    owners = [one.user for one in members if one.role == Role.OWNER]
    officers = [one.user for one in members if one.role == Role.DPO]
    return owners[0], [*officers, *owners[1:], owners[0]][0]


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
