"""People > Participants with many people and many changes: what stays quick, what is kept, what each page says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Organization, User
from campaigns.models import Launch
from common.tenancy import tenant
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from delivery.models import ContentSnapshot, Mailing, Message, Suppression
from delivery.services import suppress
from intake.admin.paging import PeoplePaginator
from intake.selectors import Wordings, history_of, messages_of, scopes_of
from intake.services import ParticipantRefused, save_participant
from participants.models import Participant
from tests.campaigns.world import make_campaign, make_email
from tests.support.cast import Cast
from tests.support.world import choose, later, make_participant, make_website
from tracking.models import TrackedMessage
from tracking.services import NewTracked, register_content, register_messages
from websites.models import Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

PEOPLE = "/console/participants/participant/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- The list -------------------------------------------------------------------------------------------------------


def test_a_whole_address_finds_its_person_only_and_a_part_of_one_finds_all(cast: Cast, now: datetime) -> None:
    for email, own_id in (("ana@b.example", ""), ("ana@b.example.org", "X7"), ("x7@b.example", "")):
        make_participant(cast.bakery, email, now=now, external_id=own_id)
    client = signed_in(cast.max)
    for text, found in (
        (" Ana@B.example ", ["ana@b.example"]),
        ("ana@b.ex", ["ana@b.example", "ana@b.example.org"]),
        # The own id of one person, and how the address of another begins.
        ("X7", ["ana@b.example.org", "x7@b.example"]),
    ):
        page = client.get(PEOPLE, {"q": text})
        assert [one.email for one in page.context["cl"].result_list] == found, text


def test_counting_stops_where_nobody_reads_on_and_the_page_says_so(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeoplePaginator, "limit", 100)
    for number in range(101):
        make_participant(cast.bakery, f"p{number:03}@b.example", now=now, country="FR" if number == 7 else "BE")
    client = signed_in(cast.max)
    page = client.get(PEOPLE)
    assert "More than 100 participants" in page.content.decode()
    # Three of thirty, and one of ten.
    assert page.context["cl"].paginator.num_pages == 4
    narrowed = client.get(PEOPLE, {"country": "FR"}).content.decode()
    assert "1 participant" in narrowed
    assert "More than" not in narrowed


def test_the_list_asks_the_same_few_questions_however_many_it_shows(
    cast: Cast, now: datetime, django_assert_max_num_queries
) -> None:
    for number in range(30):
        make_participant(cast.bakery, f"p{number:03}@b.example", now=now)
    client = signed_in(cast.max)
    client.get(PEOPLE)
    with django_assert_max_num_queries(15):
        client.get(PEOPLE)


# --- Changing a person ----------------------------------------------------------------------------------------------

ATTRIBUTES = {"city": "Gent", "points": 12, "breads": ["rye", "spelt"], "note": "one\ntwo"}


def fresh(organization: Organization, person: Participant) -> Participant:
    with tenant(organization.pk):
        return Participant.objects.get(pk=person.pk)


def page_of(person: Participant, name: str = "change") -> str:
    return f"{PEOPLE}{person.pk}/{name}/"


def form_data(**changes: Any) -> dict[str, Any]:
    names = {"email": "ana@b.example", "country": "BE", "locale": "", "first_name": "", "last_name": ""}
    return {**names, "external_id": "", **changes}


def test_attributes_that_nobody_touched_stay_what_they_were(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now, country="BE", attributes=ATTRIBUTES)
    client = signed_in(cast.max)
    page = client.get(page_of(ana)).content.decode()
    assert all(words in page for words in ("points", "Gent", "[&quot;rye&quot;, &quot;spelt&quot;]"))
    # As a browser sends them: lines end in two characters, and a new row is filled in.
    rows = {
        "attributes-name": ["city", "points", "breads", "note", "shop", ""],
        "attributes-value": ["", "12", '["rye", "spelt"]', "one\r\ntwo", "Lier", ""],
    }
    assert client.post(page_of(ana), form_data(**rows)).status_code == 302
    expected = {"points": 12, "breads": ["rye", "spelt"], "note": "one\ntwo", "shop": "Lier"}
    assert fresh(cast.bakery, ana).attributes == expected


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("x" * 61, "y", "60 letters at most"),
        ("x", "y" * 1001, "a value 1000"),
        ("x", "a\x00b", "Null characters"),
    ],
)
def test_an_attribute_that_cannot_be_kept_is_refused(
    cast: Cast, now: datetime, name: str, value: str, words: str
) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now, country="BE", attributes=ATTRIBUTES)
    rows = {"attributes-name": [name], "attributes-value": [value]}
    response = signed_in(cast.max).post(page_of(ana), form_data(**rows))
    assert words in response.content.decode()
    assert fresh(cast.bakery, ana).attributes == ATTRIBUTES


def test_only_what_was_typed_is_written(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now, country="BE", attributes={"city": "Gent"})
    with tenant(cast.bakery.pk):
        Participant.objects.update(attributes={"city": "Lier"}, country="NL")
        save_participant(cast.bakery, ana, now=now, first_name="Anna")
    kept = fresh(cast.bakery, ana)
    assert (kept.first_name, kept.attributes, kept.country.code, kept.email) == (
        "Anna", {"city": "Lier"}, "NL", "ana@b.example",
    )  # fmt: skip


def test_two_people_with_one_address_are_refused_even_at_the_same_moment(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now)
    make_participant(cast.bakery, "max@b.example", now=now)
    # The same address at another organization is another person.
    make_participant(cast.cinema, "new@b.example", now=now)
    with tenant(cast.bakery.pk):
        for email in ("MAX@b.example", "max@B.Example"):
            with pytest.raises(ParticipantRefused, match="Another participant"):
                save_participant(cast.bakery, ana, now=now, email=email)
            with pytest.raises(ParticipantRefused, match="Another participant"):
                save_participant(cast.bakery, Participant(), now=now, email=email)
        assert save_participant(cast.bakery, ana, now=now, email="new@b.example").email_norm == "new@b.example"


def test_d1_who_refused_marketing_refuses_it_at_a_new_address(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now, country="BE")
    with tenant(cast.bakery.pk):
        for reason in ("unsubscribed", "bounced"):
            suppress(cast.bakery, "ana@b.example", reason=reason, source="test", now=now)
    assert signed_in(cast.max).post(page_of(ana), form_data(email="anna@b.example")).status_code == 302
    with tenant(cast.bakery.pk):
        kept = Suppression.objects.filter(email_norm="anna@b.example")
        assert [one.reason for one in kept] == ["unsubscribed"]


def test_no_address_is_left_outside_of_the_walls(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.max)
    assert client.post(f"{PEOPLE}add/", form_data()).status_code == 302
    with tenant(cast.bakery.pk):
        ana = Participant.objects.get()
    assert client.post(page_of(ana), form_data(first_name="Ana")).status_code == 302
    assert not LogEntry.objects.exists()


# --- What was decided, and whether it still holds -------------------------------------------------------------------

NOT_ANY_MORE = "Not any more: a setting, the country or the choice has changed since."


@pytest.fixture
def yesterday() -> datetime:
    """The pages ask the clock; what they show must have begun before."""
    return later(timezone.now(), days=-1)


def send_copy(cast: Cast, website: Website, person: Participant, *, opens: str, clicks: str, at: datetime) -> Message:
    """A copy that went out, decided at a moment for these reasons."""
    email = make_email(cast.bakery, make_campaign(cast.bakery, website, now=at), now=at, name="November")
    levels = {
        kind: "none" if reason == "no_answer" else "individual"
        for kind, reason in (("opens", opens), ("clicks", clicks))
    }
    with tenant(cast.bakery.pk):
        content = register_content(cast.bakery, website, [])
        mailing = Mailing.objects.create(
            organization=cast.bakery,
            website=website,
            purpose="marketing",
            not_before=at,
            snapshot=ContentSnapshot.objects.create(
                organization=cast.bakery, website=website, tracked_content=content, compiled={}
            ),
        )
        Launch.objects.create(organization=cast.bakery, email=email, mailing=mailing, launched_by=cast.max)
        tracked = register_messages(
            cast.bakery, content, [NewTracked(person.pk, person.country.code, **levels)], decided_at=at
        )
        return Message.objects.create(
            organization=cast.bakery,
            mailing=mailing,
            participant=person,
            status="sent",
            opens_reason=opens,
            clicks_reason=clicks,
            decided_at=at,
            sent_at=at,
            tracked_message_id=tracked[person.pk][0],
            **levels,
        )


def test_h1_a_no_reaches_mail_already_delivered_and_the_page_says_so_at_once(cast: Cast, yesterday: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=yesterday, tracking=EmailTracking.BY_CONSENT)
    ana = make_participant(cast.bakery, "ana@b.example", now=yesterday, country="BE")
    choose(cast.bakery, ana, now=yesterday, opens=ChoiceValue.YES, clicks=ChoiceValue.YES)
    send_copy(cast, website, ana, opens="person_said_yes", clicks="person_said_yes", at=later(yesterday, hours=1))
    client = signed_in(cast.dana)
    before = client.get(page_of(ana)).content.decode()
    assert all(words in before for words in ("November", "Daily bread", "Sent", "Counts for emails sent since"))
    assert before.count("Measured: the person said yes to tracking.") == 4
    assert NOT_ANY_MORE not in before

    no = {"opens": "no", "clicks": "", "happened_on": "2024-11-20"}
    assert client.post(page_of(ana, "choice"), no).status_code == 302
    after = client.get(page_of(ana)).content.decode()
    # Of the copy, what was decided stays said; the next email measures its clicks only.
    assert after.count("Measured: the person said yes to tracking.") == 3
    assert after.count("Not measured: the person refused tracking.") == 1
    assert after.count(NOT_ANY_MORE) == 1
    assert all(words in after for words in ("a member (Dana)", "in this console", "Nov. 20, 2024, from a member"))


def test_the_messages_of_a_person_cost_the_same_few_questions_however_many_there_are(
    cast: Cast, yesterday: datetime
) -> None:
    website = make_website(cast.bakery, cast.ana, now=yesterday, country="CH", tracking=EmailTracking.ALWAYS)
    ana = make_participant(cast.bakery, "ana@b.example", now=yesterday, country="CH")
    asked = []
    for hours in (1, 2):
        copy = send_copy(
            cast, website, ana, opens="exempt_authentication", clicks="no_answer", at=later(yesterday, hours=hours)
        )
        with tenant(cast.bakery.pk), CaptureQueriesContext(connection) as queries:
            TrackedMessage.objects.filter(message=copy).update(exempt_purpose="authentication")
            messages_of(cast.bakery, ana, Wordings([], []), now=timezone.now())
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_s12_a_copy_says_which_version_of_the_setting_and_which_wording_decided(
    cast: Cast, yesterday: datetime
) -> None:
    website = make_website(cast.bakery, cast.ana, now=yesterday, tracking=EmailTracking.BY_CONSENT)
    ana = make_participant(cast.bakery, "ana@b.example", now=yesterday, country="BE")

    def say_yes(wording: str, *, hours: int) -> None:
        with tenant(cast.bakery.pk):
            record_choice(
                cast.bakery, ana, opens=ChoiceValue.YES, clicks=None, source=Source.PERSON, method="form",
                happened_at=later(yesterday, hours=hours), now=later(yesterday, hours=hours), wording=wording,
            )  # fmt: skip

    say_yes("May we see whether you open?", hours=1)
    message = send_copy(cast, website, ana, opens="person_said_yes", clicks="no_answer", at=later(yesterday, hours=2))
    say_yes("And now?", hours=3)
    with tenant(cast.bakery.pk):
        message.tracking_version = website.tracking_versions.order_by("-number").first()
        message.save()
        wordings = Wordings(history_of(cast.bakery, ana), scopes_of(cast.bakery))
        (shown,) = messages_of(cast.bakery, ana, wordings, now=timezone.now())
    assert shown.opens.wording is not None
    assert (shown.opens.wording.text, shown.clicks.wording) == ("May we see whether you open?", None)
    assert message.tracking_version is not None
    page = signed_in(cast.dana).get(page_of(ana)).content.decode()
    assert f"email tracking version {message.tracking_version.number}" in page
    assert page.count("Wording, version 1") == 1


def test_h1_a_copy_whose_person_moved_is_not_measured_any_more_wherever_they_move_next(
    cast: Cast, yesterday: datetime
) -> None:
    website = make_website(cast.bakery, cast.ana, now=yesterday, country="CH", tracking=EmailTracking.ALWAYS)
    ana = make_participant(cast.bakery, "ana@b.example", now=yesterday, country="CH")
    send_copy(cast, website, ana, opens="person_did_not_refuse", clicks="no_answer", at=later(yesterday, hours=1))
    client = signed_in(cast.max)
    assert NOT_ANY_MORE not in client.get(page_of(ana)).content.decode()
    for country in ("FR", "CH"):
        assert client.post(page_of(ana), form_data(country=country)).status_code == 302
        assert client.get(page_of(ana)).content.decode().count(NOT_ANY_MORE) == 1


def test_copies_that_wait_or_lost_their_key_say_what_is_known(cast: Cast, yesterday: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=yesterday, tracking=EmailTracking.BY_CONSENT)
    ana = make_participant(cast.bakery, "ana@b.example", now=yesterday, country="BE")
    choose(cast.bakery, ana, now=yesterday, opens=ChoiceValue.YES)
    message = send_copy(cast, website, ana, opens="person_said_yes", clicks="no_answer", at=later(yesterday, hours=1))
    client = signed_in(cast.max)
    with tenant(cast.bakery.pk):
        Message.objects.filter(pk=message.pk).update(tracked_message=None)
    assert NOT_ANY_MORE in client.get(page_of(ana)).content.decode()
    with tenant(cast.bakery.pk):
        blank = {"opens": "", "clicks": "", "opens_reason": "", "clicks_reason": "", "decided_at": None}
        Message.objects.filter(pk=message.pk).update(status="queued", sent_at=None, **blank)
    page = client.get(page_of(ana)).content.decode()
    assert "Waiting" in page
    assert NOT_ANY_MORE not in page


def test_the_page_of_a_person_asks_the_same_few_questions_however_much_they_got(
    cast: Cast, yesterday: datetime, django_assert_max_num_queries: Any
) -> None:
    website = make_website(cast.bakery, cast.ana, now=yesterday, tracking=EmailTracking.BY_CONSENT)
    ana = make_participant(cast.bakery, "ana@b.example", now=yesterday, country="BE")
    choose(cast.bakery, ana, now=yesterday, opens=ChoiceValue.YES)
    for hours in range(6):
        send_copy(cast, website, ana, opens="person_said_yes", clicks="no_answer", at=later(yesterday, hours=hours + 1))
    client = signed_in(cast.max)
    client.get(page_of(ana))
    with django_assert_max_num_queries(26):
        client.get(page_of(ana))
