"""What a website permits for the people of each country, since when, and what is decided from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_countries import countries

from accounts.models import Organization
from common.tenancy import tenant
from consent.columns import COMBINED
from consent.grounds import moment_column
from consent.models import Choice, LegalJustification
from consent.rules import ChoiceValue, Kind, Level, Permit, Purpose, Reason, Untracked, resolve_permission
from consent.selectors import (
    consent_columns,
    decisions_for,
    measured_now,
    people_abroad,
    people_in_france,
    website_state,
    why,
)
from consent.services import (
    apply_move,
    change_website_country,
    confirm_justification,
    propose_justification,
    publish_notice,
    refresh_permissions,
    withdraw_justification,
)
from consent.tasks import apply_ended_justifications
from participants.models import Participant
from tests.support import world
from tests.support.cast import Cast
from tests.support.world import choose, later, make_participant, make_topic, make_website, subscribe_to
from websites.models import MeasurementPermission, Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

ENDS = date(2027, 6, 30)


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


def row(website: Website, country: str) -> MeasurementPermission:
    return MeasurementPermission.objects.get(website=website, country=country)


def opens(website: Website, country: str) -> tuple[str, datetime | None, datetime | None]:
    one = row(website, country)
    # Every country in these tests rules opens and clicks alike.
    assert (one.opens_basis, one.opens_with_yes_since, one.opens_unless_no_since) == (
        one.clicks_basis,
        one.clicks_with_yes_since,
        one.clicks_unless_no_since,
    )
    return one.opens_basis, one.opens_with_yes_since, one.opens_unless_no_since


def set_tracking(cast: Cast, website: Website, tracking: str, *, now: datetime) -> None:
    world.set_tracking(cast.bakery, website, tracking, now=now)


def justify(cast: Cast, website: Website, codes: list[str], *, now: datetime, ends: date = ENDS) -> LegalJustification:
    proposed = propose_justification(
        cast.bakery, website, countries=codes, reason="counsel", ends_on=ends, author=cast.ana, now=now
    )
    return confirm_justification(cast.bakery, proposed, author=cast.dana, now=now, note="Seen")


# --- Rows -------------------------------------------------------------------------------------------------------------


def test_there_is_a_row_for_every_country_and_for_the_unknown_one(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now)
    codes = set(website.permissions.values_list("country", flat=True))
    assert codes == {"ZZ", *countries.countries}
    assert set(website.permissions.values_list("opens_basis", flat=True)) == {"never"}


@pytest.mark.parametrize("tracking", list(EmailTracking))
@pytest.mark.parametrize("named", [[], ["CH"], ["BE", "IT"], ["CH", "FR", "RE", "US"]])
def test_each_row_says_what_the_rules_say_of_its_country(
    bakery: Organization, cast: Cast, now: datetime, tracking: EmailTracking, named: list[str]
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=tracking)
    if named:
        justify(cast, website, named, now=now)
    state = website_state(bakery, website, now=now)
    assert {code for one in state.justifications for code in one.countries} == set(named)
    for one in website.permissions.all():
        country = "" if one.country == "ZZ" else one.country
        for kind in Kind:
            found = resolve_permission(state, participant_country=country, kind=kind, on=now.date())
            assert getattr(one, f"{kind}_basis") == found.basis
            for permit in Permit:
                column = moment_column(kind, permit)
                since = getattr(one, column) if column else None
                assert since == (now if permit in found.permits else None), (country, permit)


def test_s13_without_a_notice_nothing_is_permitted_and_with_one_it_begins(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, notice=False, tracking=EmailTracking.BY_CONSENT)
    assert opens(website, "BE") == ("no_notice", None, None)
    told = later(now, hours=1)
    publish_notice(bakery, website, language="en", text="We measure", url="https://x.example/", author=None, now=told)
    assert opens(website, "BE") == ("with_yes", told, None)


def test_h1_what_holds_on_keeps_its_moment_and_what_ends_begins_anew(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.BY_CONSENT)
    assert opens(website, "CH") == ("with_yes", now, None)

    looser = later(now, hours=1)
    set_tracking(cast, website, "always", now=looser)
    assert opens(website, "CH") == ("unless_no", now, looser)

    refresh_permissions(bakery, website, now=later(now, hours=2))
    assert opens(website, "CH") == ("unless_no", now, looser)

    set_tracking(cast, website, "by_consent", now=later(now, hours=3))
    assert opens(website, "CH") == ("with_yes", now, None)

    again = later(now, hours=4)
    set_tracking(cast, website, "always", now=again)
    assert opens(website, "CH") == ("unless_no", now, again)

    set_tracking(cast, website, "never", now=later(now, hours=5))
    assert opens(website, "CH") == ("never", None, None)
    back = later(now, hours=6)
    set_tracking(cast, website, "always", now=back)
    assert opens(website, "CH") == ("unless_no", back, back)


def test_s5_always_permits_without_a_yes_only_where_neither_country_asks_for_one(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    assert opens(website, "CH")[0] == "unless_no"
    for country in ("FR", "BE", "IT", "US", "ZZ"):
        assert opens(website, country) == ("with_yes_by_law", now, None)


def test_s7_a_justification_differs_by_country_and_ends_with_its_withdrawal(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="BE")
    justification = justify(cast, website, ["BE", "NL"], now=now)
    set_tracking(cast, website, "always", now=now)
    assert opens(website, "BE") == opens(website, "NL") == ("unless_no", now, now)
    assert opens(website, "FR") == opens(website, "LU") == ("with_yes_by_law", now, None)

    # Swiss people need not say yes by their own rule, and the justification covers the website's.
    assert opens(website, "CH")[0] == "unless_no"

    withdraw_justification(bakery, justification, author=cast.max, now=later(now, hours=1))
    assert Website.objects.get(pk=website.pk).email_tracking == "always"
    assert opens(website, "BE") == ("with_yes_by_law", now, None)

    again = later(now, hours=2)
    justify(cast, website, ["BE"], now=again)
    assert opens(website, "BE") == ("unless_no", now, again)
    assert opens(website, "NL") == ("with_yes_by_law", now, None)


def test_s7_a_proposal_alone_permits_nothing(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    propose_justification(bakery, website, countries=["FR"], reason="counsel", ends_on=ENDS, author=cast.ana, now=now)
    refresh_permissions(bakery, website, now=later(now, hours=1))
    assert opens(website, "FR") == ("with_yes_by_law", now, None)


def test_s5_the_declared_country_holds_for_people_of_unknown_country(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    assert opens(website, "ZZ")[0] == "with_yes_by_law"
    Website.objects.filter(pk=website.pk).update(declared_country="CH")
    refresh_permissions(bakery, website, now=later(now, hours=1))
    assert opens(website, "ZZ") == ("unless_no", now, later(now, hours=1))


def test_f2_a_website_that_becomes_french_permits_nothing_from_then_on(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    change_website_country(bakery, website, country="FR", author=cast.ana, reason="moved", now=later(now, hours=1))
    assert set(website.permissions.values_list("opens_basis", flat=True)) == {"never"}
    back = later(now, hours=2)
    set_tracking(cast, website, "by_consent", now=back)
    assert opens(website, "CH") == ("with_yes", back, None)


def test_s7_an_ended_justification_is_applied_by_the_task(cast: Cast) -> None:
    # The task asks the clock, so the days are relative to today.
    from django.utils import timezone

    begun = timezone.now() - timedelta(days=3)
    with tenant(cast.bakery.pk):
        website = make_website(cast.bakery, cast.ana, now=begun, country="BE")
        lasting = make_website(cast.bakery, cast.ana, now=begun, country="BE", name="Lasting")
        justify(cast, website, ["BE"], now=begun, ends=later(begun, days=1).date())
        justify(cast, lasting, ["BE"], now=begun, ends=later(begun, days=30).date())
        for one in (website, lasting):
            set_tracking(cast, one, "always", now=begun)
            assert opens(one, "BE")[0] == "unless_no"
    assert apply_ended_justifications() == 1
    with tenant(cast.bakery.pk):
        assert opens(website, "BE") == ("with_yes_by_law", begun, None)
        assert opens(lasting, "BE") == ("unless_no", begun, begun)
    assert apply_ended_justifications() == 0


# --- Decisions --------------------------------------------------------------------------------------------------------


def decide(
    cast: Cast, website: Website, person: Participant, *, now: datetime, untracked: Untracked | None = None
) -> tuple[str, Reason, str, Reason]:
    found = decisions_for(cast.bakery, website, [person.pk], purpose=Purpose.MARKETING, now=now, untracked=untracked)[
        person.pk
    ]
    decision = found.decision
    return decision.opens, decision.opens_reason, decision.clicks, decision.clicks_reason


def test_the_decision_of_each_person_with_its_reason_in_one_query(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="BE", tracking=EmailTracking.BY_CONSENT)
    people = {
        name: make_participant(bakery, f"{name}@home.example", now=now, country=country)
        for name, country in (("yes", "BE"), ("no", "FR"), ("silent", "CH"), ("half", ""))
    }
    choose(bakery, people["yes"], now=now, opens=ChoiceValue.YES, clicks=ChoiceValue.YES)
    choose(bakery, people["no"], now=now, opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    choose(bakery, people["half"], now=now, opens=ChoiceValue.NO, clicks=ChoiceValue.YES)
    stranger = make_participant(cast.cinema, "yes@home.example", now=now)

    with CaptureQueriesContext(connection) as queries:
        found = decisions_for(
            bakery,
            website,
            [person.pk for person in people.values()] + [stranger.pk],
            purpose=Purpose.MARKETING,
            now=later(now, hours=1),
        )
    assert len(queries) == 1
    by_name = {name: found.pop(person.pk) for name, person in people.items()}
    assert found == {}
    assert {name: (one.decision.opens_reason, one.decision.clicks_reason) for name, one in by_name.items()} == {
        "yes": (Reason.PERSON_SAID_YES, Reason.PERSON_SAID_YES),
        "no": (Reason.PERSON_SAID_NO, Reason.PERSON_SAID_NO),
        "silent": (Reason.NO_ANSWER, Reason.NO_ANSWER),
        "half": (Reason.PERSON_SAID_NO, Reason.PERSON_SAID_YES),
    }
    assert by_name["half"].decision.clicks is Level.INDIVIDUAL
    assert {name: one.country for name, one in by_name.items()} == {
        "yes": "BE",
        "no": "FR",
        "silent": "CH",
        "half": "ZZ",
    }
    version = website.tracking_versions.first()
    assert {one.tracking_version_id for one in by_name.values()} == {version.pk if version else None}


def test_a_copy_decided_before_the_permission_began_is_not_measured(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    person = make_participant(bakery, "zoe@home.example", now=now, country="CH")
    assert decide(cast, website, person, now=now)[0] == Level.INDIVIDUAL
    assert decide(cast, website, person, now=later(now, seconds=-1))[1] == Reason.PERMISSION_BEGAN_LATER


def test_a_country_that_no_list_knows_permits_nothing(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    person = make_participant(bakery, "zoe@home.example", now=now, country="QQ")
    assert decide(cast, website, person, now=now)[:2] == (Level.NONE, Reason.COUNTRY_ASKS_FOR_YES)
    choose(bakery, person, now=now, opens=ChoiceValue.YES)
    assert decide(cast, website, person, now=now)[:2] == (Level.NONE, Reason.PERMISSION_BEGAN_LATER)


def test_s14_test_sends_and_previews_are_never_measured(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    person = make_participant(bakery, "zoe@home.example", now=now, country="CH")
    for untracked in Untracked:
        assert decide(cast, website, person, now=now, untracked=untracked)[:2] == (Level.NONE, untracked.value)


def test_h1_moving_away_and_back_leaves_older_copies_silent(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    person = make_participant(bakery, "zoe@home.example", now=now, country="CH")
    moved = later(now, hours=1)
    apply_move(bakery, [person.pk], now=moved)
    assert decide(cast, website, person, now=later(now, minutes=59))[1] == Reason.PERMISSION_BEGAN_LATER
    assert decide(cast, website, person, now=moved)[0] == Level.INDIVIDUAL


# --- Pages ------------------------------------------------------------------------------------------------------------


def test_why_names_every_website_and_the_sentence(bakery: Organization, cast: Cast, now: datetime) -> None:
    make_website(bakery, cast.ana, now=now, name="B silent")
    make_website(bakery, cast.ana, now=now, name="A swiss", country="CH", tracking=EmailTracking.ALWAYS)
    make_website(cast.cinema, cast.cleo, now=now, name="Films")
    person = make_participant(bakery, "zoe@home.example", now=now, country="CH")
    rows = why(bakery, person, now=now)
    assert [(one.website.name, one.opens, one.clicks) for one in rows] == [
        ("A swiss", Level.INDIVIDUAL, Level.INDIVIDUAL),
        ("B silent", Level.NONE, Level.NONE),
    ]
    assert "Never track" in str(rows[1].opens_sentence)
    assert "has not refused" in str(rows[0].clicks_sentence)


def test_the_columns_of_exports(bakery: Organization, cast: Cast, now: datetime) -> None:
    person = make_participant(bakery, "zoe@home.example", now=now)
    assert set(consent_columns(None).values()) == {""}
    choose(bakery, person, now=now, opens=ChoiceValue.YES, clicks=ChoiceValue.NO)
    columns = consent_columns(Choice.objects.get(participant=person))
    assert sorted(columns.values()) == ["no", "opens", "yes"]
    assert columns[COMBINED] == "opens"


def subscribers(bakery: Organization, website: Website, *codes: str, now: datetime) -> None:
    topic = make_topic(bakery, website, name=uuid4().hex)
    for code in codes:
        person = make_participant(bakery, f"{uuid4().hex}@home.example", now=now, country=code)
        subscribe_to(bakery, person, topic, now=now)


def test_people_in_france_of_a_website_outside_are_flagged_with_the_numbers(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    belgian = make_website(bakery, cast.ana, now=now, name="Belgian", country="BE")
    french = make_website(bakery, cast.ana, now=now, name="French", country="FR")
    quiet = make_website(bakery, cast.ana, now=now, name="Quiet", country="BE")
    subscribers(bakery, belgian, "FR", "RE", "MC", "BE", "", now=now)
    subscribers(bakery, french, "FR", now=now)
    subscribers(bakery, quiet, "BE", now=now)

    assert people_in_france(bakery) == {belgian.pk: 2}
    warning = people_abroad(bakery, belgian, now=now)
    assert warning is not None
    assert (warning.in_france, warning.elsewhere) == (2, 0)
    assert people_abroad(bakery, french, now=now) is None
    assert people_abroad(bakery, quiet, now=now) is None


def test_people_in_stricter_countries_are_flagged_where_the_website_s_own_asks_for_no_yes(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    swiss = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    subscribers(bakery, swiss, "CH", "BE", "BE", "IT", "FR", now=now)
    warning = people_abroad(bakery, swiss, now=now)
    assert warning is not None
    assert (warning.in_france, warning.elsewhere, warning.elsewhere_names) == (1, 3, "Belgium, Italy")


def test_email_tracking_now_groups_the_people_that_are_there(bakery: Organization, cast: Cast, now: datetime) -> None:
    swiss = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    nobody_yet = measured_now(bakery, swiss)
    assert [(group.countries, group.people) for group in nobody_yet] == [("Switzerland", 0)]
    subscribers(bakery, swiss, "CH", "CH", "BE", "IT", "", now=now)
    groups = measured_now(bakery, swiss)
    assert [(group.countries, group.people) for group in groups] == [
        ("Switzerland", 2),
        ("unknown country, Belgium, Italy", 3),
    ]
    assert "except people who refused" in str(groups[0].opens)
    assert "said yes" in str(groups[1].clicks)
