"""Since when each thing is permitted, and until when (rules.md: H1, S7, S13, C8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Organization
from common.tenancy import tenant
from consent.models import Choice, LegalJustification
from consent.rules import ChoiceValue, Purpose, Reason
from consent.selectors import decisions_for, notice_covers
from consent.services import confirm_justification, propose_justification, publish_notice, refresh_permissions
from tests.support.cast import Cast
from tests.support.world import choose, later, loosen, make_participant, make_website, set_tracking
from websites.models import ConsentScope, MeasurementPermission, Website
from websites.rules import RuleKey

pytestmark = pytest.mark.django_db

EVERYTHING = ["opens", "clicks", "anonymous", "last_open_day"]
ENDS = date(2026, 11, 25)


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


@pytest.fixture
def website(bakery: Organization, cast: Cast, now: datetime) -> Website:
    """Swiss, on Always, with totals for everybody else and a notice that tells of everything."""
    found = make_website(bakery, cast.ana, now=now, country="CH")
    tell(found, EVERYTHING, now=now)
    loosen(bakery, found, now=now, opens_fallback="anonymous", clicks_fallback="anonymous")
    set_tracking(bakery, found, "always", now=now)
    return found


def tell(website: Website, covers: list[str], *, now: datetime, language: str = "en") -> None:
    publish_notice(
        website.organization, website, language=language, text="We measure", url="https://x.example/", author=None,
        now=now, covers=covers,
    )  # fmt: skip


def row(website: Website, country: str) -> MeasurementPermission:
    return MeasurementPermission.objects.get(website=website, country=country)


def justify(
    cast: Cast, website: Website, *countries: str, now: datetime, ends: date = ENDS, keys: tuple[str, ...] = ()
) -> LegalJustification:
    proposed = propose_justification(
        cast.bakery, website, countries=countries, reason="counsel", ends_on=ends, author=cast.ana, now=now,
        rule_keys=keys or (RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS),
    )  # fmt: skip
    return confirm_justification(cast.bakery, proposed, author=cast.dana, now=now, note="Seen")


def after_the_end(days: int = 1) -> datetime:
    """A minute into the day after the last one, where Bakery is."""
    return datetime(2026, 11, 25, 0, 1, tzinfo=ZoneInfo("Europe/Brussels")) + timedelta(days=days)


def test_s7_a_permission_ends_with_the_last_day_of_its_justification(
    cast: Cast, website: Website, now: datetime
) -> None:
    justify(cast, website, "FR", now=now)
    french, swiss = row(website, "FR"), row(website, "CH")
    assert french.opens_unless_no_since == now
    assert french.until == datetime(2026, 11, 26, tzinfo=ZoneInfo("Europe/Brussels"))
    assert swiss.until is None

    refresh_permissions(cast.bakery, website, now=after_the_end())
    french = row(website, "FR")
    assert (french.opens_basis, french.opens_unless_no_since, french.until) == ("with_yes_by_law", None, None)
    assert french.opens_with_yes_since == now


def test_h1_what_another_justification_goes_on_to_cover_keeps_its_moment(
    cast: Cast, website: Website, now: datetime
) -> None:
    justify(cast, website, "FR", now=now)
    justify(cast, website, "FR", now=now, ends=ENDS + timedelta(days=9))
    justify(cast, website, "FR", now=now, keys=(RuleKey.ANONYMOUS_OPENS,), ends=ENDS + timedelta(days=9))
    assert row(website, "FR").until == datetime(2026, 12, 5, tzinfo=ZoneInfo("Europe/Brussels"))
    refresh_permissions(cast.bakery, website, now=after_the_end())
    french = row(website, "FR")
    assert (french.opens_unless_no_since, french.opens_anonymous_since) == (now, now)


def test_h1_what_ends_beside_it_does_not_silence_what_goes_on(cast: Cast, website: Website, now: datetime) -> None:
    justify(cast, website, "FR", now=now)
    justify(cast, website, "FR", now=now, keys=(RuleKey.ANONYMOUS_OPENS,), ends=ENDS + timedelta(days=9))
    refresh_permissions(cast.bakery, website, now=after_the_end())
    french = row(website, "FR")
    assert (french.opens_unless_no_since, french.opens_anonymous_since) == (None, now)


def test_h1_a_justification_confirmed_after_the_end_begins_anew_however_soon(
    cast: Cast, website: Website, now: datetime
) -> None:
    justify(cast, website, "FR", now=now)
    at = after_the_end()
    justify(cast, website, "FR", now=at, ends=ENDS + timedelta(days=30))
    french = row(website, "FR")
    assert (french.opens_with_yes_since, french.opens_unless_no_since) == (now, at)


def test_h1_all_permissions_begin_anew_in_another_consent_scope(cast: Cast, website: Website, now: datetime) -> None:
    other = ConsentScope.objects.create(organization=cast.bakery, name="Other brand", created_at=now)
    at = later(now, hours=1)
    loosen(cast.bakery, website, now=at, consent_scope=other.pk)
    swiss = row(website, "CH")
    assert swiss.scope_id == other.pk
    assert {swiss.opens_with_yes_since, swiss.opens_unless_no_since, swiss.clicks_anonymous_since} == {at}


def test_s4_a_no_goes_along_when_a_website_moves_to_another_consent_scope(
    cast: Cast, website: Website, now: datetime
) -> None:
    zoe = make_participant(cast.bakery, "zoe@home.example", now=now)
    choose(cast.bakery, zoe, opens=ChoiceValue.NO, now=now)
    other = ConsentScope.objects.create(organization=cast.bakery, name="Other brand", created_at=now)
    loosen(cast.bakery, website, now=later(now, hours=1), consent_scope=other.pk)
    carried = Choice.objects.get(participant=zoe, scope=other)
    assert (carried.opens, carried.clicks) == ("no", "unknown")
    decided = decisions_for(cast.bakery, website, [zoe.pk], purpose=Purpose.MARKETING, now=later(now, hours=2))[
        zoe.pk
    ].decision
    assert decided.opens_reason is Reason.PERSON_SAID_NO


def test_s13_each_language_has_to_tell_of_a_measurement(cast: Cast, website: Website, now: datetime) -> None:
    assert row(website, "CH").opens_anonymous_since == now
    tell(website, ["opens", "clicks"], now=later(now, hours=1), language="fr")
    assert notice_covers(cast.bakery, website, now=later(now, hours=1)) == {"opens", "clicks"}
    assert row(website, "CH").opens_anonymous_since is None
    tell(website, EVERYTHING, now=later(now, hours=2), language="fr")
    assert row(website, "CH").opens_anonymous_since == later(now, hours=2)
    assert row(website, "CH").opens_unless_no_since == now


def test_s13_a_text_that_leaves_opens_out_ends_them_and_not_clicks(website: Website, now: datetime) -> None:
    tell(website, ["clicks"], now=later(now, hours=1))
    swiss = row(website, "CH")
    assert (swiss.opens_basis, swiss.opens_with_yes_since, swiss.opens_unless_no_since) == ("no_notice", None, None)
    assert swiss.clicks_unless_no_since == now


def test_c10_the_dates_of_the_table_are_days_where_the_organization_is(
    cast: Cast, website: Website, now: datetime
) -> None:
    french, swiss = row(website, "FR"), row(website, "CH")
    zone = ZoneInfo("Europe/Brussels")
    assert french.informed_collected_before == datetime(2026, 4, 14, tzinfo=zone)
    assert french.informed_before == datetime(2026, 7, 15, tzinfo=zone)
    assert french.opens_if_informed_since == swiss.opens_if_informed_since == now
    assert (swiss.informed_collected_before, swiss.informed_before) == (None, None)
