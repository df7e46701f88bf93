"""Messages of people of different classes, side by side."""

from __future__ import annotations

from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.comparing import compare, sections_of
from campaigns.models import Email, Segment
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import ContentSnapshot, Message
from participants.models import Participant
from tests.campaigns.console import address, signed_in
from tests.campaigns.world import MakePerson
from tests.support.cast import Cast
from tests.support.world import choose, set_tracking
from tracking.models import TrackedMessage
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

BELGIANS = {"match": "all", "rows": [{"about": "country", "op": "in", "countries": ["BE"]}]}
YES, NO = ChoiceValue.YES, ChoiceValue.NO


@pytest.fixture
def now() -> datetime:
    """Pages ask the clock themselves."""
    return timezone.now() - timedelta(hours=1)


@pytest.fixture
def max_(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> Client:
    """Of an email to somebody who said yes, somebody who said no, and somebody who said yes to clicks."""
    set_tracking(cast.bakery, email.campaign.website, EmailTracking.BY_CONSENT, now=now)
    for name, opens, clicks in (("yes", YES, YES), ("no", NO, NO), ("half", NO, YES)):
        choose(cast.bakery, subscriber(name), opens=opens, clicks=clicks, now=now)
    return signed_in(cast.max)


def html_of(data: bytes) -> str:
    part = message_from_bytes(data, policy=default).get_body(("html",))
    return str(part.get_content())  # type: ignore[union-attr]


def test_s14_each_class_downloads_as_the_message_that_would_be_sent_and_nothing_is_kept(
    cast: Cast, email: Email, max_: Client
) -> None:
    measured = max_.get(address(email, "message", "both"))
    assert measured["Content-Type"] == "message/rfc822"
    assert measured["Cache-Control"].startswith("no-store")
    assert measured["Content-Disposition"].endswith('both.eml"')
    message = message_from_bytes(measured.content, policy=default)
    assert (message["To"], message["Subject"]) == ("Yes <yes@mail.example.org>", "Bread for Yes")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/o/" in html_of(measured.content)
    plain = html_of(max_.get(address(email, "message", "none")).content)
    assert "/o/" not in plain
    assert "/c/" not in plain
    half = html_of(max_.get(address(email, "message", "clicks")).content)
    assert "/o/" not in half
    assert half.count("/c/") == 2
    assert max_.get(address(email, "message", "opens")).status_code == 404
    assert max_.get(address(email, "message", "x")).status_code == 404
    with tenant(cast.bakery.pk):
        assert not Message.objects.exists()
        assert not TrackedMessage.objects.exists()
        assert not ContentSnapshot.objects.exists()


def test_the_page_marks_what_differs_between_the_classes_that_are_chosen(email: Email, max_: Client) -> None:
    page = max_.get(address(email, "compare")).content.decode()
    assert "As yes@mail.example.org would get it" in page
    assert "As no@mail.example.org would get it" in page
    assert "<del>" in page
    assert "MIME-Version" in page
    chosen = max_.get(address(email, "compare"), {"left": "clicks", "right": "both", "only": "1"}).content.decode()
    assert chosen.index("As half@mail.example.org") < chosen.index("As yes@mail.example.org")
    assert "equal line" in chosen
    assert "<!doctype html>" not in chosen.split("campaigns-diff", 2)[2]


def test_a_chosen_audience_is_whose_messages_are_shown(cast: Cast, email: Email, max_: Client) -> None:
    with tenant(cast.bakery.pk):
        Participant.objects.filter(email="no@mail.example.org").update(country="BE")
        segment = Segment.objects.create(organization=cast.bakery, name="Belgians", definition=BELGIANS)
    chosen = {"segment": str(segment.pk)}
    send = max_.get(address(email, "send"), chosen).content.decode()
    assert f"{address(email, 'compare')}?segment={segment.pk}" in send
    assert f"{address(email, 'message', 'none')}?segment={segment.pk}" in send
    page = max_.get(address(email, "compare"), chosen).content.decode()
    assert "Belgians" in page
    assert f'<input type="hidden" name="segment" value="{segment.pk}">' in page
    assert "yes@mail.example.org" not in page
    assert "Everybody would get the same class of message" in page
    assert max_.get(address(email, "message", "none"), chosen).status_code == 200
    assert max_.get(address(email, "message", "both"), chosen).status_code == 404
    assert max_.get(address(email, "compare"), {"segment": "999999"}).status_code == 404


def test_the_page_before_a_launch_has_it_all(email: Email, max_: Client) -> None:
    page = max_.get(address(email, "send")).content.decode()
    for heading in ("Who will be measured", "Privacy check", "What differs between the messages"):
        assert heading in page
    assert 'data-forecast="opens-measured">1<' in page
    assert "data-differs" in page


def test_lines_are_compared_within() -> None:
    def message(subject: str, *lines: str) -> bytes:
        return f"Subject: {subject}\nContent-Type: text/plain\n\n".encode() + "\n".join(lines).encode()

    left = message("Hi", *"abcdefghij", "one two three", "only left")
    right = message("Hi", *"abcdefghij", "one 2 three")
    headers, body = compare(left, right, only_differences=True)
    assert headers.differences == 0
    assert [row.folded for row in body.rows] == [7, 0, 0, 0, 0, 0]
    changed, alone = body.rows[-2:]
    assert [(piece.text, piece.differs) for piece in changed.right or []] == [
        ("one ", False),
        ("2", True),
        (" three", False),
    ]
    assert alone.right is None
    assert [section.name for section in sections_of(left)] == ["Headers", "text/plain"]
