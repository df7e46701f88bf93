"""Console: segments with and without a script, test groups, and the audience and times of the page that sends."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Organization
from campaigns.models import Campaign, Email, Launch, Segment, TrialAddress, TrialGroup
from common.tenancy import tenant
from consent.models import Topic
from delivery.models import Message, ServiceMessage
from participants.models import Participant
from tests.campaigns.world import MakePerson, take_part
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db
BELGIANS = {"match": "all", "rows": [{"about": "country", "op": "in", "countries": ["BE"]}]}


@pytest.fixture
def max_client(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.max)
    return client


def make_segment(cast: Cast, name: str = "Belgians", definition: Any = BELGIANS) -> Segment:
    with tenant(cast.bakery.pk):
        return Segment.objects.create(organization=cast.bakery, name=name, definition=definition)


def live(cast: Cast, person: Participant, country: str) -> None:
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=person.pk).update(country=country)


def shown(page: Any, pattern: str) -> list[str]:
    return re.findall(pattern, page.content.decode())


def test_a_segment_is_made_step_by_step_without_a_script(
    cast: Cast, topic: Topic, subscriber: MakePerson, max_client: Client
) -> None:
    for name, country in [("bea", "BE"), ("bob", "BE"), ("fred", "FR")]:
        live(cast, subscriber(name), country)
    address = reverse("admin:campaigns_segment_add")
    assert "No condition yet." in max_client.get(address).content.decode()
    typed: dict[str, Any] = {"name": "Belgians", "match": "all"}
    page = max_client.post(address, {**typed, "add": "1", "new_about": "country"})
    assert shown(page, r'name="(row-0-\w+)"') == ["row-0-about", "row-0-op", "row-0-countries"]
    typed |= {"row-0-about": "country", "row-0-op": "in", "row-0-countries": ["BE", "LU"]}
    page = max_client.post(address, {**typed, "count": "1"})
    assert shown(page, r'id="segment-people">(\d+)') == ["2"]
    assert shown(page, r'data-class="(\w+)"><span class="campaigns-count">(\d+)') == [("none", "2")]
    typed |= {"row-1-about": "attribute", "row-1-op": "less", "row-1-name": "age", "row-1-value": "young"}
    page = max_client.post(address, {**typed, "save": "1"})
    assert page.status_code == 422
    assert "“young” is not a number." in page.content.decode()
    page = max_client.post(address, {**typed, "remove": "1"})
    assert "row-1-about" not in page.content.decode()
    with tenant(cast.bakery.pk):
        assert not Segment.objects.exists()
    typed = {name: value for name, value in typed.items() if not name.startswith("row-1")}
    saved = max_client.post(address, {**typed, "save": "1"}, follow=True)
    assert "“Belgians” is kept." in saved.content.decode()
    with tenant(cast.bakery.pk):
        segment = Segment.objects.get()
    assert (segment.created_by, segment.definition["rows"][0]["countries"]) == (cast.max, ["BE", "LU"])
    again = max_client.post(address, {**typed, "save": "1"})
    assert "Another one has this name already." in again.content.decode()
    max_client.post(reverse("admin:campaigns_segment_forget", args=[segment.pk]))
    with tenant(cast.bakery.pk):
        assert not Segment.objects.exists()


def test_u1_the_editor_shows_how_many_could_not_be_measured(
    cast: Cast, email: Email, subscriber: MakePerson, max_client: Client, now: datetime
) -> None:
    subscriber("sue")
    subscriber("sam")
    max_client.post(reverse("admin:campaigns_email_send", args=[email.pk]), {"when": "now", "launches_seen": 0})
    with tenant(cast.bakery.pk):
        Message.objects.update(status="sent", sent_at=timezone.now(), decided_at=timezone.now())
        launch = Launch.objects.get()
    typed = {
        "name": "Silent", "match": "all",
        "row-0-about": "engagement", "row-0-op": "did_not_open", "row-0-launch": launch.pk, "row-0-days": "",
    }  # fmt: skip
    page = max_client.post(reverse("admin:campaigns_segment_add"), typed)
    assert shown(page, r'data-non-trackable="(\d*)"') == ["2"]
    assert shown(page, r'id="segment-people">(\d+)') == ["0"]
    page = max_client.post(reverse("admin:campaigns_segment_add"), {**typed, "row-0-with_non_trackable": "on"})
    assert shown(page, r'id="segment-people">(\d+)') == ["2"]


def test_readers_see_segments_and_strangers_do_not(cast: Cast, email: Email) -> None:
    segment = make_segment(cast)
    address = reverse("admin:campaigns_segment_change", args=[segment.pk])
    for person, seen, typed in [(cast.ben, 200, 403), (cast.cleo, 404, 404)]:
        client = Client()
        client.force_login(person)
        assert client.get(address).status_code == seen
        for kept in (address, reverse("admin:campaigns_segment_forget", args=[segment.pk])):
            assert client.post(kept, {"name": "x", "save": "1"}).status_code == typed
    client = Client()
    client.force_login(cast.cleo)
    send = reverse("admin:campaigns_email_send", args=[email.pk])
    assert client.get(send).status_code == 404
    # And a segment of somebody else's is not found on one's own page.
    with tenant(cast.cinema.pk):
        theirs = Segment.objects.create(organization=cast.cinema, name="Theirs", definition=BELGIANS)
        group = TrialGroup.objects.create(organization=cast.cinema, name="Theirs")
    mine = Client()
    mine.force_login(cast.max)
    assert mine.get(send, {"segment": theirs.pk}).status_code == 404
    assert mine.post(send, {"segment": theirs.pk, "when": "now", "launches_seen": 0}).status_code == 404
    assert mine.post(reverse("admin:campaigns_email_test", args=[email.pk]), {"group": group.pk}).status_code == 404
    with tenant(cast.bakery.pk):
        assert not Launch.objects.exists()


def test_the_send_page_follows_the_audience(
    cast: Cast, email: Email, campaign: Campaign, subscriber: MakePerson, max_client: Client, now: datetime
) -> None:
    for name, country in [("bea", "BE"), ("bob", "BE"), ("fred", "FR")]:
        person = subscriber(name)
        live(cast, person, country)
        if name != "bob":
            take_part(cast.bakery, campaign, person, now=now)
    segment = make_segment(cast)
    address = reverse("admin:campaigns_email_send", args=[email.pk])
    people = r'id="audience-count">(\d+)'
    assert shown(max_client.get(address), people) == ["3"]
    assert shown(max_client.get(address, {"segment": segment.pk}), people) == ["2"]
    page = max_client.get(address, {"segment": segment.pk, "only_campaign": campaign.pk})
    assert shown(page, people) == ["1"]
    chosen = {"segment": segment.pk, "only_campaign": campaign.pk}
    max_client.post(address, {"when": "now", "launches_seen": 0, **chosen})
    with tenant(cast.bakery.pk):
        launch = Launch.objects.get()
        assert [one.participant.first_name for one in Message.objects.select_related("participant")] == ["Bea"]
        assert launch.segment == segment
        assert launch.audience["segment"]["definition"]["rows"][0]["countries"] == ["BE"]
        # What was planned goes by the conditions as they were.
        segment.delete()
        launch.refresh_from_db()
    assert launch.segment_id is None
    assert launch.audience["segment"]["name"] == "Belgians"


def test_local_times_and_rounds_are_chosen_on_the_page(
    cast: Cast, email: Email, subscriber: MakePerson, max_client: Client
) -> None:
    live(cast, subscriber("tomo"), "JP")
    address = reverse("admin:campaigns_email_send", args=[email.pk])
    day = (timezone.now() + timedelta(days=5)).date()
    typed = {
        "when": "local", "starts_at": f"{day}T10:00", "launches_seen": 0, "repeat": "on", "every": 2, "unit": "7",
        "to_those": "got_it", "most_times": 3,
    }  # fmt: skip
    page = max_client.post(address, typed)
    assert page.status_code == 422
    assert "Say how often it is repeated" in page.content.decode()
    page = max_client.post(address, {**typed, "until": (day + timedelta(days=60)).isoformat()})
    assert page.status_code == 302, page.content.decode()
    with tenant(cast.bakery.pk):
        launch = Launch.objects.get()
        assert launch.local_at == f"{day}T10:00"
        assert launch.repeat is not None
        assert (launch.repeat.every_days, launch.repeat.most_times) == (14, 3)
    page = max_client.post(address, {**typed, "starts_at": "2020-01-01T10:00", "repeat": "", "launches_seen": 1})
    assert "This time has passed." in page.content.decode()
    # Whoever cancels one round wants no other.
    max_client.post(reverse("admin:campaigns_launch_cancel", args=[launch.pk]))
    with tenant(cast.bakery.pk):
        launch.repeat.refresh_from_db()
    assert launch.repeat.ended_at is not None


def test_reports_say_why_copies_wait_or_were_left_out(
    cast: Cast, email: Email, subscriber: MakePerson, max_client: Client
) -> None:
    subscriber("sue")
    subscriber("sam")
    max_client.post(reverse("admin:campaigns_email_send", args=[email.pk]), {"when": "now", "launches_seen": 0})
    with tenant(cast.bakery.pk):
        launch = Launch.objects.get()
        first, second = Message.objects.order_by("pk")
        Message.objects.filter(pk=first.pk).update(held_for="cap", due_at=timezone.now() + timedelta(days=2))
        Message.objects.filter(pk=second.pk).update(status="capped")
    report = max_client.get(f"/console/reports/{launch.pk}/").content.decode()
    assert "For the week&#x27;s number of marketing emails per person" in report
    assert "Left out: had as many marketing emails as a week allows" in report


def test_a_test_group_is_kept_and_gets_tests(cast: Cast, email: Email, max_client: Client) -> None:
    page = max_client.post(reverse("admin:campaigns_trialgroup_add"), {"name": "Editors", "addresses": "nobody"})
    assert page.status_code == 422
    max_client.post(
        reverse("admin:campaigns_trialgroup_add"),
        {"name": "Editors", "addresses": "max@bread.example\nana@bread.example"},
    )
    with tenant(cast.bakery.pk):
        group = TrialGroup.objects.get()
        assert TrialAddress.objects.count() == 2
    answer = max_client.post(reverse("admin:campaigns_email_test", args=[email.pk]), {"group": group.pk}, follow=True)
    assert "Tests are on their way to 2 addresses." in answer.content.decode()
    assert "ana@bread.example · Waiting" in answer.content.decode()
    with tenant(cast.bakery.pk):
        assert ServiceMessage.objects.count() == 2
        assert not Launch.objects.exists()
    max_client.post(reverse("admin:campaigns_trialgroup_forget", args=[group.pk]))
    with tenant(cast.bakery.pk):
        assert not TrialGroup.objects.exists()


def test_quiet_hours_and_the_cap_are_set_by_owners(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.ana)
    address = reverse("admin:accounts_organization_change", args=[cast.bakery.pk])
    typed = {
        "name": "Bakery", "timezone": "Europe/Brussels", "consent_request_months": 6, "quiet_from": "21:00",
        "weekly_cap": "3", "over_cap": "left_out", "smallest_crowd": "50",
    }  # fmt: skip
    assert "Quiet hours have a beginning and an end." in client.post(address, typed).content.decode()
    assert client.post(address, {**typed, "quiet_until": "08:00"}).status_code == 302
    with tenant(cast.bakery.pk):
        found = Organization.objects.get()
    assert (str(found.quiet_from), str(found.quiet_until), found.weekly_cap) == ("21:00:00", "08:00:00", 3)
    assert found.smallest_crowd == 50
    assert "Select a valid choice" in client.post(address, {**typed, "smallest_crowd": "9"}).content.decode()
