"""Websites: where they start, and how each change is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from accounts.models import Organization
from common.tenancy import tenant
from consent.services import open_website
from tests.support.cast import Cast
from tests.support.world import later
from websites import services
from websites.models import MeasurementPermission, Website
from websites.rules import FRENCH_COUNTRIES
from websites.selectors import latest_version, tracking_history, with_latest_change

pytestmark = pytest.mark.django_db


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


def create(bakery: Organization, cast: Cast, now: datetime, country: str) -> Website:
    return services.create_website(
        bakery,
        name=f"Bread {country}",
        domain="bread.example",
        country=country,
        sender_name="Bakery",
        sender_email="news@bread.example",
        author=cast.ana,
        now=now,
    )


def resolved(bakery: Organization, cast: Cast, now: datetime, country: str = "BE") -> Website:
    """A website with the row of its country permitting everything since the start."""
    website = open_website(
        bakery,
        name="Resolved",
        domain="bread.example",
        country=country,
        sender_name="Bakery",
        sender_email="news@bread.example",
        author=cast.ana,
        now=now,
    )
    Website.objects.filter(pk=website.pk).update(email_tracking="always")
    website.email_tracking = "always"
    website.permissions.update(
        opens_basis="unless_no",
        opens_with_yes_since=now,
        opens_unless_no_since=now,
        clicks_basis="unless_no",
        clicks_with_yes_since=now,
        clicks_unless_no_since=now,
    )
    return website


def moments(website: Website, country: str) -> tuple[datetime | None, ...]:
    row = MeasurementPermission.objects.get(website=website, country=country)
    return (
        row.opens_with_yes_since,
        row.opens_unless_no_since,
        row.clicks_with_yes_since,
        row.clicks_unless_no_since,
    )


@pytest.mark.parametrize("country", ["BE", "CH", *sorted(FRENCH_COUNTRIES)])
def test_f2_a_new_website_starts_on_never_whatever_its_country(
    bakery: Organization, cast: Cast, now: datetime, country: str
) -> None:
    website = create(bakery, cast, now, country)
    assert website.email_tracking == "never"
    assert website.country_rule_applied_at == now
    version = latest_version(bakery, website)
    assert version is not None
    assert (version.number, version.previous, version.email_tracking) == (1, "", "never")
    assert (version.source, version.author, str(version.country)) == ("created", cast.ana, country)


def test_every_change_is_a_version_with_author_time_and_reason(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = create(bakery, cast, now, "BE")
    services.change_policy(
        bakery, website, {"email_tracking": "by_consent"}, author=cast.dana, proposed_by=cast.ana, reason="we ask now",
        now=later(now, hours=1),
    )  # fmt: skip
    services.change_policy(
        bakery, website, {"email_tracking": "never"}, author=cast.dana, reason="stop", now=later(now, hours=2)
    )
    kept = [
        (one.number, one.previous, one.email_tracking, one.author, one.reason, one.created_at)
        for one in tracking_history(bakery, website)
    ]
    assert kept == [
        (3, "by_consent", "never", cast.dana, "stop", later(now, hours=2)),
        (2, "never", "by_consent", cast.dana, "we ask now", later(now, hours=1)),
        (1, "", "never", cast.ana, "", now),
    ]
    listed = with_latest_change(Website.objects.filter(pk=website.pk)).get()
    assert (listed.changed_by_name, listed.changed_at) == ("Dana", later(now, hours=2))


def test_the_same_setting_again_adds_no_version(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = create(bakery, cast, now, "BE")
    version = services.change_policy(
        bakery, website, {"email_tracking": "never"}, author=cast.max, reason="again", now=later(now, hours=1)
    )
    assert version.number == 1
    assert tracking_history(bakery, website).count() == 1


def test_h1_never_empties_every_moment_in_the_same_transaction(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = resolved(bakery, cast, now)
    services.change_policy(
        bakery, website, {"email_tracking": "never"}, author=cast.max, reason="", now=later(now, hours=1)
    )
    assert not website.permissions.exclude(
        opens_with_yes_since=None,
        opens_unless_no_since=None,
        clicks_with_yes_since=None,
        clicks_unless_no_since=None,
        opens_basis="never",
        clicks_basis="never",
    ).exists()


def test_h1_by_consent_empties_only_what_held_without_a_yes(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = resolved(bakery, cast, now)
    services.change_policy(
        bakery, website, {"email_tracking": "by_consent"}, author=cast.max, reason="", now=later(now, hours=1)
    )
    assert moments(website, "BE") == (now, None, now, None)


@pytest.mark.parametrize("country", sorted(FRENCH_COUNTRIES))
def test_f2_a_website_that_becomes_french_goes_to_never(
    bakery: Organization, cast: Cast, now: datetime, country: str
) -> None:
    website = resolved(bakery, cast, now)
    version = services.change_policy(
        bakery, website, {"country": country}, author=cast.max, reason="moved", now=later(now, hours=1)
    )
    website.refresh_from_db()
    assert (website.email_tracking, website.country_rule_applied_at) == ("never", later(now, hours=1))
    assert (version.previous, version.email_tracking, version.source) == ("always", "never", "country_rule")
    assert str(version.country) == country
    assert moments(website, "FR") == (None, None, None, None)


def test_monaco_is_not_french(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = resolved(bakery, cast, now)
    version = services.change_policy(bakery, website, {"country": "MC"}, author=cast.max, reason="", now=now)
    website.refresh_from_db()
    assert (website.email_tracking, version.source) == ("always", "member")


def test_a_french_website_that_moves_within_france_keeps_its_recorded_decision(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = create(bakery, cast, now, "FR")
    services.change_policy(
        bakery,
        website,
        {"email_tracking": "by_consent"},
        author=cast.dana,
        proposed_by=cast.ana,
        reason="asked",
        now=now,
    )
    services.change_policy(bakery, website, {"country": "RE"}, author=cast.max, reason="", now=later(now, hours=1))
    website.refresh_from_db()
    assert (website.email_tracking, str(website.country)) == ("by_consent", "RE")


def test_s5_the_declared_country_is_recorded_and_touches_only_people_of_unknown_country(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = resolved(bakery, cast, now)
    version = services.change_policy(
        bakery, website, {"declared_country": "IT"}, author=cast.dana, proposed_by=cast.ana, reason="a shop in Turin",
        now=later(now, hours=1),
    )  # fmt: skip
    assert (str(version.declared_country), version.reason) == ("IT", "a shop in Turin")
    assert moments(website, "ZZ") == (now, None, now, None)
    assert moments(website, "BE") == (now, now, now, now)


def test_details_change_nothing_that_is_measured(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = create(bakery, cast, now, "BE")
    website.name, website.email_tracking = "Cake", "always"
    services.save_details(bakery, website)
    website.refresh_from_db()
    assert (website.name, website.email_tracking) == ("Cake", "never")
