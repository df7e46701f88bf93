"""Campaigns, emails and reports in the console: who may do what, what is refused and how it is said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Email, Launch
from campaigns.services import launch_email
from common.tenancy import tenant
from consent.models import Topic
from delivery.models import Mailing
from tests.campaigns.console import address, said, signed_in
from tests.campaigns.world import BODY, MakePerson, make_campaign, make_email
from tests.support.cast import Cast
from tests.support.world import make_topic, make_website

pytestmark = pytest.mark.django_db
READERS = ("dana", "ben")


@pytest.fixture
def now() -> datetime:
    """Pages ask the clock themselves."""
    return timezone.now() - timedelta(hours=1)


@pytest.fixture
def max_(cast: Cast) -> Client:
    return signed_in(cast.max)


def email_form(campaign: Campaign, topic: Topic | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "campaign": campaign.pk,
        "name": "December",
        "kind": "newsletter",
        "purpose": "marketing",
        "topic": topic.pk if topic else "",
        "subject": "Stollen",
        "body_format": "mjml",
        "body": BODY,
        **fields,
    }


def emails(cast: Cast) -> set[str]:
    with tenant(cast.bakery.pk):
        return {email.name for email in Email.objects.all()}


# --- Lists and forms --------------------------------------------------------------------------------------------------


def test_a_campaign_is_made_and_changed(cast: Cast, topic: Topic, max_: Client) -> None:
    form = {"website": topic.website_id, "name": "Advent", "kind": "contest", "opens_at_0": "2026-12-01"}
    form |= {"opens_at_1": "08:00", "closes_at_0": "2026-12-24", "closes_at_1": "18:00"}
    assert max_.post(reverse("admin:campaigns_campaign_add"), form).status_code == 302
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.get(name="Advent")
    # Typed in the organization's zone.
    assert campaign.opens_at is not None
    assert campaign.opens_at.isoformat() == "2026-12-01T07:00:00+00:00"
    wrong = max_.post(address(campaign), {**form, "closes_at_0": "2026-11-30"})
    assert "A campaign closes after it opens." in wrong.content.decode()


def test_archived_campaigns_are_hidden_until_they_are_asked_for(
    cast: Cast, topic: Topic, campaign: Campaign, max_: Client, now: datetime
) -> None:
    make_campaign(cast.bakery, topic.website, name="Past years", archived_at=now, now=now)
    page = reverse("admin:campaigns_campaign_changelist")
    assert "Past years" not in max_.get(page).content.decode()
    archived = max_.get(page, {"status": "archived"}).content.decode()
    assert "Past years" in archived
    assert campaign.name not in archived


def test_campaigns_are_found_by_where_they_stand(cast: Cast, topic: Topic, max_: Client, now: datetime) -> None:
    hour = timedelta(hours=9)
    for name, opens_at, closes_at in (
        ("planned", now + hour, now + 2 * hour),
        ("running", now - hour, None),
        ("dateless", None, None),
        ("ended", now - 2 * hour, now - hour),
    ):
        make_campaign(cast.bakery, topic.website, name=name, opens_at=opens_at, closes_at=closes_at, now=now)

    def listed(status: str) -> set[str]:
        response = max_.get(reverse("admin:campaigns_campaign_changelist"), {"status": status})
        return {campaign.name for campaign in response.context["cl"].result_list}

    assert listed("planned") == {"planned"}
    assert listed("open") == {"running", "dateless"}
    assert listed("closed") == {"ended"}
    assert listed("") == {"planned", "running", "dateless", "ended"}


def test_emails_are_found_by_where_they_stand(
    cast: Cast, campaign: Campaign, topic: Topic, max_: Client, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    for name in ("draft", "planned", "sent"):
        make_email(cast.bakery, campaign, name=name, topic=topic, now=now)
    with tenant(cast.bakery.pk):
        emails = {email.name: email for email in Email.objects.select_related("organization", "campaign__website")}
        planned, sent = emails["planned"], emails["sent"]
        launch_email(cast.bakery, planned, author=cast.max, not_before=now + timedelta(days=1), now=now)
        launch_email(cast.bakery, sent, author=cast.max, now=now)
        Mailing.objects.filter(launch__email=sent).update(expanded_at=now)

    def listed(status: str) -> set[str]:
        response = max_.get(reverse("admin:campaigns_email_changelist"), {"status": status})
        return {email.name for email in response.context["cl"].result_list}

    assert listed("draft") == {"draft"}
    assert listed("planned") == {"planned"}
    assert listed("sent") == {"sent"}


def test_an_email_is_made_for_its_campaign(cast: Cast, campaign: Campaign, topic: Topic, max_: Client) -> None:
    add = reverse("admin:campaigns_email_add")
    assert f'value="{topic.pk}"' in max_.get(add, {"campaign": campaign.pk}).content.decode()
    assert max_.post(add, email_form(campaign, topic)).status_code == 302
    assert emails(cast) == {"December"}


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"body": "<mjml><mj-body>\n</mjml>"}, "body", "Line 1: <mj-body> is never closed."),
        ({"body": "<mjml><mj-body><mj-nope/></mj-body></mjml>"}, "body", "There is no MJML tag <mj-nope>."),
        ({"subject": "{{ first_nam }}"}, "subject", "There is no variable “first_nam”"),
        ({"preheader": "{% if"}, "preheader", "Liquid"),
        ({"text": "{{ x | y }}"}, "text", "There is no"),
        ({"subject": ""}, "subject", "This field is required."),
        ({"kind": "exit_screen"}, "purpose", "so it is not marketing"),
    ],
)
def test_what_the_mail_would_break_on_is_said_at_its_field(
    cast: Cast, campaign: Campaign, topic: Topic, max_: Client, fields: dict[str, str], field: str, message: str
) -> None:
    response = max_.post(reverse("admin:campaigns_email_add"), email_form(campaign, topic, **fields))
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert list(errors) == [field]
    assert message in errors[field][0]
    assert emails(cast) == set()


def test_a_draft_may_lack_what_only_sending_needs(cast: Cast, campaign: Campaign, max_: Client) -> None:
    assert max_.post(reverse("admin:campaigns_email_add"), email_form(campaign)).status_code == 302
    assert emails(cast) == {"December"}


def test_only_topics_of_the_campaigns_website_can_be_chosen(
    cast: Cast, campaign: Campaign, topic: Topic, email: Email, max_: Client, now: datetime
) -> None:
    other = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, name="Other", now=now), "Elsewhere")
    foreign = make_topic(cast.cinema, make_website(cast.cinema, cast.cleo, now=now), "Films")
    assert "Elsewhere" not in max_.get(address(email)).content.decode()
    for wrong in (other, foreign):
        response = max_.post(address(email), email_form(campaign, wrong))
        assert list(response.context["adminform"].form.errors) == ["topic"]
        response = max_.post(reverse("admin:campaigns_email_add"), email_form(campaign, wrong))
        assert list(response.context["adminform"].form.errors) == ["topic"]


def test_an_email_that_was_sent_stays_with_its_campaign(
    cast: Cast, topic: Topic, email: Email, subscriber: MakePerson, max_: Client, now: datetime
) -> None:
    subscriber("sue")
    other = make_campaign(cast.bakery, topic.website, name="Other", now=now)
    with tenant(cast.bakery.pk):
        launch_email(cast.bakery, email, author=cast.max, now=now)
    assert max_.post(address(email), email_form(other, topic)).status_code == 302
    with tenant(cast.bakery.pk):
        changed = Email.objects.get(pk=email.pk)
    assert (changed.name, changed.campaign_id) == ("December", email.campaign_id)


# --- Buttons ----------------------------------------------------------------------------------------------------------


def test_duplicating_and_archiving_are_buttons_and_not_links(cast: Cast, email: Email, max_: Client) -> None:
    for name in ("duplicate", "archive", "restore"):
        assert max_.get(address(email, name)).status_code == 405
        assert max_.get(address(email.campaign, name)).status_code == 405
    assert emails(cast) == {"November"}
    response = max_.post(address(email, "duplicate"))
    assert emails(cast) == {"November", "Copy of November"}
    with tenant(cast.bakery.pk):
        assert response["Location"] == address(Email.objects.get(name="Copy of November"))
    assert "is archived" in said(max_.post(address(email, "archive")))
    assert "back in the lists" in said(max_.post(address(email, "restore")))
    assert max_.post(address(email.campaign, "duplicate")).status_code == 302
    with tenant(cast.bakery.pk):
        assert Campaign.objects.count() == 2


def test_many_emails_are_archived_at_once(cast: Cast, campaign: Campaign, email: Email, max_: Client) -> None:
    form = {"action": "archive_selected", "_selected_action": [email.pk]}
    max_.post(reverse("admin:campaigns_email_changelist"), form)
    with tenant(cast.bakery.pk):
        assert Email.objects.get().archived_at is not None


def test_what_is_being_sent_cannot_be_archived(
    cast: Cast, email: Email, subscriber: MakePerson, max_: Client, now: datetime
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        launch_email(cast.bakery, email, author=cast.max, now=now)
    assert "is being sent" in said(max_.post(address(email, "archive")))
    assert "is being sent" in said(max_.post(address(email.campaign, "archive")))


# --- Reports ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def launch(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> Launch:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        return launch_email(cast.bakery, email, author=cast.max, now=now)


def state(cast: Cast) -> str:
    with tenant(cast.bakery.pk):
        return str(Mailing.objects.get().state)


def test_reports_lead_to_their_page_and_have_the_buttons_of_their_state(
    cast: Cast, launch: Launch, max_: Client
) -> None:
    page = reverse("admin:campaigns_launch_changelist")
    shown = max_.get(page).content.decode()
    assert f'href="{reverse("admin:reporting_launch", args=[launch.pk])}"' in shown
    assert "0 of 1" in shown
    assert address(launch, "pause") in shown
    assert "Paused" in said(max_.post(address(launch, "pause")))
    assert state(cast) == "paused"
    assert address(launch, "resume") in max_.get(page).content.decode()
    assert "goes on" in said(max_.post(address(launch, "resume")))
    assert state(cast) == "sending"
    assert "Cancelled. 1 copy will not be sent." in said(max_.post(address(launch, "cancel")))
    assert state(cast) == "cancelled"
    assert "has been cancelled" in said(max_.post(address(launch, "resume")))
    assert address(launch, "pause") not in max_.get(page).content.decode()


def test_the_report_has_the_same_buttons(launch: Launch, max_: Client) -> None:
    report = reverse("admin:reporting_launch", args=[launch.pk])
    assert address(launch, "pause") in max_.get(report).content.decode()
    assert max_.get(address(launch))["Location"] == report


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", READERS)
def test_readers_see_everything_and_change_nothing(
    cast: Cast, email: Email, launch: Launch, campaign: Campaign, topic: Topic, who: str
) -> None:
    reader = signed_in(getattr(cast, who))
    for page in (
        *(reverse(f"admin:campaigns_{name}_changelist") for name in ("campaign", "email", "launch")),
        address(campaign),
        address(email),
        address(email, "preview"),
        address(email, "preview_copy", "none"),
    ):
        assert reader.get(page).status_code == 200
    listed = reader.get(reverse("admin:campaigns_launch_changelist")).content.decode()
    assert address(launch, "pause") not in listed
    for name in ("pause", "resume", "cancel"):
        assert reader.post(address(launch, name)).status_code == 403
    for row in (email, campaign):
        for name in ("duplicate", "archive", "restore"):
            assert reader.post(address(row, name)).status_code == 403
    assert reader.get(address(email, "send")).status_code == 403
    assert reader.post(address(email, "send"), {"when": "now", "launches_seen": "1"}).status_code == 403
    assert reader.post(address(email), email_form(campaign, topic)).status_code == 403
    assert reader.post(reverse("admin:campaigns_email_add"), email_form(campaign, topic)).status_code == 403
    assert emails(cast) == {"November"}
    assert state(cast) == "scheduled"


def test_strangers_find_nothing(cast: Cast, email: Email, launch: Launch, campaign: Campaign) -> None:
    cleo = signed_in(cast.cleo)
    for page in (address(email, "preview"), address(email, "preview_copy", "none"), address(email, "send")):
        assert cleo.get(page).status_code == 404
    for row, names in ((email, ("duplicate", "archive", "restore")), (campaign, ("duplicate", "archive", "restore"))):
        for name in names:
            assert cleo.post(address(row, name)).status_code == 404
    for name in ("pause", "resume", "cancel"):
        assert cleo.post(address(launch, name)).status_code == 404
    for name in ("campaign", "email", "launch"):
        page = cleo.get(reverse(f"admin:campaigns_{name}_changelist")).content.decode()
        assert "November" not in page
        assert "Bread 2026" not in page
    assert emails(cast) == {"November"}


def test_nobody_is_sent_to_the_sign_in_page(email: Email) -> None:
    response = Client().get(address(email, "preview"))
    assert response.status_code == 302
    assert "/accounts/login/" in response["Location"] or "/console/login/" in response["Location"]


def test_a_foreign_campaign_cannot_be_named_in_a_form(cast: Cast, max_: Client, now: datetime) -> None:
    foreign = make_campaign(cast.cinema, make_website(cast.cinema, cast.cleo, now=now), name="Films", now=now)
    make_email(cast.cinema, foreign, now=now)
    response = max_.post(reverse("admin:campaigns_email_add"), email_form(foreign))
    assert list(response.context["adminform"].form.errors) == ["campaign"]
    assert "Films" not in response.content.decode()


def test_emails_are_found_by_what_became_of_them(
    cast: Cast, campaign: Campaign, topic: Topic, subscriber: MakePerson, max_: Client, now: datetime
) -> None:
    subscriber("sue")
    rows = {name: make_email(cast.bakery, campaign, topic, name=name, now=now) for name in ("draft", "sent", "planned")}
    with tenant(cast.bakery.pk):
        launch_email(cast.bakery, rows["sent"], author=cast.max, now=now)
        launch_email(cast.bakery, rows["planned"], author=cast.max, not_before=now + timedelta(days=2), now=now)

    for status in rows:
        response = max_.get(reverse("admin:campaigns_email_changelist"), {"status": status})
        assert [email.name for email in response.context["cl"].result_list] == [status]
        assert f"{status.title()}<" in response.content.decode().replace("\n", "").replace(" ", "")
