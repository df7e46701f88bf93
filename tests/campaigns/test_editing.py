"""Saving, duplicating and archiving campaigns and their emails."""

from __future__ import annotations

from datetime import datetime

import pytest

from campaigns.models import Campaign, Email, Launch
from campaigns.services import (
    COPIED_FIELDS,
    CampaignRefused,
    archive_campaign,
    archive_email,
    duplicate_campaign,
    duplicate_email,
    launch_email,
    restore_campaign,
    restore_email,
    save_campaign,
    save_email,
)
from common.tenancy import tenant
from consent.models import Topic
from delivery.services import cancel_mailing
from tests.campaigns.world import MakePerson, make_email
from tests.support.cast import Cast
from tests.support.world import later, make_topic, make_website


def test_a_copy_of_an_email_has_its_content_and_none_of_its_launches(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        launch_email(cast.bakery, email, author=cast.ana, now=now)
        copy = duplicate_email(cast.bakery, email, now=later(now, hours=1))
        assert copy.name == "Copy of November"
        assert copy.campaign == email.campaign
        assert [getattr(copy, field) for field in COPIED_FIELDS] == [getattr(email, field) for field in COPIED_FIELDS]
        assert copy.created_at == later(now, hours=1)
        assert not copy.launches.exists()


def test_every_field_that_an_author_writes_is_copied() -> None:
    ours = {"id", "organization", "campaign", "name", "archived_at", "created_at", "updated_at"}
    assert set(COPIED_FIELDS) == {field.name for field in Email._meta.fields} - ours


def test_a_copy_of_a_campaign_has_its_emails_and_nobody_who_took_part(
    cast: Cast, campaign: Campaign, topic: Topic, email: Email, player: MakePerson, now: datetime
) -> None:
    player("paul")
    archived = make_email(cast.bakery, campaign, topic, name="Old", archived_at=now, now=now)
    with tenant(cast.bakery.pk):
        copy = duplicate_campaign(cast.bakery, campaign, now=now)
        assert copy.name == "Copy of Bread 2026"
        assert [one.name for one in copy.emails.all()] == ["November"]
        assert not copy.participations.exists()
        assert campaign.emails.count() == 2
    assert archived.name == "Old"


def test_a_long_name_is_copied_as_far_as_it_fits(cast: Cast, email: Email, now: datetime) -> None:
    email.name = "x" * 160
    with tenant(cast.bakery.pk):
        assert duplicate_email(cast.bakery, email, now=now).name == f"Copy of {'x' * 152}"


def test_what_waits_to_be_sent_cannot_be_archived(
    cast: Cast, email: Email, campaign: Campaign, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        launched = launch_email(cast.bakery, email, author=cast.ana, not_before=later(now, days=1), now=now)
        with pytest.raises(CampaignRefused, match="“November” is being sent or waits for its time"):
            archive_email(cast.bakery, email, now=now)
        with pytest.raises(CampaignRefused, match="“November”"):
            archive_campaign(cast.bakery, campaign, now=now)
        cancel_mailing(cast.bakery, launched.mailing, now=now)
        archive_email(cast.bakery, email, now=now)
        archive_campaign(cast.bakery, campaign, now=now)
        assert Email.objects.get(pk=email.pk).archived_at == now
        assert Campaign.objects.get(pk=campaign.pk).archived_at == now
        assert Launch.objects.count() == 1


def test_what_is_archived_can_be_brought_back(cast: Cast, email: Email, campaign: Campaign, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        archive_email(cast.bakery, email, now=now)
        archive_campaign(cast.bakery, campaign, now=now)
        restore_email(cast.bakery, email)
        restore_campaign(cast.bakery, campaign)
        assert Email.objects.get(pk=email.pk).archived_at is None
        assert Campaign.objects.get(pk=campaign.pk).archived_at is None


def test_a_campaign_closes_after_it_opens(cast: Cast, campaign: Campaign, now: datetime) -> None:
    campaign.opens_at = campaign.closes_at = now
    with tenant(cast.bakery.pk), pytest.raises(CampaignRefused, match="closes after it opens"):
        save_campaign(cast.bakery, campaign, now=now)


def test_nothing_is_saved_under_what_belongs_to_somebody_else(cast: Cast, email: Email, now: datetime) -> None:
    other = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, name="Other", now=now))
    foreign = make_website(cast.cinema, cast.cleo, now=now)
    with tenant(cast.bakery.pk):
        email.topic = other
        with pytest.raises(CampaignRefused, match="another website"):
            save_email(cast.bakery, email, now=now)
        with pytest.raises(CampaignRefused, match="not one of yours"):
            save_campaign(cast.bakery, Campaign(website=foreign, name="Mine"), now=now)
        with pytest.raises(CampaignRefused, match="not one of yours"):
            save_email(cast.cinema, email, now=now)
