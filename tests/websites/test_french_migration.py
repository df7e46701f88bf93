"""The migration that puts French websites on Never track, from the state before it, with mail already delivered.

Hits are stored with the recorder's own statement, as the recorder's own role. All happens in databases beside that of
the other tests: one is made as it was before the rule, and copied for what then becomes of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import pytest
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker

from common.tenancy import tenant
from consent.services import confirm_justification, propose_justification, publish_notice
from tests.support import world
from tests.support.cast import Cast, make_cast
from tests.support.databases import database_beside, migrate_apps, migrate_before, migrate_to, working_in
from tests.support.hits import batch_of, store
from tests.support.world import later
from tests.websites.old_websites import Old, make_old
from tracking.models import TrackedMessage
from tracking.recorder import CLICK, OPEN
from websites.models import EmailTrackingVersion
from websites.rules import FRENCH_COUNTRIES

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

RULE = ("websites", "0003_french_websites_never")
BEFORE = ("websites", "0002_walls")
OTHERS = ("MC", "BE", "IT", "CH", "GB", "LU")
SETTINGS = ("always", "by_consent", "never")
# What a website, its choices and its mail consist of.
CONCERNED = ("accounts", "participants", "websites", "consent", "tracking")


@dataclass
class Past:
    """What there was before the rule, and the database in which it is still so."""

    database: str
    cast: Cast
    always: dict[str, Old]
    by_consent: Old
    never: Old
    others: list[Old]
    said: list[str] = field(default_factory=list)

    def french(self) -> list[Old]:
        return [*self.always.values(), self.by_consent, self.never]


class _Listener(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self.said = said

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def listening(said: list[str]) -> Iterator[None]:
    """What the migration says, to whoever runs it."""
    listener, logger = _Listener(said), logging.getLogger("websites.country_rule")
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)


@pytest.fixture(scope="module")
def past(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Past]:
    began = datetime.fromisoformat("2026-11-22T09:00:00+00:00")
    with django_db_blocker.unblock(), database_beside("before_the_rule") as database:
        with working_in(database):
            before, cast = migrate_before(RULE), make_cast(began)
            found = Past(
                database,
                cast,
                always={
                    country: make_old(before, cast.bakery, country, "always") for country in sorted(FRENCH_COUNTRIES)
                },
                by_consent=make_old(before, cast.bakery, "FR", "by_consent"),
                never=make_old(before, cast.bakery, "FR", "never"),
                others=[make_old(before, cast.cinema, country, "always") for country in OTHERS],
            )
        yield found


@pytest.fixture(scope="module")
def migrated(past: Past, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """As ops do: everything that there is, the rule among it."""
    with django_db_blocker.unblock(), database_beside("after_the_rule", copy_of=past.database) as database:
        with working_in(database), listening(past.said):
            call_command("migrate", verbosity=0)
        yield database


@pytest.fixture
def after_the_rule(transactional_db: None, past: Past, migrated: str) -> Iterator[Past]:
    """A copy for each test."""
    with database_beside("copy", copy_of=migrated) as database, working_in(database):
        yield past


@pytest.fixture
def before_the_rule(transactional_db: None, past: Past) -> Iterator[Past]:
    with database_beside("copy", copy_of=past.database) as database, working_in(database):
        yield past


def recorded(*copies: TrackedMessage) -> int:
    """How many opens and clicks of these copies the recorder keeps now; two for each when all are."""
    keys = [copy.key.hex for copy in copies]
    return store(batch_of(*keys, kind=OPEN)) + store(batch_of(*keys, kind=CLICK, link_number=1))


def loosen(old: Old, tracking: str, *, now: datetime) -> None:
    with tenant(old.organization.pk):
        website = old.website
    world.loosen(old.organization, website, now=now, email_tracking=tracking)


def test_f2_every_french_website_goes_to_never_and_stops_recording_at_the_next_hit(after_the_rule: Past) -> None:
    bakery, cinema = after_the_rule.cast.bakery, after_the_rule.cast.cinema
    for old in after_the_rule.french():
        assert (old.website.email_tracking, recorded(old.to_yes, old.to_silent)) == ("never", 0)
    for old in after_the_rule.others:
        assert (old.website.email_tracking, recorded(old.to_yes, old.to_silent)) == ("always", 4)
    with tenant(bakery.pk):
        replaced = EmailTrackingVersion.objects.filter(source="country_rule").values_list("previous", flat=True)
        assert sorted(replaced) == ["always"] * 13 + ["by_consent", "never"]
    with tenant(cinema.pk):
        assert not EmailTrackingVersion.objects.exists()
    expected = "15 French websites went to Never track (before: 1 on never, 13 on always, 1 on by_consent)."
    assert f"Organization {bakery.pk}: {expected}" in after_the_rule.said
    assert not any(f"Organization {cinema.pk}:" in line for line in after_the_rule.said)


@pytest.mark.parametrize("before", SETTINGS)
def test_h1_loosening_a_french_website_again_measures_nothing_already_sent(
    after_the_rule: Past, before: str, now: datetime
) -> None:
    past, organization = after_the_rule, after_the_rule.cast.bakery
    old = {"always": past.always["FR"], "by_consent": past.by_consent, "never": past.never}[before]
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
            ends_on=date(2027, 6, 30), author=past.cast.ana, now=now,
        )  # fmt: skip
        confirm_justification(organization, proposed, author=past.cast.dana, now=now, note="Seen")
    loosen(old, "always", now=later(now, hours=3))
    assert recorded(old.to_yes, old.to_silent, between, new_to_silent) == 0
    newest = old.copy(old.to_silent, decided_at=later(now, hours=4))
    assert (recorded(newest), recorded(new_to_yes)) == (2, 2)


def test_f2_taking_the_migration_back_turns_nothing_on_and_running_it_again_undoes_nothing(
    before_the_rule: Past, now: datetime
) -> None:
    untouched, loosened = before_the_rule.always["FR"], before_the_rule.always["GP"]
    migrate_apps(*CONCERNED)
    loosen(loosened, "by_consent", now=later(now, hours=1))
    stood = [(old.website.email_tracking, old.permissions()) for old in (untouched, loosened)]
    assert [tracking for tracking, _permissions in stood] == ["never", "by_consent"]

    migrate_to(BEFORE)
    migrate_apps(*CONCERNED)
    assert [(old.website.email_tracking, old.permissions()) for old in (untouched, loosened)] == stood
    assert recorded(untouched.to_yes, untouched.to_silent, loosened.to_yes, loosened.to_silent) == 0
    with tenant(before_the_rule.cast.bakery.pk):
        replaced = EmailTrackingVersion.objects.filter(source="country_rule")
        assert replaced.count() == len(before_the_rule.french())
