"""Whoever works with mail of a website whose measuring was stopped sees that it was, by whom and why (rule H1)."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Email, Launch
from campaigns.services import launch_email
from common.tenancy import tenant
from consent.services import stop_measuring
from tests.campaigns.console import signed_in
from tests.campaigns.world import make_campaign, make_email, subscribers_of
from tests.support.cast import Cast
from tests.support.world import make_topic, make_website
from websites.models import Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

BANNER = "Measuring is stopped on Daily bread."


def make_mail(cast: Cast, website: Website, now: datetime) -> tuple[Email, Launch]:
    topic = make_topic(cast.bakery, website)
    subscribers_of(cast.bakery, topic, now=now)("zoe")
    email = make_email(cast.bakery, make_campaign(cast.bakery, website, now=now), topic, now=now)
    with tenant(cast.bakery.pk):
        return email, launch_email(cast.bakery, email, author=cast.max, now=now)


def pages_about(client: Client, website: Website, email: Email, launch: Launch) -> dict[str, str]:
    chosen = {"action": "change_tracking_of_selected", "_selected_action": [website.pk]}
    answers = {
        "email": client.get(reverse("admin:campaigns_email_change", args=[email.pk])),
        "send": client.get(reverse("admin:campaigns_email_send", args=[email.pk])),
        "report": client.get(reverse("admin:reporting_launch", args=[launch.pk])),
        "tracking": client.get(reverse("admin:websites_website_tracking", args=[website.pk])),
        "many websites": client.post(reverse("admin:websites_website_changelist"), chosen),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    return {name: answer.content.decode() for name, answer in answers.items()}


def test_h1_a_stop_is_seen_wherever_mail_of_the_website_is_worked_with(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, tracking=EmailTracking.BY_CONSENT)
    email, launch = make_mail(cast, website, now)
    client = signed_in(cast.max)
    assert [name for name, page in pages_about(client, website, email, launch).items() if BANNER in page] == []
    with tenant(cast.bakery.pk):
        stop_measuring(cast.bakery, website, author=cast.dana, reason="A complaint of Tuesday", now=now)
    for name, page in pages_about(client, website, email, launch).items():
        assert page.count(BANNER) == 1, name
        assert "A complaint of Tuesday" in page, name
