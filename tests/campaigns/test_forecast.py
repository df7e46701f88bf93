"""The forecast says before sending who can be measured, and agrees with the decision for each person."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import product

import pytest

from campaigns.models import Email
from campaigns.selectors import Forecast, audience_of, forecast
from common.tenancy import tenant
from consent.reasons import REASONS
from consent.rules import ChoiceValue, Level, Purpose, Reason
from consent.selectors import decisions_for
from consent.services import change_email_tracking
from tests.campaigns.world import make_campaign, make_email
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


def set_tracking(cast: Cast, email: Email, tracking: EmailTracking, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        change_email_tracking(
            cast.bakery, email.campaign.website, tracking=tracking, author=cast.ana, reason="test", now=now
        )


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
        reasons = Counter(REASONS[getattr(one.decision, reason)] for one in decided)
        assert kind.measured == len(measured)
        assert kind.not_measured == 108 - len(measured)
        assert dict(kind.measured_reasons) | dict(kind.not_measured_reasons) == reasons
    copies = Counter((one.decision.opens, one.decision.clicks) for one in decided)
    copies.setdefault((Level.NONE, Level.NONE), 0)
    assert {(copy.opens, copy.clicks): copy.people for copy in predicted.classes} == copies


def test_a_change_of_the_website_shows_at_once(cast: Cast, email: Email, now: datetime) -> None:
    assert predict(cast, email, now).opens.measured == 0
    assert predict(cast, email, now).opens.not_measured_reasons == [(REASONS[Reason.WEBSITE_NEVER_TRACKS], 108)]
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
