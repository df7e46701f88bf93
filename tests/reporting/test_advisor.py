"""The website advisor: each thing that stands between a website and its settings is said, with the way to its cure."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Organization
from campaigns.models import Campaign, Participation
from common.tenancy import tenant
from consent.services import (
    confirm_justification,
    propose_change,
    propose_justification,
    publish_consent_text,
    publish_notice,
    stop_measuring,
)
from intake.models import EntryForm, FormField
from participants.models import Participant
from reporting.advisor import Advice, Topic, advise
from tests.support.cast import Cast
from tests.support.world import later, loosen, make_participant, make_topic, make_website, subscribe_to
from websites.models import Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)


def found(organization: Organization, topic: Topic, *, now: datetime) -> list[Advice]:
    with tenant(organization.pk):
        return [one for one in advise(organization, now=now) if one.topic == topic]


def subscribe(cast: Cast, website: Website, now: datetime, *countries: str, locale: str = "en") -> None:
    topic = make_topic(cast.bakery, website)
    for number, country in enumerate(countries):
        person = make_participant(cast.bakery, f"p{number}@home.example", now=now, country=country, locale=locale)
        subscribe_to(cast.bakery, person, topic, now=now)


def test_a_website_in_order_needs_nothing(cast: Cast, website: Website, now: datetime) -> None:
    subscribe(cast, website, now, "CH")
    with tenant(cast.bakery.pk):
        assert advise(cast.bakery, now=now) == []


def test_s7_people_in_countries_that_ask_for_a_yes_are_counted(cast: Cast, website: Website, now: datetime) -> None:
    subscribe(cast, website, now, "FR", "FR", "IT", "CH")
    (one,) = found(cast.bakery, Topic.ASKS_FOR_YES, now=now)
    assert "3 people in countries that ask for a yes: France 2, Italy 1" in one.sentence
    assert one.link.endswith(f"/{website.pk}/change/")
    with tenant(cast.bakery.pk):
        justification = propose_justification(
            cast.bakery, website, countries=["FR", "IT"], reason="x", ends_on=later(now, days=20).date(),
            author=cast.ana, now=now,
        )  # fmt: skip
        confirm_justification(cast.bakery, justification, author=cast.dana, now=now, note="Seen")
    assert found(cast.bakery, Topic.ASKS_FOR_YES, now=now) == []
    (ending,) = found(cast.bakery, Topic.JUSTIFICATION_ENDS, now=now)
    assert "ends in 20 days" in ending.sentence
    assert found(cast.bakery, Topic.JUSTIFICATION_ENDS, now=now - timedelta(days=11)) == []


def test_s7_people_who_only_took_part_are_counted_too_and_nobody_twice(
    cast: Cast, website: Website, now: datetime
) -> None:
    subscribe(cast, website, now, "FR", "CH")
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=website, name="Quiz", created_at=now)
        player = make_participant(cast.bakery, "player@home.example", now=now, country="IT")
        people = [player, *Participant.objects.filter(email__in=["p0@home.example", "p1@home.example"])]
        for person in people:
            Participation.objects.create(
                organization=cast.bakery, campaign=campaign, participant=person, participated_at=now
            )
    (one,) = found(cast.bakery, Topic.ASKS_FOR_YES, now=now)
    assert "2 people in countries that ask for a yes: France 1, Italy 1" in one.sentence


def test_s13_missing_notices_and_languages_lead_to_the_notice(cast: Cast, website: Website, now: datetime) -> None:
    subscribe(cast, website, now, "CH", "CH", locale="it-CH")
    (one,) = found(cast.bakery, Topic.WORDING_MISSING, now=now)
    assert "2 people read Italian" in one.sentence
    assert one.link.endswith("/notice/?language=it")
    loosen(cast.bakery, website, now=now, opens_fallback="last_open_day")
    (missing,) = found(cast.bakery, Topic.NO_NOTICE, now=now)
    assert "Day of the last open" in missing.sentence
    with tenant(cast.bakery.pk):
        for language in ("en", "it"):
            publish_notice(
                cast.bakery, website, language=language, text="x", url="https://bread.example/", author=cast.max,
                now=now, covers=["opens", "clicks", "last_open_day"],
            )  # fmt: skip
    assert found(cast.bakery, Topic.NO_NOTICE, now=now) == found(cast.bakery, Topic.WORDING_MISSING, now=now) == []


def test_stops_and_proposals_are_listed_first(cast: Cast, website: Website, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        propose_change(
            cast.bakery, website, kind="for_professionals", wanted={"for_professionals": True}, reason="x",
            author=cast.ana, now=now,
        )  # fmt: skip
        stop_measuring(cast.bakery, website, author=cast.dana, reason="x", now=now)
        assert [one.topic for one in advise(cast.bakery, now=now)] == [Topic.STOPPED, Topic.WAITING]


def test_forms_without_a_consent_question_or_its_wording(cast: Cast, website: Website, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=website, name="Quiz")
        form = EntryForm.objects.create(
            organization=cast.bakery, campaign=campaign, languages=["en", "it"], published_at=now
        )
    (one,) = found(cast.bakery, Topic.FORM_WITHOUT_CONSENT, now=now)
    assert "“Quiz” does not ask for tracking consent" in one.sentence
    with tenant(cast.bakery.pk):
        FormField.objects.create(
            organization=cast.bakery, form=form, position=1, kind="tracking", name="tracking",
            wordings={"en": {"both": 1}},
        )  # fmt: skip
    assert found(cast.bakery, Topic.FORM_WITHOUT_CONSENT, now=now) == []
    (missing,) = found(cast.bakery, Topic.WORDING_MISSING, now=now)
    assert "Italian" in missing.sentence
    with tenant(cast.bakery.pk):
        EntryForm.objects.update(published_at=None)
    assert found(cast.bakery, Topic.WORDING_MISSING, now=now) == []


def test_c5_people_are_asked_in_a_language_that_they_read(cast: Cast, website: Website, now: datetime) -> None:
    """The consent texts as published count; without any, those of the preference centre."""
    with tenant(cast.bakery.pk):
        for language in ("en", "it", "pl"):
            publish_notice(
                cast.bakery, website, language=language, text="x", url="https://bread.example/", author=cast.max,
                now=now,
            )  # fmt: skip
    topic = make_topic(cast.bakery, website)
    for number, locale in enumerate(("it-CH", "it", "pl", "en", "")):
        person = make_participant(cast.bakery, f"p{number}@home.example", now=now, country="CH", locale=locale)
        subscribe_to(cast.bakery, person, topic, now=now)
    (one,) = found(cast.bakery, Topic.WORDING_MISSING, now=now)
    assert "1 person reads Polish, and is asked for tracking consent only in: Dutch, English, French" in one.sentence

    def ask(language: str, asks_for: list[str], on: Website | None = website) -> None:
        publish_consent_text(
            cast.bakery, website=on, language=language, place="form", text=f"May we? {language}", asks_for=asks_for,
            author=cast.max, now=now,
        )  # fmt: skip

    ask("en", ["opens", "clicks"])
    ask("it", ["subscription:1"])
    ask("it", ["opens"], make_website(cast.bakery, cast.ana, now=now, name="Other", country="CH"))
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=website, name="Quiz")
        form = EntryForm.objects.create(organization=cast.bakery, campaign=campaign, languages=["en"], published_at=now)
        FormField.objects.create(
            organization=cast.bakery, form=form, position=1, kind="tracking", name="tracking",
            wordings={"en": {"both": 1}},
        )  # fmt: skip
    advice = found(cast.bakery, Topic.WORDING_MISSING, now=now)
    assert [one.sentence for one in advice] == [
        "2 people read Italian, and are asked for tracking consent only in: English.",
        "1 person reads Polish, and is asked for tracking consent only in: English.",
    ]
    assert {one.link for one in advice} == {f"/console/campaigns/campaign/{campaign.pk}/change/"}
    ask("it", ["opens", "clicks"])
    ask("pl", ["clicks"])
    assert found(cast.bakery, Topic.WORDING_MISSING, now=now) == []


def test_the_pages_show_it_and_a_stranger_sees_none_of_it(cast: Cast, website: Website, now: datetime) -> None:
    subscribe(cast, website, now, "FR")
    client = Client()
    client.force_login(cast.ben)
    said = "1 person in a country that asks for a yes: France 1"
    assert said in client.get("/console/advisor/").content.decode()
    assert said in client.get(f"/console/websites/website/{website.pk}/change/").content.decode()
    client.force_login(cast.cleo)
    assert "Nothing to see to" in client.get("/console/advisor/").content.decode()
