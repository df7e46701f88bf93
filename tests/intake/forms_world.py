"""A form of Bakery, and people who fill it in through its public page."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import unescape
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import Organization, User
from campaigns.models import Campaign
from common.keys import encode_key
from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent, Subscription, Topic
from intake.form_editing import FieldChange, PageChange, add_field, change_field, change_page, create_form, publish_form
from intake.models import ConsentVariant, EntryForm, FieldKind, FormField, Submission
from intake.tokens import read_page, sign_page
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import make_topic, make_website
from websites.models import Website

ADDRESS = "lea@home.example"


@dataclass
class FormWorld:
    """A published form with one text field, a tracking field and, where asked for, a topic."""

    cast: Cast
    website: Website
    campaign: Campaign
    form: EntryForm
    topic: Topic

    @property
    def organization(self) -> Organization:
        return self.cast.bakery

    @property
    def author(self) -> User:
        return self.cast.max

    @property
    def address(self) -> str:
        return f"/f/{encode_key(self.form.key)}"

    def field(self, kind: FieldKind) -> FormField:
        with tenant(self.organization.pk):
            return FormField.objects.select_related("form__campaign__website", "topic").get(form=self.form, kind=kind)

    def add(self, kind: FieldKind, **change: Any) -> FormField:
        with tenant(self.organization.pk):
            added = add_field(self.organization, self.form, kind, author=self.author, now=timezone.now())
            if not change:
                return added
            values = {"name": added.name, "texts": added.texts, "topic": added.topic, **change}
            return change_field(self.organization, added, FieldChange(**values), author=self.author, now=timezone.now())

    def ask(self, variant: ConsentVariant, wording: str = "") -> None:
        """How the form asks for tracking consent."""
        asked = self.field(FieldKind.TRACKING_CONSENT)
        words = {"en": dict.fromkeys(("both", "question", "opens", "clicks", "professional"), wording)}
        with tenant(self.organization.pk):
            change_field(
                self.organization,
                asked,
                FieldChange(name=asked.name, variant=variant, wordings=words),
                author=self.author,
                now=timezone.now(),
            )

    def set_page(self, **change: Any) -> None:
        self.form = self.reload()
        values = {
            "languages": self.form.languages,
            "texts": self.form.texts,
            "double_opt_in": self.form.double_opt_in,
            "frame_hosts": self.form.frame_hosts,
            "exit_email": self.form.exit_email,
        }
        with tenant(self.organization.pk):
            change_page(
                self.organization, self.form, PageChange(**(values | change)), author=self.author, now=timezone.now()
            )
        self.form = self.reload()

    def reload(self) -> EntryForm:
        with tenant(self.organization.pk):
            return EntryForm.objects.select_related("exit_email", "exit_launch").get(pk=self.form.pk)

    # --- People

    def open(self, client: Client | None = None, query: str = "", **headers: str) -> HttpResponse:
        return (client or Client()).get(self.address + query, headers=headers)

    def token(self, *, age: timedelta = timedelta(minutes=1), query: str = "") -> str:
        """What a page carries that was opened so long ago."""
        return aged(token_of(self.open(query=query)), self.form.pk, age)

    def send(self, email: str = ADDRESS, *, token: str | None = None, query: str = "", **answers: Any) -> HttpResponse:
        data = {f"q{self.field(FieldKind.EMAIL).pk}": email, "page": token or self.token(query=query), **answers}
        return Client().post(self.address + query, data)

    # --- What came of it

    def person(self, email: str = ADDRESS) -> Participant | None:
        with tenant(self.organization.pk):
            return Participant.objects.filter(email_norm=email).first()

    def choice(self, email: str = ADDRESS) -> tuple[str, str] | None:
        with tenant(self.organization.pk):
            found = Choice.objects.filter(participant__email_norm=email, scope=self.website.consent_scope).first()
            return (found.opens, found.clicks) if found else None

    def events(self) -> list[ChoiceEvent]:
        with tenant(self.organization.pk):
            return list(ChoiceEvent.objects.select_related("consent_text").order_by("id"))

    def subscription(self, email: str = ADDRESS) -> Subscription | None:
        with tenant(self.organization.pk):
            return Subscription.objects.filter(participant__email_norm=email, topic=self.topic).first()

    def entries(self) -> list[Submission]:
        with tenant(self.organization.pk):
            return list(Submission.objects.order_by("id"))


def make_form_world(cast: Cast, now: datetime, **page: Any) -> FormWorld:
    website = make_website(cast.bakery, cast.ana, now=now)
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=website, name="Bread quiz", kind="quiz")
        campaign.refresh_from_db()
        form = create_form(cast.bakery, campaign, author=cast.max, now=now)
        publish_form(cast.bakery, form, now=now)
    world = FormWorld(cast, website, campaign, form, make_topic(cast.bakery, website))
    world.set_page(**{"languages": ["en"], "double_opt_in": False, **page})
    return world


def token_of(response: HttpResponse) -> str:
    found = re.search(r'name="page" value="([^"]+)"', response.content.decode())
    assert found is not None, response.content.decode()
    return unescape(found[1])


def aged(token: str, form_id: int, age: timedelta) -> str:
    """The token of a page that was opened earlier."""
    shown = read_page(token, form_id=form_id, now=timezone.now() + timedelta(seconds=5))
    return sign_page(replace(shown, shown_at=shown.shown_at - age))
