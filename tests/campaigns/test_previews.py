"""Previews show what each class of people would get now, and measure nothing (rule S14)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from campaigns.models import Email
from campaigns.previews import EXAMPLE_KEY, Preview, copy_html, person_to_preview, render_preview
from campaigns.rendering import language_of, sender_of
from common.keys import encode_key
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import ContentSnapshot, Message
from delivery.templating import VARIABLES
from participants.models import Participant
from tests.campaigns.world import MakePerson
from tests.support.cast import Cast
from tests.support.world import choose, make_participant, set_tracking
from tracking.models import TrackedMessage
from websites.rules import EmailTracking

YES, NO = ChoiceValue.YES, ChoiceValue.NO
EXAMPLE = encode_key(EXAMPLE_KEY)


def preview(cast: Cast, email: Email, now: datetime, participant: Participant | None = None) -> Preview:
    with tenant(cast.bakery.pk):
        email = Email.objects.select_related("campaign__website").get(pk=email.pk)
        return render_preview(cast.bakery, email, participant=participant, now=now)


def change(cast: Cast, email: Email, **fields: Any) -> None:
    with tenant(cast.bakery.pk):
        Email.objects.filter(pk=email.pk).update(**fields)


@pytest.fixture
def audience(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> dict[str, Participant]:
    """One of each, on a website that tracks by consent."""
    people = {name: subscriber(name) for name in ("both", "opens", "clicks", "no", "silent")}
    choose(cast.bakery, people["both"], opens=YES, clicks=YES, now=now)
    choose(cast.bakery, people["opens"], opens=YES, clicks=NO, now=now)
    choose(cast.bakery, people["clicks"], opens=NO, clicks=YES, now=now)
    choose(cast.bakery, people["no"], opens=NO, clicks=NO, now=now)
    set_tracking(cast.bakery, email.campaign.website, EmailTracking.BY_CONSENT, now=now)
    return people


@pytest.mark.usefixtures("audience")
def test_each_class_of_copies_carries_what_is_measured_and_no_more(cast: Cast, email: Email, now: datetime) -> None:
    shown = preview(cast, email, now)
    copies = {copy.name: copy for copy in shown.copies}
    assert [copy.name for copy in shown.copies] == ["both", "none", "opens", "clicks"]
    assert {name: copy.people for name, copy in copies.items()} == {"both": 1, "opens": 1, "clicks": 1, "none": 2}
    for name, copy in copies.items():
        assert (f"/o/{EXAMPLE}" in copy.html) is copy.has_pixel is (name in ("both", "opens"))
        assert copy.html.count(f"/c/{EXAMPLE}/") == copy.tracked_links == (2 if name in ("both", "clicks") else 0)
    assert 'href="https://shop.example.org/rye?utm_source=' in copies["none"].html
    assert "/o/" not in copies["none"].html


@pytest.mark.usefixtures("audience")
def test_a_preview_leaves_nothing_behind(cast: Cast, email: Email, now: datetime) -> None:
    preview(cast, email, now)
    with tenant(cast.bakery.pk):
        assert not TrackedMessage.objects.exists()
        assert not Message.objects.exists()
        assert not ContentSnapshot.objects.exists()


def test_under_never_there_is_one_copy_and_it_measures_nothing(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    (copy,) = preview(cast, email, now).copies
    assert (copy.name, copy.people, copy.has_pixel, copy.tracked_links) == ("none", 1, False, 0)


def test_it_is_filled_for_the_person_that_is_chosen(
    cast: Cast, email: Email, audience: dict[str, Participant], now: datetime
) -> None:
    shown = preview(cast, email, now, audience["no"])
    assert shown.subject == "Bread for No"
    assert "Hello No," in shown.text
    assert str(shown.opens_sentence) == "Not measured: the person refused tracking."
    example = preview(cast, email, now)
    assert example.subject == "Bread for Camille"
    assert example.opens_sentence == ""


def test_what_cannot_be_compiled_is_said_and_the_forecast_stays(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    change(cast, email, body="<mjml><mj-body>")
    shown = preview(cast, email, now)
    assert shown.copies == []
    assert shown.problems[0].startswith("Body: Line 1:")
    assert shown.forecast.total == 1


def test_what_fails_for_one_person_only_is_said(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    change(cast, email, subject="{{ attributes.size | times: 2 | divided_by: attributes.parts }}")
    person = make_participant(cast.bakery, "zoe@mail.example.org", attributes={"size": 3, "parts": 0}, now=now)
    shown = preview(cast, email, now, person)
    assert shown.copies == []
    assert shown.problems


def test_every_variable_is_known_in_a_preview(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    plain = [name for name, parts in VARIABLES.items() if parts == frozenset()]
    change(
        cast, email, text="".join(f"[{name}={{{{ {name} }}}}]" for name in [*plain, "campaign.name", "website.name"])
    )
    person = subscriber("sue")
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=person.pk).update(last_name="Smith", country="BE", locale="fr")
        person.refresh_from_db()
    for participant in (person, None):
        assert "=]" not in preview(cast, email, now, participant).text


def test_an_unknown_copy_or_a_broken_email_has_no_page(cast: Cast, email: Email) -> None:
    with tenant(cast.bakery.pk):
        assert copy_html(cast.bakery, email, name="everything", participant=None) is None
        assert "Camille" in str(copy_html(cast.bakery, email, name="none", participant=None))
        email.body = "{{"
        assert copy_html(cast.bakery, email, name="none", participant=None) is None


def test_a_person_is_found_by_number_or_whole_address_among_ones_own(cast: Cast, now: datetime) -> None:
    sue = make_participant(cast.bakery, "Sue@Mail.example.org", now=now)
    foreign = make_participant(cast.cinema, "cleo@mail.example.org", now=now)

    def find(person_id: str = "", address: str = "") -> Participant | None:
        with tenant(cast.bakery.pk):
            return person_to_preview(cast.bakery, person_id=person_id, address=address)

    assert find(str(sue.pk)) == find(address=" sue@MAIL.example.org ") == sue
    assert find(str(foreign.pk)) is find(address="cleo@mail.example.org") is None
    assert find("x") is find("9" * 30) is find("-1") is find(address="nobody") is find() is None


@pytest.mark.parametrize(
    ("body", "language"),
    [
        ('<mjml lang="it"><mj-body>', "it"),
        ("<!doctype html><html dir=ltr lang=de-AT>", "de"),
        ('<mjml lang="ja">', "fr"),
        ("<p lang=en>", "fr"),
    ],
)
def test_the_footer_speaks_the_language_of_the_email_else_of_the_country(
    email: Email, body: str, language: str
) -> None:
    email.body = body
    assert language_of(email) == language


def test_the_sender_is_shown_as_people_read_it(email: Email) -> None:
    assert sender_of(email) == "Bakery <news@bread.example>"
    email.sender_name = "Zoë, of “Bakery”"
    assert sender_of(email) == "Zoë, of “Bakery” <news@bread.example>"
