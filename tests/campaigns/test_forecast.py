"""The forecast says before sending who can be measured, and agrees with the decision for each person."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from itertools import product

import pytest
from django.core.management import CommandError, call_command

from campaigns.forecasts import Forecast, KindForecast, forecast
from campaigns.models import Email, EmailKind, Participation
from campaigns.selectors import audience_of
from common.tenancy import tenant
from consent.reasons import REASONS
from consent.rules import ChoiceValue, Level, Purpose, Reason
from consent.selectors import decisions_for
from participants.models import Participant
from tests.campaigns.world import make_campaign, make_email
from tests.support import world
from tests.support.cast import Cast
from tests.support.world import choose, make_participant, make_topic, make_website, subscribe_to
from websites.rules import EmailTracking

YES, NO, SILENT = ChoiceValue.YES, ChoiceValue.NO, None


@pytest.fixture
def email(cast: Cast, now: datetime) -> Email:
    """To two people of each country and pair of answers, on a website for Switzerland."""
    website = make_website(cast.bakery, cast.ana, country="CH", now=now)
    topic = make_topic(cast.bakery, website)
    everybody = product(("CH", "FR", "IT", "BE", "GB", ""), (YES, NO, SILENT), (YES, NO, SILENT), range(2))
    for number, (country, opens, clicks, _copy) in enumerate(everybody):
        person = make_participant(cast.bakery, f"p{number}@mail.example.org", country=country, now=now)
        subscribe_to(cast.bakery, person, topic, now=now)
        choose(cast.bakery, person, opens=opens, clicks=clicks, now=now)
    return make_email(cast.bakery, make_campaign(cast.bakery, website, now=now), topic, now=now)


def predict(cast: Cast, email: Email, now: datetime) -> Forecast:
    with tenant(cast.bakery.pk):
        email.campaign.website.refresh_from_db()
        return forecast(cast.bakery, email, now=now)


def reasons_of(kind: KindForecast) -> dict[tuple[Level, Reason], int]:
    return {(one.level, counted.reason): counted.people for one in kind.levels for counted in one.reasons}


def set_tracking(cast: Cast, email: Email, tracking: EmailTracking, now: datetime) -> None:
    world.set_tracking(cast.bakery, email.campaign.website, tracking, now=now)


@pytest.mark.parametrize("tracking", list(EmailTracking))
def test_it_counts_what_is_decided_for_each_person(
    cast: Cast, email: Email, tracking: EmailTracking, now: datetime
) -> None:
    set_tracking(cast, email, tracking, now)
    predicted = predict(cast, email, now)
    with tenant(cast.bakery.pk):
        people = list(audience_of(cast.bakery, email).values_list("pk", flat=True))
        decided = decisions_for(
            cast.bakery, email.campaign.website, people, purpose=Purpose.MARKETING, now=now
        ).values()
    assert predicted.total == len(people) == 108
    for kind, level, reason in (
        (predicted.opens, "opens", "opens_reason"),
        (predicted.clicks, "clicks", "clicks_reason"),
    ):
        measured = [one for one in decided if getattr(one.decision, level) is Level.INDIVIDUAL]
        reasons = Counter((getattr(one.decision, level), getattr(one.decision, reason)) for one in decided)
        assert kind.measured == len(measured)
        assert kind.total == 108
        assert reasons_of(kind) == reasons
    copies = Counter((one.decision.opens, one.decision.clicks) for one in decided)
    copies.setdefault((Level.NONE, Level.NONE), 0)
    assert {(copy.opens, copy.clicks): copy.people for copy in predicted.classes} == copies


def test_a_change_of_the_website_shows_at_once(cast: Cast, email: Email, now: datetime) -> None:
    assert predict(cast, email, now).opens.measured == 0
    assert reasons_of(predict(cast, email, now).opens) == {(Level.NONE, Reason.WEBSITE_NEVER_TRACKS): 108}
    set_tracking(cast, email, EmailTracking.BY_CONSENT, now)
    assert predict(cast, email, now).opens.measured == 36
    set_tracking(cast, email, EmailTracking.NEVER, now)
    assert predict(cast, email, now).opens.measured == 0


def test_an_empty_audience_is_nobody_and_not_an_error(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    email = make_email(
        cast.bakery, make_campaign(cast.bakery, website, now=now), make_topic(cast.bakery, website), now=now
    )
    predicted = predict(cast, email, now)
    assert predicted.total == predicted.opens.measured == predicted.clicks.not_measured == 0
    assert [(copy.opens, copy.people) for copy in predicted.classes] == [(Level.NONE, 0)]


def test_it_is_counted_by_country_too(cast: Cast, email: Email, now: datetime) -> None:
    set_tracking(cast, email, EmailTracking.ALWAYS, now)
    predicted = predict(cast, email, now)
    assert {one.country: one.people for one in predicted.countries} == dict.fromkeys(
        ("CH", "FR", "IT", "BE", "GB", "ZZ"), 18
    )
    by_country = {one.country: one for one in predicted.countries}
    assert by_country["CH"].opens == {Level.INDIVIDUAL: 12, Level.NONE: 6}
    assert by_country["FR"].opens == {Level.INDIVIDUAL: 6, Level.NONE: 12}
    assert by_country["ZZ"].name == "unknown country"


def test_c3_of_an_email_that_asks_for_consent_nothing_is_measured(cast: Cast, email: Email, now: datetime) -> None:
    set_tracking(cast, email, EmailTracking.ALWAYS, now)
    with tenant(cast.bakery.pk):
        Email.objects.filter(pk=email.pk).update(kind=EmailKind.CONSENT_REQUEST, purpose="transactional", topic=None)
        email.refresh_from_db()
        take = [Participation(organization=cast.bakery, campaign=email.campaign, participant=one, participated_at=now)
                for one in Participant.objects.all()]  # fmt: skip
        Participation.objects.bulk_create(take)
    predicted = predict(cast, email, now)
    assert predicted.total > 0
    assert reasons_of(predicted.opens) == {(Level.NONE, Reason.CONSENT_REQUEST): predicted.total}


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_the_command_says_the_same_as_json(
    cast: Cast, email: Email, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    set_tracking(cast, email, EmailTracking.BY_CONSENT, now)
    call_command("forecast", str(email.pk), organization="Bakery")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["total"], answer["email_tracking"]) == (108, "by_consent")
    counted = [one for level in answer["opens"].values() for one in level["reasons"]]
    assert sum(one["people"] for one in counted) == 108
    assert all(one["sentence"] == REASONS[Reason(one["reason"])] for one in counted)
    assert sum(one["people"] for one in answer["classes"]) == 108
    assert {one["country"]: one["people"] for one in answer["countries"]}["FR"] == 18
    with pytest.raises(CommandError, match="has no email"):
        call_command("forecast", str(email.pk), organization="Cinema")
    with pytest.raises(CommandError, match="no organization"):
        call_command("forecast", str(email.pk), organization="Nobody")
