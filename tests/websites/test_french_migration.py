"""The migration that puts French websites on Never track, from the state before it, with mail already delivered.

Hits are stored with the recorder's own statement, as the recorder's own role.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from accounts.models import Organization
from common.keys import new_key
from common.tenancy import tenant
from consent.services import confirm_justification, propose_justification, publish_notice
from tests.support import world
from tests.support.cast import Cast
from tests.support.hits import DECIDED_AT, LONG_AGO, Copies, batch_of, forget_hits, store
from tests.support.world import later
from tracking.models import TrackedMessage
from tracking.recorder import CLICK, OPEN
from websites.models import EmailTrackingVersion, MeasurementPermission, Website
from websites.rules import FRENCH_COUNTRIES
from websites.services import MOMENTS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

BEFORE = ("websites", "0002_walls")
OTHERS = ("MC", "BE", "IT", "CH", "GB", "LU")
SETTINGS = ("always", "by_consent", "never")


def migrate_back() -> StateApps:
    """To the state before the rule; the models as they were then."""
    executor = MigrationExecutor(connections["owner"])
    return executor.migrate([BEFORE]).apps


def migrate() -> None:
    """As ops do: everything that there is, the rule among it."""
    call_command("migrate", verbosity=0)


@pytest.fixture
def before_the_rule(transactional_db: None, cast: Cast) -> Iterator[StateApps]:
    forget_hits()
    yield migrate_back()
    migrate()
    forget_hits()


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


def recorded(*copies: TrackedMessage) -> int:
    """How many opens and clicks of these copies the recorder keeps now; two for each when all are."""
    keys = [copy.key.hex for copy in copies]
    return store(batch_of(*keys, kind=OPEN)) + store(batch_of(*keys, kind=CLICK, link_number=1))


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


def loosen(old: Old, tracking: str, *, now: datetime) -> None:
    with tenant(old.organization.pk):
        website = old.website
    world.loosen(old.organization, website, now=now, email_tracking=tracking)


def test_f2_every_french_website_goes_to_never_and_stops_recording_at_the_next_hit(
    before_the_rule: StateApps, cast: Cast, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    french = [make_old(before_the_rule, cast.bakery, country, "always") for country in sorted(FRENCH_COUNTRIES)]
    by_consent, never = (
        make_old(before_the_rule, cast.bakery, "FR", "by_consent"),
        make_old(before_the_rule, cast.bakery, "FR", "never"),
    )
    others = [make_old(before_the_rule, cast.cinema, country, "always") for country in OTHERS]
    migrate()

    for old in [*french, by_consent, never]:
        assert (old.website.email_tracking, recorded(old.to_yes, old.to_silent)) == ("never", 0)
    for old in others:
        assert (old.website.email_tracking, recorded(old.to_yes, old.to_silent)) == ("always", 4)
    with tenant(cast.bakery.pk):
        replaced = EmailTrackingVersion.objects.filter(source="country_rule").values_list("previous", flat=True)
        assert sorted(replaced) == ["always"] * 13 + ["by_consent", "never"]
    with tenant(cast.cinema.pk):
        assert not EmailTrackingVersion.objects.exists()
    expected = "15 French websites went to Never track (before: 1 on never, 13 on always, 1 on by_consent)."
    assert f"Organization {cast.bakery.pk}: {expected}" in caplog.messages
    assert not any(f"Organization {cast.cinema.pk}:" in line for line in caplog.messages)


def test_h1_loosening_a_french_website_again_measures_nothing_already_sent(
    before_the_rule: StateApps, cast: Cast, now: datetime
) -> None:
    websites = [make_old(before_the_rule, cast.bakery, "FR", before) for before in SETTINGS]
    migrate()
    for old in websites:
        _loosen_again(old, cast, now)


def _loosen_again(old: Old, cast: Cast, now: datetime) -> None:
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
    loosen(old, "by_consent", now=later(now, hours=1))
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
    loosen(old, "always", now=later(now, hours=3))
    assert recorded(old.to_yes, old.to_silent, between, new_to_silent) == 0
    newest = old.copy(old.to_silent, decided_at=later(now, hours=4))
    assert (recorded(newest), recorded(new_to_yes)) == (2, 2)


def test_f2_taking_the_migration_back_turns_nothing_on_and_running_it_again_undoes_nothing(
    before_the_rule: StateApps, cast: Cast, now: datetime
) -> None:
    untouched, loosened = (
        make_old(before_the_rule, cast.bakery, "FR", "always"),
        make_old(before_the_rule, cast.bakery, "GP", "always"),
    )
    migrate()
    loosen(loosened, "by_consent", now=later(now, hours=1))
    stood = [(old.website.email_tracking, old.permissions()) for old in (untouched, loosened)]
    assert [tracking for tracking, _permissions in stood] == ["never", "by_consent"]

    migrate_back()
    migrate()
    assert [(old.website.email_tracking, old.permissions()) for old in (untouched, loosened)] == stood
    assert recorded(untouched.to_yes, untouched.to_silent, loosened.to_yes, loosened.to_silent) == 0
    with tenant(cast.bakery.pk):
        assert EmailTrackingVersion.objects.filter(source="country_rule").count() == 2
