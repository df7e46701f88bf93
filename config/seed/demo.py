"""Fills in the demonstration organization through the services of the product. Run again, it adds what is missing."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.files import File
from django.db import transaction
from django.utils import timezone

from accounts.models import Organization, User
from accounts.selectors import memberships_of
from accounts.services import add_member, create_organization
from campaigns.models import Campaign, Email, Launch
from campaigns.services import launch_email, save_campaign, save_email
from common.tenancy import tenant
from config.seed.people import CROWDS, Crowd, rows_of, write_crowd
from config.seed.places import (
    JUSTIFICATION,
    JUSTIFIED_COUNTRIES,
    LEGAL_ADDRESS,
    LEGAL_NAME,
    MARKETER,
    MEMBERS,
    NEWSLETTER,
    OFFICER,
    OPINION,
    ORGANIZATION,
    OWNER,
    PLACES,
    STORIES,
    Member,
    Place,
    Story,
)
from consent.models import Basis, ProposalKind, Topic
from consent.services import (
    confirm_justification,
    confirm_proposal,
    open_website,
    propose_change,
    propose_justification,
    publish_notice,
)
from delivery.models import Purpose
from intake.imports import run_import
from intake.models import Import, ImportKind, ImportState
from intake.services import ImportPlan, prepare_import, upload_import
from websites.models import Website
from websites.rules import EmailTracking

# The newsletter's pictures are written with this address and served from our own static files.
ASSETS = "https://assets.example.org/"

type Say = Callable[[str], None]


class SeedRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """The demonstration organization cannot be filled in now; the message says why."""


class Demo:
    """The steps, each of which looks first whether it was done before."""

    def __init__(self, *, say: Say) -> None:
        self._say = say
        self.members = {member.email: _user(member) for member in MEMBERS}
        self.organization = self._organization()

    def fill(self, *, launch: bool) -> None:
        """All of it; ``launch`` sends the newsletter."""
        for place in PLACES:
            self._open(place)
        for story in STORIES:
            self._write(story)
        for crowd in CROWDS:
            self._import_people(crowd)
        self._import_suppressions()
        if launch:
            self._launch(NEWSLETTER)

    @property
    def can_sign_in(self) -> bool:
        return all(user.has_usable_password() for user in self.members.values())

    def set_password(self, password: str) -> None:
        """One password for all members, so that whoever looks around can take every seat."""
        hashed = make_password(password)
        for user in self.members.values():
            user.password = hashed
            user.save(update_fields=["password"])

    @property
    def _owner(self) -> User:
        return self.members[OWNER.email]

    def _organization(self) -> Organization:
        known = memberships_of(self._owner)
        if known:
            with tenant(known[0].organization_id):
                return Organization.objects.get(pk=known[0].organization_id)
        now = timezone.now()
        with transaction.atomic():
            organization = create_organization(
                name=ORGANIZATION, legal_name=LEGAL_NAME, legal_address=LEGAL_ADDRESS, now=now
            )
            for member in MEMBERS:
                add_member(organization, self.members[member.email], role=member.role, now=now)
        return organization

    # --- Websites -----------------------------------------------------------------------------------------------------

    def _open(self, place: Place) -> None:
        """A website with its topic, notices and setting, in one transaction: there whole or not at all."""
        with tenant(self.organization.pk):
            if Website.objects.filter(organization=self.organization, name=place.name).exists():
                return
            website = open_website(
                self.organization,
                name=place.name,
                domain=place.domain,
                country=place.country,
                sender_name=place.sender_name,
                sender_email=place.sender_email,
                author=self._owner,
                now=timezone.now(),
            )
            Topic.objects.create(organization=self.organization, website=website, name=place.topic)
            for language, text in place.notices.items():
                publish_notice(
                    self.organization,
                    website,
                    language=language,
                    text=text,
                    url=f"https://{place.domain}/{language}/privacy",
                    author=self._owner,
                    now=timezone.now(),
                )
            self._set_tracking(place, website)
        self._say(f"Website {place.name}: {place.tracking.value}")

    def _set_tracking(self, place: Place, website: Website) -> None:
        if place.tracking is EmailTracking.NEVER:
            return  # as every website starts, and as French law has it
        if place.tracking is EmailTracking.ALWAYS:
            self._justify(website)
        proposal = propose_change(
            self.organization,
            website,
            kind=ProposalKind.EMAIL_TRACKING,
            wanted={"email_tracking": place.tracking.value},
            reason=place.reason,
            author=self._owner,
            now=timezone.now(),
        )
        officer = self.members[OFFICER.email]
        confirm_proposal(self.organization, proposal, author=officer, note=place.opinion, now=timezone.now())
        if place.waiting:
            # Left for whoever looks around: nothing changes before the officer confirms it.
            propose_change(
                self.organization,
                website,
                kind=ProposalKind.FALLBACK,
                wanted=place.waiting,
                reason=place.waiting_reason,
                author=self._owner,
                now=timezone.now(),
            )

    def _justify(self, website: Website) -> None:
        """Two people: the owner proposes, the data protection officer confirms (rules D5)."""
        justification = propose_justification(
            self.organization,
            website,
            countries=JUSTIFIED_COUNTRIES,
            reason=JUSTIFICATION,
            ends_on=_today() + timedelta(days=365),
            author=self._owner,
            now=timezone.now(),
        )
        confirm_justification(
            self.organization,
            justification,
            author=self.members[OFFICER.email],
            note=OPINION,
            now=timezone.now(),
        )

    # --- Campaigns ----------------------------------------------------------------------------------------------------

    def _write(self, story: Story) -> None:
        """A campaign and its email."""
        place = _place(story.crowd)
        now = timezone.now()
        with tenant(self.organization.pk):
            if Campaign.objects.filter(organization=self.organization, name=story.name).exists():
                return
            website = Website.objects.get(organization=self.organization, name=place.name)
            campaign = save_campaign(
                self.organization,
                Campaign(
                    website=website,
                    name=story.name,
                    kind=story.kind,
                    opens_at=_in_days(now, story.opens_in_days),
                    closes_at=_in_days(now, story.closes_in_days),
                ),
                now=now,
            )
            save_email(self.organization, self._email(story, campaign), now=now)
        self._say(f"Campaign {story.name}")

    def _email(self, story: Story, campaign: Campaign) -> Email:
        topic = Topic.objects.filter(organization=self.organization, website=campaign.website).first()
        body = (Path(__file__).parent / "newsletter" / story.file).read_text(encoding="utf-8")
        return Email(
            campaign=campaign,
            name=story.email_name,
            kind=story.email_kind,
            purpose=story.purpose,
            topic=topic if story.purpose == Purpose.MARKETING else None,
            subject=story.subject,
            preheader=story.preheader,
            body_format=story.body_format,
            body=body.replace(ASSETS, f"{settings.BASE_URL}{settings.STATIC_URL}demo/"),
        )

    # --- People -------------------------------------------------------------------------------------------------------

    def _import_people(self, crowd: Crowd) -> None:
        """A file as an older tool would have exported it, with where its answers come from (rules C7)."""
        place = _place(crowd.name)
        with tenant(self.organization.pk):
            topic = Topic.objects.get(organization=self.organization, website__name=place.name)
            players = [story for story in STORIES if story.crowd == crowd.name and story is not NEWSLETTER]
            campaign = Campaign.objects.get(organization=self.organization, name=players[0].name) if players else None

        def plan(source: Import) -> ImportPlan:
            return ImportPlan(
                mapping=source.mapping,
                topic=topic,
                basis=Basis.OPT_IN,
                subscription_source=place.source,
                subscription_wording=place.wording,
                campaign=campaign,
                provenance={
                    "where": place.source,
                    "collected_at": (_today() - timedelta(days=70)).isoformat(),
                    "wording": place.tracking_wording,
                    "evidence": f"Export {crowd.name.upper()}-2026-09, form version 3",
                    "vouched_by": OWNER.name,
                },
            )

        self._import(
            f"{crowd.name}-participants.csv",
            ImportKind.PARTICIPANTS,
            write=lambda path: write_crowd(crowd, path),
            plan=plan,
        )

    def _import_suppressions(self) -> None:
        """A few Belgian subscribers who had left, or whose addresses had died, before Pli came."""
        crowd = next(crowd for crowd in CROWDS if crowd.name == NEWSLETTER.crowd)
        reasons = ("unsubscribed", "bounced", "complained")

        def write(path: Path) -> None:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("email", "reason"))
                gone = [row[0] for row in rows_of(crowd)][::67]
                writer.writerows((email, reasons[number % 3]) for number, email in enumerate(gone))

        self._import(
            "be-unsubscribed-and-bounced.csv",
            ImportKind.SUPPRESSIONS,
            write=write,
            plan=lambda source: ImportPlan(mapping=source.mapping),
        )

    def _import(
        self,
        filename: str,
        kind: ImportKind,
        *,
        write: Callable[[Path], None],
        plan: Callable[[Import], ImportPlan],
    ) -> None:
        with tenant(self.organization.pk):
            source = Import.objects.filter(organization=self.organization, filename=filename).first()
        if source is not None and source.state == ImportState.DONE:
            return
        if source is None:
            source = self._upload(filename, kind, write=write, plan=plan)
        done = run_import(self.organization.pk, source.pk)
        if done.state != ImportState.DONE:
            message = f"The import of {filename} is {done.state}. {done.message} Try again in a minute."
            raise SeedRefused(message)
        self._say(f"{filename}: {done.rows_done} rows")

    def _upload(
        self, filename: str, kind: ImportKind, *, write: Callable[[Path], None], plan: Callable[[Import], ImportPlan]
    ) -> Import:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / filename
            write(path)
            with tenant(self.organization.pk), path.open("rb") as file:
                source = upload_import(
                    self.organization,
                    file=File(file),
                    filename=filename,
                    kind=kind,
                    author=self._owner,
                    now=timezone.now(),
                )
                return prepare_import(self.organization, source, plan(source), now=timezone.now())

    # --- Sending ------------------------------------------------------------------------------------------------------

    def _launch(self, story: Story) -> None:
        with tenant(self.organization.pk):
            email = Email.objects.get(organization=self.organization, campaign__name=story.name)
            if Launch.objects.filter(organization=self.organization, email=email).exists():
                return
            launched = launch_email(self.organization, email, author=self.members[MARKETER.email], now=timezone.now())
            copies = launched.mailing.messages.count()
        self._say(f"{email.name}: {copies} copies wait for the worker")


def _user(member: Member) -> User:
    """Without a password yet: nobody signs in before it is set."""
    known = User.objects.filter(email=member.email).first()
    return known or User.objects.create_user(member.email, None, full_name=member.name)


def _place(crowd: str) -> Place:
    return next(place for place in PLACES if place.crowd == crowd)


def _today() -> date:
    return timezone.now().date()


def _in_days(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)
