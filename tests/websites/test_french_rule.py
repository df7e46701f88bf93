"""enforce_country_rules: every French website goes to Never track once, and a later decision stands (rules F1, F2)."""

from __future__ import annotations

from datetime import datetime
from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import Organization
from common.tenancy import tenant
from consent.services import refresh_permissions
from tests.support.cast import Cast
from tests.support.world import later, loosen, make_website
from websites.models import EmailTrackingVersion, MeasurementPermission, Website
from websites.rules import FRENCH_COUNTRIES, EmailTracking
from websites.services import Enforced, enforce_country_rules

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

OTHERS = ("MC", "BE", "IT", "CH", "GB", "LU")


def enforce(now: datetime, *, dry_run: bool = False) -> tuple[list[Enforced], list[str]]:
    lines: list[str] = []
    done = enforce_country_rules(
        websites=Website,
        versions=EmailTrackingVersion,
        permissions=MeasurementPermission,
        now=now,
        log=lines.append,
        dry_run=dry_run,
    )
    return done, lines


def old_website(organization: Organization, cast: Cast, country: str, tracking: str, now: datetime) -> Website:
    """A website as it was before the rule: nobody has marked it."""
    website = make_website(organization, cast.ana, now=now, name=f"{country} {tracking}", country=country)
    with tenant(organization.pk):
        Website.objects.filter(pk=website.pk).update(email_tracking=tracking, country_rule_applied_at=None)
        refresh_permissions(organization, website, now=now)
    return website


def setting(organization: Organization, website: Website) -> str:
    with tenant(organization.pk):
        return Website.objects.get(pk=website.pk).email_tracking


def permits(organization: Organization, website: Website) -> bool:
    with tenant(organization.pk):
        rows = MeasurementPermission.objects.filter(website=website)
        nothing = {"opens_with_yes_since": None, "clicks_with_yes_since": None}
        return rows.exclude(**nothing, opens_unless_no_since=None, clicks_unless_no_since=None).exists()


def test_f1_thirteen_countries_go_to_never_and_no_other(cast: Cast, now: datetime) -> None:
    french = [old_website(cast.bakery, cast, country, "by_consent", now) for country in sorted(FRENCH_COUNTRIES)]
    others = [old_website(cast.bakery, cast, country, "by_consent", now) for country in OTHERS]
    done, _lines = enforce(later(now, hours=1))
    assert len(french) == 13
    assert {one.website_id for one in done} == {website.pk for website in french}
    assert {setting(cast.bakery, website) for website in french} == {"never"}
    assert not any(permits(cast.bakery, website) for website in french)
    assert {setting(cast.bakery, website) for website in others} == {"by_consent"}
    assert all(permits(cast.bakery, website) for website in others)


@pytest.mark.parametrize("before", list(EmailTracking))
def test_f2_it_records_what_it_replaced_also_where_nothing_changed(
    cast: Cast, now: datetime, before: EmailTracking
) -> None:
    website = old_website(cast.bakery, cast, "FR", before, now)
    enforce(later(now, hours=1))
    with tenant(cast.bakery.pk):
        website.refresh_from_db()
        version = EmailTrackingVersion.objects.filter(website=website).first()
    assert website.country_rule_applied_at == later(now, hours=1)
    assert version is not None
    assert (version.number, version.previous, version.email_tracking) == (2, before, "never")
    assert (version.source, version.author, version.created_at) == ("country_rule", None, later(now, hours=1))


def test_f2_running_again_does_nothing(cast: Cast, now: datetime) -> None:
    website = old_website(cast.bakery, cast, "FR", "always", now)
    enforce(later(now, hours=1))
    assert enforce(later(now, hours=2)) == ([], ["No French website is waiting for the country rule."])
    with tenant(cast.bakery.pk):
        assert EmailTrackingVersion.objects.filter(website=website).count() == 2


def test_f2_running_again_never_undoes_a_recorded_decision(cast: Cast, now: datetime) -> None:
    website = old_website(cast.bakery, cast, "RE", "always", now)
    enforce(later(now, hours=1))
    with tenant(cast.bakery.pk):
        loosen(cast.bakery, website, now=later(now, hours=2), email_tracking="by_consent")
    enforce(later(now, hours=3))
    assert setting(cast.bakery, website) == "by_consent"
    assert permits(cast.bakery, website)


def test_a_website_made_since_is_not_touched(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, country="FR", tracking=EmailTracking.BY_CONSENT)
    assert enforce(later(now, hours=1))[0] == []
    assert setting(cast.bakery, website) == "by_consent"


def test_it_reaches_all_organizations_and_logs_a_line_for_each_that_names_nobody(cast: Cast, now: datetime) -> None:
    old_website(cast.bakery, cast, "FR", "always", now)
    old_website(cast.bakery, cast, "GP", "never", now)
    with tenant(cast.cinema.pk):
        old_website(cast.cinema, cast, "FR", "by_consent", now)
    _done, lines = enforce(later(now, hours=1))
    assert lines == [
        f"Organization {cast.bakery.pk}: 2 French websites went to Never track (before: 1 on never, 1 on always).",
        f"Organization {cast.cinema.pk}: 1 French website went to Never track (before: 1 on by_consent).",
    ]


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(cast: Cast, now: datetime) -> None:
    website = old_website(cast.bakery, cast, "FR", "always", now)
    for _again in range(2):
        output = StringIO()
        call_command("enforce_country_rules", "--dry-run", stdout=output)
        assert "1 French website would go to Never track (before: 1 on always)" in output.getvalue()
    assert setting(cast.bakery, website) == "always"
    assert permits(cast.bakery, website)

    output = StringIO()
    call_command("enforce_country_rules", stdout=output)
    assert "1 French website went to Never track" in output.getvalue()
    assert setting(cast.bakery, website) == "never"
