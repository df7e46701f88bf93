"""The preview and the page that sends an email, as a marketer uses them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Email, Launch
from common.tenancy import tenant
from delivery.models import Mailing, Message
from tests.campaigns.console import address, said, signed_in
from tests.campaigns.world import MakePerson
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """Pages ask the clock themselves."""
    return timezone.now() - timedelta(hours=1)


@pytest.fixture
def max_(cast: Cast) -> Client:
    return signed_in(cast.max)


# --- Preview ----------------------------------------------------------------------------------------------------------


def test_the_preview_shows_copies_in_frames_that_can_do_nothing(
    cast: Cast, email: Email, subscriber: MakePerson, max_: Client
) -> None:
    person = subscriber("sue")
    page = max_.get(address(email, "preview"), {"person": person.pk}).content.decode()
    frame = address(email, "preview_copy", "none")
    assert f'sandbox="allow-popups allow-popups-to-escape-sandbox" src="{frame}?person={person.pk}"' in page
    assert "Bread for Sue" in page
    assert "the website is set to Never track" in page
    copy = max_.get(frame, {"person": person.pk})
    assert "Hello Sue" in copy.content.decode()
    policy = copy["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data: https: http")
    assert "frame-ancestors 'self'" in policy
    assert "sandbox allow-popups" in policy
    assert "script" not in policy
    assert copy["X-Frame-Options"] == "SAMEORIGIN"
    assert copy["Cache-Control"].startswith("no-store")


def test_the_preview_finds_people_by_their_whole_address(
    cast: Cast, email: Email, subscriber: MakePerson, max_: Client
) -> None:
    subscriber("sue")
    found = max_.get(address(email, "preview"), {"address": "Sue@mail.example.org"})
    assert "Bread for Sue" in found.content.decode()
    unknown = max_.get(address(email, "preview"), {"address": "nobody@mail.example.org"})
    assert "Nobody of yours has this address" in unknown.content.decode()
    assert "Bread for Camille" in unknown.content.decode()


def test_an_email_that_cannot_be_read_has_a_preview_that_says_so(cast: Cast, email: Email, max_: Client) -> None:
    with tenant(cast.bakery.pk):
        Email.objects.update(body="<mjml>")
    assert "This email cannot be shown yet." in max_.get(address(email, "preview")).content.decode()
    assert max_.get(address(email, "preview_copy", "none")).status_code == 404
    assert max_.get(address(email, "preview_copy", "x")).status_code == 404


# --- Sending ----------------------------------------------------------------------------------------------------------


def test_sending_shows_first_who_gets_it_and_who_is_measured(
    cast: Cast, email: Email, subscriber: MakePerson, max_: Client
) -> None:
    subscriber("sue")
    page = max_.get(address(email, "send")).content.decode()
    assert '<strong id="audience-count">1</strong>' in page
    assert "the website is set to Never track" in page
    with tenant(cast.bakery.pk):
        assert not Launch.objects.exists()


def test_now_sends_now_and_leads_to_the_report(cast: Cast, email: Email, subscriber: MakePerson, max_: Client) -> None:
    subscriber("sue")
    response = max_.post(address(email, "send"), {"when": "now", "launches_seen": "0"})
    with tenant(cast.bakery.pk):
        launch = Launch.objects.get()
        assert Message.objects.count() == 1
    assert response["Location"] == reverse("admin:reporting_launch", args=[launch.pk])
    assert launch.launched_by == cast.max
    again = max_.post(address(email, "send"), {"when": "now", "launches_seen": "0"})
    assert again.status_code == 422
    assert "It was sent in the meantime, by Max" in again.content.decode()


def test_a_time_is_read_on_the_organizations_clock(
    cast: Cast, email: Email, subscriber: MakePerson, max_: Client
) -> None:
    subscriber("sue")
    day = (timezone.now() + timedelta(days=30)).date()
    form = {"when": "later", "starts_at": f"{day}T09:30", "launches_seen": "0"}
    assert max_.post(address(email, "send"), form).status_code == 302
    with tenant(cast.bakery.pk):
        mailing = Mailing.objects.get()
        assert not Message.objects.exists()
    assert f"{mailing.not_before.astimezone(ZoneInfo('Europe/Brussels')):%H:%M}" == "09:30"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Give the day and the time."),
        ("tomorrow", "Give the day and the time."),
        ("2026-12-01T09:00+01:00", "Give the day and the time."),
        ("0001-01-01T00:00", "Give the day and the time."),
        ("2020-01-01T09:00", "This time has passed."),
        ("2027-03-28T02:30", "this time does not exist"),
        ("2999-01-01T09:00", "within a year"),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    cast: Cast, email: Email, subscriber: MakePerson, max_: Client, text: str, message: str
) -> None:
    subscriber("sue")
    response = max_.post(address(email, "send"), {"when": "later", "starts_at": text, "launches_seen": "0"})
    assert response.status_code == 422
    assert message in response.content.decode()
    with tenant(cast.bakery.pk):
        assert not Launch.objects.exists()


def test_what_stands_in_the_way_is_listed_and_nothing_is_sent(cast: Cast, email: Email, max_: Client) -> None:
    with tenant(cast.bakery.pk):
        Email.objects.update(subject="{{ x }}")
    assert "This has to be put right" in max_.get(address(email, "send")).content.decode()
    response = max_.post(address(email, "send"), {"when": "now", "launches_seen": "0"})
    assert response.status_code == 422
    assert "Nothing was sent." in response.content.decode()
    assert "There is no variable “x”" in response.content.decode()
    with tenant(cast.bakery.pk):
        assert not Launch.objects.exists()


# --- To one person ----------------------------------------------------------------------------------------------------


def receipt(cast: Cast, email: Email, now: datetime) -> Email:
    body = "<html><body><p>Hello {{ first_name }}, order {{ data.order }}</p></body></html>"
    with tenant(cast.bakery.pk):
        changes = {"purpose": "transactional", "topic": None, "body": body, "body_format": "html"}
        Email.objects.filter(pk=email.pk).update(**changes)
        return Email.objects.get(pk=email.pk)


def test_a_member_sends_an_email_to_one_person(
    cast: Cast, email: Email, player: MakePerson, max_: Client, now: datetime
) -> None:
    pia, order = player("pia"), receipt(cast, email, now)
    assert address(order, "one") in max_.get(address(order)).content.decode()
    page = max_.get(address(order, "one"))
    assert page.status_code == 200
    assert 'name="data-order"' in page.content.decode()
    form = {"address": pia.email.upper(), "data-order": "A-7", "key": page.context["key"]}
    for _twice in range(2):
        response = max_.post(address(order, "one"), form)
        assert response.status_code == 302
    assert "It is being sent to pia@mail.example.org." in said(response)
    with tenant(cast.bakery.pk):
        message = Message.objects.select_related("call", "mailing").get()
        assert (message.participant_id, message.call.data) == (pia.pk, {"order": "A-7"})
        assert message.mailing.urgent
        assert Launch.objects.get().launched_by == cast.max


def test_the_page_says_why_nothing_was_sent(
    cast: Cast, email: Email, subscriber: MakePerson, max_: Client, now: datetime
) -> None:
    sue = subscriber("sue")
    assert address(email, "one") not in max_.get(address(email)).content.decode()
    refused = max_.post(address(email, "one"), {"person": sue.pk})
    assert refused.status_code == 422
    assert "Marketing goes to the people who subscribed" in refused.content.decode()
    order = receipt(cast, email, now)
    nobody = max_.post(address(order, "one"), {"address": "nobody@else.example", "data-order": "<A>"})
    assert nobody.status_code == 422
    assert "Choose a person" in nobody.content.decode()
    assert 'value="&lt;A&gt;"' in nobody.content.decode()
    with tenant(cast.bakery.pk):
        assert not Message.objects.exists()


def test_only_who_may_send_reaches_the_page(cast: Cast, email: Email, max_: Client) -> None:
    assert signed_in(cast.dana).get(address(email, "one")).status_code == 403
    assert signed_in(cast.cleo).get(address(email, "one")).status_code == 404
