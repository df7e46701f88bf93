"""Versions of an A/B test are looked at before they are sent: in the preview, side by side, and as a test."""

from __future__ import annotations

from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.audiences import save_test_group
from campaigns.forecasts import decided_for, forecast
from campaigns.models import Email, TrialGroup
from campaigns.variants import Plan, Wording, save_test
from common.tenancy import tenant
from consent.rules import ChoiceValue, Level, Measurement, Reason
from consent.services import publish_notice
from delivery.models import ServiceMessage
from participants.models import Participant
from tests.campaigns.console import address, said, signed_in
from tests.campaigns.world import BODY, MakePerson
from tests.support.cast import Cast
from tests.support.world import choose, loosen, make_website, set_tracking
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db
OTHER = Wording(subject="Spelt for {{ first_name }}", body=BODY.replace("our rye", "our own oven"))


@pytest.fixture
def now() -> datetime:
    """Pages ask the clock themselves."""
    return timezone.now() - timedelta(hours=1)


@pytest.fixture
def max_(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> Client:
    """Of an email with a test of two versions, of which the first is the email as it is."""
    set_tracking(cast.bakery, email.campaign.website, EmailTracking.BY_CONSENT, now=now)
    choose(cast.bakery, subscriber("yes"), opens=ChoiceValue.YES, clicks=ChoiceValue.YES, now=now)
    choose(cast.bakery, subscriber("no"), opens=ChoiceValue.NO, clicks=ChoiceValue.NO, now=now)
    with tenant(cast.bakery.pk):
        save_test(cast.bakery, email, Plan(), [Wording(), OTHER], author=cast.max, now=now)
    return signed_in(cast.max)


def shown(client: Client, email: Email, name: str, *more: str, version: str = "") -> str:
    return client.get(address(email, name, *more), {"version": version} if version else {}).content.decode()


def test_a_preview_shows_the_version_that_is_chosen_and_first_the_email_itself(email: Email, max_: Client) -> None:
    first, other = shown(max_, email, "preview"), shown(max_, email, "preview", version="B")
    assert '<dd id="preview-subject">Bread for Camille</dd>' in first
    assert '<dd id="preview-subject">Spelt for Camille</dd>' in other
    assert '<option value="B" selected>' in other
    assert "preview/none/?version=B" in other
    assert "our own oven" not in shown(max_, email, "preview_copy", "none")
    assert "our own oven" in shown(max_, email, "preview_copy", "none", version="B")
    assert f"{address(email, 'compare')}?version=B" in other


def test_an_email_without_a_test_has_nothing_to_choose(cast: Cast, email: Email) -> None:
    client = signed_in(cast.max)
    for page in ("preview", "compare", "send"):
        assert 'name="version"' not in shown(client, email, page), page


def test_the_messages_of_a_version_are_compared_and_downloaded(email: Email, max_: Client) -> None:
    page = shown(max_, email, "compare", version="B")
    assert "our own oven" in page
    assert f"{address(email, 'message', 'both')}?version=B" in page
    assert "our own oven" not in shown(max_, email, "compare")
    answer = max_.get(address(email, "message", "both"), {"version": "B"})
    assert answer["Content-Disposition"].endswith(f'email-{email.pk}-B-both.eml"')
    message = message_from_bytes(answer.content, policy=default)
    assert message["Subject"] == "Spelt for Yes"


def test_a_version_is_sent_as_a_test_and_says_which_it_is(
    cast: Cast, email: Email, max_: Client, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        group = save_test_group(cast.bakery, TrialGroup(name="Editors"), ["max@bread.example"], now=now)
    for version in ("", "B"):
        answer = max_.post(address(email, "test"), {"group": group.pk, "version": version})
        assert "A test is on its way to 1 address." in said(answer)
    with tenant(cast.bakery.pk):
        first, other = ServiceMessage.objects.order_by("pk")
    assert message_from_bytes(bytes(first.mime or b""), policy=default)["Subject"] == "[Test] Bread for Camille"
    assert message_from_bytes(bytes(other.mime or b""), policy=default)["Subject"] == "[Test B] Spelt for Camille"
    assert "Test of “November (B)”" in shown(max_, email, "send")


def test_a_version_that_is_not_there_is_not_found_and_nothing_else_is_sent_for_it(
    cast: Cast, email: Email, max_: Client, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        group = save_test_group(cast.bakery, TrialGroup(name="Editors"), ["max@bread.example"], now=now)
    for page in (["preview"], ["preview_copy", "none"], ["compare"], ["message", "none"]):
        assert max_.get(address(email, *page), {"version": "C"}).status_code == 404, page
    assert max_.post(address(email, "test"), {"group": group.pk, "version": "C"}).status_code == 404
    with tenant(cast.bakery.pk):
        assert not ServiceMessage.objects.exists()


def test_s9_a_version_is_shown_without_totals_that_name_nobody(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    swiss = make_website(
        cast.bakery, cast.ana, now=now, name="Swiss bread", country="CH", tracking=EmailTracking.BY_CONSENT
    )
    with tenant(cast.bakery.pk):
        publish_notice(
            cast.bakery, swiss, language="en", text="All that we measure.", url="https://bread.example/privacy",
            author=cast.ana, now=now, covers=list(Measurement),
        )  # fmt: skip
    loosen(cast.bakery, swiss, now=now, opens_fallback="anonymous", clicks_fallback="anonymous")
    person = subscriber("heidi")
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=person.pk).update(country="CH")
        email.campaign.website = swiss
        later = timezone.now()
        itself = forecast(cast.bakery, email, now=later)
        version = forecast(cast.bakery, email, now=later, is_version=True)
        decided = decided_for(cast.bakery, email, [person.pk], now=later, is_version=True)[person.pk].decision
    assert itself.clicks.people(Level.ANONYMOUS) == 1
    assert version.clicks.people(Level.ANONYMOUS) == 0
    assert decided.clicks_reason == Reason.VERSION_OF_A_TEST
