"""Exempt purposes: without a second person's approval the email is sent and not measured (rule S6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from campaigns.exemptions import approve_exemption, propose_exemption, withdraw_exemption
from campaigns.models import Email, Exemption
from campaigns.selectors import is_exempt_approved
from campaigns.services import launch_email, save_email
from common.tenancy import tenant
from consent.services import PolicyRefused
from tests.campaigns.world import make_campaign, make_email, players_of
from tests.support.cast import Cast
from tests.support.world import make_topic, make_website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db


@pytest.fixture
def email(cast: Cast, now: datetime) -> Email:
    website = make_website(cast.bakery, cast.ana, now=now, tracking=EmailTracking.BY_CONSENT)
    campaign = make_campaign(cast.bakery, website, now=now)
    players_of(cast.bakery, campaign, now=now)("zoe")
    email = make_email(cast.bakery, campaign, make_topic(cast.bakery, website), now=now)
    return change(cast, email, now, purpose="authentication")


def change(cast: Cast, email: Email, now: datetime, **fields: str) -> Email:
    with tenant(cast.bakery.pk):
        current = Email.objects.select_related("campaign", "topic").get(pk=email.pk)
        for name, value in fields.items():
            setattr(current, name, value)
        return save_email(cast.bakery, current, now=now)


def counts(cast: Cast, email: Email) -> bool:
    with tenant(cast.bakery.pk):
        return is_exempt_approved(cast.bakery, Email.objects.get(pk=email.pk))


def ask(cast: Cast, email: Email, now: datetime, author: User | None = None) -> Exemption:
    with tenant(cast.bakery.pk):
        return propose_exemption(cast.bakery, email, reason="A code to sign in", author=author or cast.max, now=now)


def approve(cast: Cast, email: Email, now: datetime) -> Exemption:
    exemption = ask(cast, email, now)
    with tenant(cast.bakery.pk):
        return approve_exemption(cast.bakery, exemption, author=cast.dana, now=now)


def test_s6_it_counts_only_once_a_second_person_approved(cast: Cast, email: Email, now: datetime) -> None:
    assert not counts(cast, email)
    exemption = ask(cast, email, now)
    assert not counts(cast, email)
    with tenant(cast.bakery.pk):
        for author in (cast.max, cast.ben):
            with pytest.raises(PolicyRefused):
                approve_exemption(cast.bakery, exemption, author=author, now=now)
        approve_exemption(cast.bakery, exemption, author=cast.dana, now=now, note="Nothing but the code.")
    assert counts(cast, email)


def test_s6_whoever_asks_does_not_approve(cast: Cast, email: Email, now: datetime) -> None:
    exemption = ask(cast, email, now, author=cast.ana)
    with tenant(cast.bakery.pk), pytest.raises(PolicyRefused, match="second person"):
        approve_exemption(cast.bakery, exemption, author=cast.ana, now=now + timedelta(days=2), note="Sure")


@pytest.mark.parametrize(
    "fields", [{"body": "<p>And our offers</p>"}, {"subject": "Offers"}, {"purpose": "legal_notice"}]
)
def test_s6_editing_drops_the_approval_for_good(
    cast: Cast, email: Email, now: datetime, fields: dict[str, str]
) -> None:
    approve(cast, email, now)
    before = {name: getattr(email, name) for name in fields}
    change(cast, email, now, **fields)
    assert not counts(cast, email)
    change(cast, email, now, **before)
    assert not counts(cast, email)


def test_s6_another_name_is_the_same_email(cast: Cast, email: Email, now: datetime) -> None:
    approve(cast, email, now)
    change(cast, email, now, name="Code")
    assert counts(cast, email)


def test_s6_other_purposes_cannot_be_exempt(cast: Cast, email: Email, now: datetime) -> None:
    transactional = change(cast, email, now, purpose="transactional")
    with pytest.raises(PolicyRefused, match="not exempt"):
        ask(cast, transactional, now)


def test_s6_the_launch_carries_what_was_approved_and_a_withdrawal_reaches_what_is_queued(
    cast: Cast, email: Email, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        launches = [launch_email(cast.bakery, email, author=cast.max, now=now)]
    exemption = approve(cast, email, now)
    with tenant(cast.bakery.pk):
        launches.append(launch_email(cast.bakery, email, author=cast.max, now=now))
        assert [launch.mailing.exempt_approved for launch in launches] == [False, True]
        withdraw_exemption(cast.bakery, exemption, author=cast.max, now=now)
        launches[1].mailing.refresh_from_db()
        assert launches[1].mailing.exempt_approved is False
    assert not counts(cast, email)


ALLOWED = {
    "ask": {"ana", "max"},
    "approve": {"ana", "dana"},
    "decline": {"ana", "dana"},
    "withdraw": {"ana", "max", "dana"},
}


@pytest.mark.parametrize("step", list(ALLOWED))
@pytest.mark.parametrize("name", ["ana", "max", "dana", "ben"])
def test_s6_who_may_take_which_step(cast: Cast, email: Email, now: datetime, step: str, name: str) -> None:
    if step != "ask":
        ask(cast, email, now)
    client = Client()
    client.force_login(getattr(cast, name))
    address = reverse(f"admin:campaigns_email_exempt_{step}", args=[email.pk])
    assert client.get(address).status_code == (403 if name == "ben" else 405)
    answer = client.post(address, {"note": "Only the code"})
    assert answer.status_code == (403 if name == "ben" else 302)
    with tenant(cast.bakery.pk):
        found = Exemption.objects.first()
    done = name in ALLOWED[step]
    if step == "ask":
        assert (found is not None) is done
    elif step == "withdraw":
        assert found is not None
        assert (found.dropped_at is not None) is done
    else:
        assert found is not None
        assert (found.state == {"approve": "approved", "decline": "declined"}[step]) is done


def test_s6_the_page_of_the_email_says_what_holds(cast: Cast, email: Email, now: datetime) -> None:
    client = Client()
    client.force_login(cast.dana)
    address = reverse("admin:campaigns_email_change", args=[email.pk])
    assert "Not approved: sent, and not measured" in client.get(address).content.decode()
    ask(cast, email, now)
    page = client.get(address).content.decode()
    assert "A code to sign in" in page
    assert reverse("admin:campaigns_email_exempt_approve", args=[email.pk]) in page
    client.post(reverse("admin:campaigns_email_exempt_approve", args=[email.pk]), {"note": "Yes"})
    assert "Approved by two people" in client.get(address).content.decode()
    change(cast, email, now, purpose="marketing")
    assert "Exempt purpose" not in client.get(address).content.decode()
