"""Websites from before the French rule, with mail already delivered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.migrations.state import StateApps

from accounts.models import Organization
from common.keys import new_key
from common.tenancy import tenant
from tests.support.hits import DECIDED_AT, LONG_AGO, Copies
from tracking.models import TrackedMessage
from websites.models import MeasurementPermission, Website
from websites.services import MOMENTS


@dataclass(frozen=True)
class Old:
    """A website from before the rule, with two copies already sent to people of its country."""

    organization: Organization
    website_id: int
    to_yes_id: int
    to_silent_id: int

    @property
    def website(self) -> Website:
        with tenant(self.organization.pk):
            return Website.objects.get(pk=self.website_id)

    @property
    def to_yes(self) -> TrackedMessage:
        return self._copy(self.to_yes_id)

    @property
    def to_silent(self) -> TrackedMessage:
        return self._copy(self.to_silent_id)

    def _copy(self, number: int) -> TrackedMessage:
        with tenant(self.organization.pk):
            return TrackedMessage.objects.select_related("content", "participant").get(pk=number)

    def permissions(self) -> list[tuple[Any, ...]]:
        with tenant(self.organization.pk):
            rows = MeasurementPermission.objects.filter(website=self.website_id).order_by("country")
            return list(rows.values_list("country", *MOMENTS))

    def copy(self, to: TrackedMessage, *, decided_at: datetime) -> TrackedMessage:
        """Another copy to one of the two people."""
        copies = Copies(self.organization, self.website, to.content)
        return copies.copy(to.participant, country=str(self.website.country), decided_at=decided_at)


def make_old(before: StateApps, organization: Organization, country: str, tracking: str) -> Old:
    """With the models of the state before the rule."""

    def create(model: str, **fields: Any) -> Any:
        manager = before.get_model(model).objects.using("owner")
        return manager.create(organization_id=organization.pk, **fields)

    website = create("websites.Website", name=f"{country} {tracking}", country=country, email_tracking=tracking)
    if tracking != "never":
        moments = {"opens_with_yes_since": LONG_AGO, "clicks_with_yes_since": LONG_AGO}
        if tracking == "always":
            moments |= {"opens_unless_no_since": LONG_AGO, "clicks_unless_no_since": LONG_AGO}
        basis = "unless_no" if tracking == "always" else "with_yes"
        create(
            "websites.MeasurementPermission",
            website_id=website.pk, country=country, opens_basis=basis, clicks_basis=basis, **moments,
        )  # fmt: skip
    content = create("tracking.TrackedContent", website_id=website.pk)
    yes, silent = [
        create(
            "participants.Participant", email=f"{who}{website.pk}@a.example", email_norm=f"{who}{website.pk}@a.example"
        )
        for who in ("yes", "silent")
    ]
    said = {f"{kind}_{what}": LONG_AGO for kind in ("opens", "clicks") for what in ("yes_since", "not_no_since")}
    create("consent.Choice", participant_id=yes.pk, opens="yes", clicks="yes", **said)
    copies = [
        create(
            "tracking.TrackedMessage",
            content_id=content.pk,
            website_id=website.pk,
            participant_id=person.pk,
            country=country,
            key=new_key(),
            opens="individual",
            clicks="individual",
            decided_at=DECIDED_AT,
        ).pk
        for person in (yes, silent)
    ]
    return Old(organization, website.pk, *copies)
