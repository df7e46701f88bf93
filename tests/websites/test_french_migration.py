"""The migration that puts French websites on Never track, from the state before it, with mail already delivered.

Hits are stored with the recorder's own statement, as the recorder's own role.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Organization, User
from common.tenancy import tenant
from consent.services import (
    change_email_tracking,
    confirm_justification,
    propose_justification,
    publish_notice,
)
from tests.support.cast import Cast
from tests.support.hits import LONG_AGO, Copies, batch_of, forget_hits, store
from tests.support.world import later
from tracking.models import TrackedContent, TrackedMessage
from tracking.recorder import CLICK, OPEN
from websites.models import EmailTrackingVersion, MeasurementPermission, Website
from websites.rules import FRENCH_COUNTRIES

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

BEFORE = ("websites", "0002_walls")
RULE = ("websites", "0003_french_websites_never")
OTHERS = ("MC", "BE", "IT", "CH", "GB", "LU")
SETTINGS = ("always", "by_consent", "never")


def migrate(target: tuple[str, str]) -> None:
    executor = MigrationExecutor(connections["owner"])
    executor.migrate([target])


@pytest.fixture
def before_the_rule(transactional_db: None) -> Iterator[None]:
    forget_hits()
    migrate(BEFORE)
    yield
    migrate(RULE)
    forget_hits()


@dataclass(frozen=True)
class Old:
    """A website from before the rule, with two copies already sent to people of its country."""

    copies: Copies
    to_yes: TrackedMessage
    to_silent: TrackedMessage

    @property
    def website(self) -> Website:
        return self.copies.website

    def fresh(self) -> Website:
        with tenant(self.copies.organization.pk):
            return Website.objects.get(pk=self.website.pk)

    def permissions(self) -> list[tuple[datetime | None, ...]]:
        with tenant(self.copies.organization.pk):
            return list(
                MeasurementPermission.objects.filter(website=self.website)
                .order_by("country")
                .values_list(
                    "country",
                    "opens_with_yes_since",
                    "opens_unless_no_since",
                    "clicks_with_yes_since",
                    "clicks_unless_no_since",
                )
            )

    def copy(self, to: TrackedMessage, *, decided_at: datetime) -> TrackedMessage:
        """Another copy to one of the two people."""
        return self.copies.copy(to.participant, country=str(self.website.country), decided_at=decided_at)


def recorded(*copies: TrackedMessage) -> int:
    """How many opens and clicks of these copies the recorder keeps now; two for each when all are."""
    keys = [copy.key.hex for copy in copies]
    return store(batch_of(*keys, kind=OPEN)) + store(batch_of(*keys, kind=CLICK, link_number=1))


def make_old(organization: Organization, country: str, tracking: str) -> Old:
    """With the models of the state before the rule."""
    historical = MigrationExecutor(connections["owner"]).loader.project_state([BEFORE]).apps
    row = (
        historical.get_model("websites", "Website")
        .objects.using("owner")
        .create(organization_id=organization.pk, name=f"{country} {tracking}", country=country, email_tracking=tracking)
    )
    if tracking != "never":
        moments = {"opens_with_yes_since": LONG_AGO, "clicks_with_yes_since": LONG_AGO}
        if tracking == "always":
            moments |= {"opens_unless_no_since": LONG_AGO, "clicks_unless_no_since": LONG_AGO}
        historical.get_model("websites", "MeasurementPermission").objects.using("owner").create(
            organization_id=organization.pk,
            website_id=row.pk,
            country=country,
            opens_basis="unless_no" if tracking == "always" else "with_yes",
            clicks_basis="unless_no" if tracking == "always" else "with_yes",
            **moments,
        )
    with tenant(organization.pk):
        website = Website.objects.get(pk=row.pk)
        content = TrackedContent.objects.create(organization=organization, website=website)
    copies = Copies(organization, website, content)
    yes = copies.person(
        opens_yes_since=LONG_AGO,
        opens_not_no_since=LONG_AGO,
        clicks_yes_since=LONG_AGO,
        clicks_not_no_since=LONG_AGO,
    )
    return Old(copies, copies.copy(yes, country=country), copies.copy(country=country))


def loosen(old: Old, tracking: str, author: User, *, now: datetime) -> None:
    organization = old.copies.organization
    with tenant(organization.pk):
        change_email_tracking(organization, old.website, tracking=tracking, author=author, reason="decided", now=now)


def test_f2_every_french_website_goes_to_never_and_stops_recording_at_the_next_hit(
    before_the_rule: None, cast: Cast, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    french = [make_old(cast.bakery, country, "always") for country in sorted(FRENCH_COUNTRIES)]
    by_consent, never = make_old(cast.bakery, "FR", "by_consent"), make_old(cast.bakery, "FR", "never")
    others = [make_old(cast.cinema, country, "always") for country in OTHERS]
    for old in [*french, *others]:
        assert recorded(old.to_yes, old.to_silent) == 4
    assert recorded(by_consent.to_yes, by_consent.to_silent) == 2

    migrate(RULE)

    for old in [*french, by_consent, never]:
        assert (old.fresh().email_tracking, recorded(old.to_yes, old.to_silent)) == ("never", 0)
    for old in others:
        assert (old.fresh().email_tracking, recorded(old.to_yes, old.to_silent)) == ("always", 4)
    with tenant(cast.bakery.pk):
        replaced = EmailTrackingVersion.objects.filter(source="country_rule").values_list("previous", flat=True)
        assert sorted(replaced) == ["always"] * 13 + ["by_consent", "never"]
    with tenant(cast.cinema.pk):
        assert not EmailTrackingVersion.objects.exists()
    expected = "15 French websites went to Never track (before: 1 on never, 13 on always, 1 on by_consent)."
    assert f"Organization {cast.bakery.pk}: {expected}" in caplog.messages
    assert not any(f"Organization {cast.cinema.pk}:" in line for line in caplog.messages)


@pytest.mark.parametrize("before", SETTINGS)
def test_h1_loosening_a_french_website_again_measures_nothing_already_sent(
    before_the_rule: None, cast: Cast, now: datetime, before: str
) -> None:
    old = make_old(cast.bakery, "FR", before)
    migrate(RULE)
    organization = cast.bakery

    with tenant(organization.pk):
        publish_notice(
            organization,
            old.website,
            language="fr",
            text="Nous mesurons…",
            url="https://a.example/",
            author=None,
            now=now,
        )
    loosen(old, "by_consent", cast.ana, now=later(now, hours=1))
    between = old.copy(old.to_yes, decided_at=later(now, minutes=59))
    assert recorded(old.to_yes, old.to_silent, between) == 0
    new_to_yes = old.copy(old.to_yes, decided_at=later(now, hours=2))
    new_to_silent = old.copy(old.to_silent, decided_at=later(now, hours=2))
    assert (recorded(new_to_yes), recorded(new_to_silent)) == (2, 0)

    with tenant(organization.pk):
        proposed = propose_justification(
            organization, old.website, countries=["FR"], reason="Opinion of counsel",
            ends_on=date(2027, 6, 30), author=cast.ana, now=now,
        )  # fmt: skip
        confirm_justification(organization, proposed, author=cast.dana, now=now)
    loosen(old, "always", cast.ana, now=later(now, hours=3))
    assert recorded(old.to_yes, old.to_silent, between, new_to_silent) == 0
    newest = old.copy(old.to_silent, decided_at=later(now, hours=4))
    assert (recorded(newest), recorded(new_to_yes)) == (2, 2)


def test_f2_taking_the_migration_back_turns_nothing_on_and_running_it_again_undoes_nothing(
    before_the_rule: None, cast: Cast, now: datetime
) -> None:
    untouched, loosened = make_old(cast.bakery, "FR", "always"), make_old(cast.bakery, "GP", "always")
    migrate(RULE)
    loosen(loosened, "by_consent", cast.ana, now=later(now, hours=1))
    stood = [(old.fresh().email_tracking, old.permissions()) for old in (untouched, loosened)]
    assert [tracking for tracking, _permissions in stood] == ["never", "by_consent"]

    for target in (BEFORE, RULE):
        migrate(target)
        assert [(old.fresh().email_tracking, old.permissions()) for old in (untouched, loosened)] == stood
        assert recorded(untouched.to_yes, untouched.to_silent, loosened.to_yes, loosened.to_silent) == 0
    with tenant(cast.bakery.pk):
        assert EmailTrackingVersion.objects.filter(source="country_rule").count() == 2
