"""Pages lint an email once, and again as soon as anything changes that the lint depends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import translation

from accounts.models import Organization
from campaigns.lint import Review, name_of_review, review_draft, review_shown
from campaigns.models import Email, FunctionalLink, Question
from campaigns.services import LaunchRefused, launch_email
from common.tenancy import tenant
from participants.models import Participant
from tests.campaigns.console import address, signed_in
from tests.campaigns.test_console import email_form
from tests.campaigns.world import BODY, MakePerson
from tests.support.cast import Cast
from websites.models import Website

pytestmark = pytest.mark.django_db
# What no lint would say.
MARK = Review(None, ["This was kept."], [])
PIXEL = BODY.replace("</mj-column>", '\n<mj-image src="https://x.example/o.php?c=1" width="1px" /></mj-column>')

CHANGES: dict[str, Callable[[Email], Any]] = {
    "nothing": lambda email: None,
    "body": lambda email: Email.objects.update(body=PIXEL),
    "subject": lambda email: Email.objects.update(subject="{{ nobody }}"),
    "preview text": lambda email: Email.objects.update(preheader="x"),
    "plain text": lambda email: Email.objects.update(text="https://x.example/{{ email }}"),
    "purpose": lambda email: Email.objects.update(purpose="transactional"),
    "UTM tags": lambda email: Email.objects.update(add_utm=False),
    "question": lambda email: Question.objects.create(
        organization=email.organization, email=email, number=1, kind="yes_no", text="?", options=["Yes", "No"]
    ),
    "functional link": lambda email: FunctionalLink.objects.create(
        organization=email.organization, email=email, address="https://x.example", kind="other", reason="x"
    ),
    "person": lambda email: Participant.objects.update(first_name="Zoë"),
    "website": lambda email: Website.objects.update(sender_name="Other bakers"),
    "legal address": lambda email: Organization.objects.update(legal_address="Elsewhere 1"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_page_kept_is_used_until_something_changes(
    cast: Cast, email: Email, subscriber: MakePerson, what: str
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        first = review_shown(cast.bakery, email)
        assert first == review_draft(cast.bakery, email)
        assert cache.get(name_of_review(cast.bakery, email)) == first
        cache.set(name_of_review(cast.bakery, email), MARK)
        CHANGES[what](email)
        organization = Organization.objects.get(pk=cast.bakery.pk)
        changed = Email.objects.select_related("organization", "campaign__website", "topic").get(pk=email.pk)
        shown = review_shown(organization, changed)
        assert (shown == MARK) is (what == "nothing")
        if what != "nothing":
            assert shown == review_draft(organization, changed)
    with translation.override("fr"), tenant(cast.bakery.pk):
        assert review_shown(organization, changed) != MARK, "it is in the language of whoever asks"


def test_the_page_of_an_email_is_right_after_each_save(cast: Cast, email: Email) -> None:
    client = signed_in(cast.max)

    def page() -> str:
        return client.get(address(email)).content.decode()

    assert "Nothing found" in page()
    for body, found in ((PIXEL, True), (BODY, False), (PIXEL, True)):
        client.post(address(email), email_form(email.campaign, email.topic, body=body))
        assert ('data-finding="foreign_pixel"' in page()) is found
        assert ('data-finding="foreign_pixel"' in page()) is found, "opened once more"


def test_nothing_of_a_person_is_kept(cast: Cast, email: Email, subscriber: MakePerson) -> None:
    """An address that stands in a copy and in no place of the source is quoted from somebody's copy."""
    subscriber("sue")
    subscriber("sam")
    email.body = BODY.replace("Hello", "https://x.example/{{ first_name }} Hello")
    with tenant(cast.bakery.pk):
        review = review_shown(cast.bakery, email)
        assert any("Sue" in finding.snippet for finding in review.findings)
        assert cache.get(name_of_review(cast.bakery, email)) is None


def test_what_sends_looks_itself(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        Email.objects.update(body=PIXEL)
        email = Email.objects.select_related("campaign__website", "topic").get(pk=email.pk)
        cache.set(name_of_review(cast.bakery, email), replace(review_draft(cast.bakery, email), findings=[]))
        with pytest.raises(LaunchRefused):
            launch_email(cast.bakery, email, author=cast.max, now=now)
