"""Rule D2: the export of a person holds every table that says something about them, or says why it does not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from campaigns.models import Campaign, Participation, TrialAddress, TrialGroup
from common.keys import new_key
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.connection_models import Connection, ProviderNews
from delivery.models import ConsentRequest, MessageCall, ServiceMessage, Suppression
from delivery.outside_models import OutsidePerson
from intake.models import Confirmation, EntryForm, Submission, UnprovenYes
from participants.models import Participant
from privacy.models import FreshLink, InactivityCheck, InactivityRule
from privacy.services.exports import export_person
from privacy.services.person_record import HELD_IN, LEFT_OUT, PARTS, person_record
from privacy.services.requests import open_request
from tests.campaigns.world import answer
from tests.privacy.pages import Home
from tests.support.world import choose, make_participant
from tracking.models import HitsForgotten, LastOpenDay, TrackedMessage

pytestmark = pytest.mark.django_db


def tables_about_people() -> Iterator[type[models.Model]]:
    """Whatever points to a participant, names one in the registers or by the address, or belongs to such a row."""
    mine = [model for model in apps.get_models() if not model._meta.proxy]
    direct = {model for model in mine if model is Participant or any(map(names_somebody, model._meta.concrete_fields))}
    yield from direct
    yield from (model for model in mine if any(one.related_model in direct for one in model._meta.concrete_fields))


def names_somebody(field: Any) -> bool:
    register = field.name == "subject" and isinstance(field, models.UUIDField)
    return field.related_model is Participant or register or field.name == "email_norm"


def test_d2_every_table_about_people_is_exported_or_left_out_for_a_reason() -> None:
    found = set(tables_about_people())
    assert found - set(HELD_IN) - set(LEFT_OUT) == set()
    assert (set(HELD_IN) | set(LEFT_OUT)) - found == set()
    assert not set(HELD_IN) & set(LEFT_OUT)
    assert all(LEFT_OUT.values())
    assert set(HELD_IN.values()) == set(PARTS)


@pytest.fixture
def known(home: Home, moment: datetime) -> Participant:
    """Somebody with a row in each of these tables."""
    bakery, zoe, website, now = home.cast.bakery, home.zoe, home.website, moment
    choose(bakery, zoe, now=now, opens=ChoiceValue.YES)
    common: dict[str, Any] = {"organization": bakery, "participant": zoe}
    with tenant(bakery.pk):
        campaign = Campaign.objects.create(organization=bakery, website=website, name="Quiz")
        Participation.objects.create(**common, campaign=campaign, participated_at=now)
        answer(home.message, now=now)
        form = EntryForm.objects.create(organization=bakery, campaign=campaign)
        entry = Submission.objects.create(
            **common, form=form, token=new_key(), language="en", answers={"size": "42"}, source="poster"
        )
        Confirmation.objects.create(
            **common, website=website, submission=entry, language="en", waiting={"topics": [1]}, asked_at=now,
            expires_at=now,
        )  # fmt: skip
        UnprovenYes.objects.create(**common, scope=website.consent_scope, opens=True)
        ConsentRequest.objects.create(**common, scope=website.consent_scope, message=home.message, asked_at=now)
        MessageCall.objects.create(organization=bakery, message=home.message, content="x", data={"order": "A-17"})
        ProviderNews.objects.create(
            organization=bakery,
            message=home.message,
            identity="1",
            kind="bounced",
            words="550 unknown",
            happened_at=now,
        )
        HitsForgotten.objects.create(**common, kind=1, done="delete", hits=3, done_at=now)
        LastOpenDay.objects.create(participant=zoe, organization_id=bakery.pk, day=now.date())
        ServiceMessage.objects.create(**common, website=website, to_email=zoe.email, kind="receipt", subject="Hello")
        sender = Connection.objects.create(organization=bakery, name="Actito", kind="push")
        OutsidePerson.objects.create(**common, connection=sender, website=website, told={"tracking": False})
        group = TrialGroup.objects.create(organization=bakery, name="Office")
        TrialAddress.objects.create(organization=bakery, group=group, email=zoe.email, email_norm=zoe.email_norm)
        FreshLink.objects.create(**common, kind="address", new_email="zoe@new.example", key_hash="h", expires_at=now)
        open_request(bakery, kind="rectification", participant=zoe, channel="letter", now=now, details="My name is Zoé")
        rule = InactivityRule.objects.create(organization=bakery, website=website)
        InactivityCheck.objects.create(**common, rule=rule, key=new_key(), asked_at=now, answer_by=now)
        Suppression.objects.create(organization=bakery, email_norm=zoe.email_norm, reason="bounced", source="list")
        content = home.message.mailing.snapshot.tracked_content
        key = new_key()
        TrackedMessage.objects.create(
            **common, key=key, content=content, website=website, country="BE", opens="individual", clicks="individual",
            decided_at=now - timedelta(hours=1),
        )  # fmt: skip
    return zoe


def test_d2_what_stands_in_each_table_is_there_and_nobody_elses(
    home: Home, known: Participant, moment: datetime
) -> None:
    bakery = home.cast.bakery
    other = make_participant(bakery, "other@home.example", now=moment)
    with tenant(bakery.pk):
        record = person_record(bakery, known, now=moment)
        nobody = person_record(bakery, other, now=moment)
    assert list(PARTS) == [name for name in record if name in PARTS]
    assert set(record) == {"organization", "made_at", *PARTS}
    # Opens and clicks are written by the recorder alone; tests/privacy/test_mirror.py has some.
    assert [name for name in PARTS if not record[name]] == ["opens_and_clicks"]
    assert {name for name in PARTS if nobody[name]} == {"person"}
    # All columns, but numbers of ours, and the address once more.
    columns = {field.name for field in Participant._meta.concrete_fields}
    assert columns - set(record["person"]) == {"id", "organization", "email_norm", "ledger_id"}
    assert record["entries"][0]["answers"] == {"size": "42"}
    assert record["answers"][0]["answer"] == "No"
    assert record["requests_for_consent"][0]["consent_scope"] == home.website.consent_scope.name
    (message,) = record["messages"]
    assert message["data_of_call"] == {"order": "A-17"}
    # What they chose came later than the copy was decided.
    assert (message["opens_wording"], message["clicks_wording"]) == ("", "")
    assert "version_of_the_setting" in message
    assert "key_hash" not in record["links_to_your_data"][0]


def test_d2_the_file_has_all_of_it(home: Home, known: Participant, moment: datetime) -> None:
    with zipfile.ZipFile(io.BytesIO(export_person(home.cast.bakery, known, now=moment))) as archive:
        data = json.loads(archive.read("data.json"))
        assert {"entries.csv", "requests_for_consent.csv", "confirmations.csv"} <= set(archive.namelist())
        readme = archive.read("README.txt").decode()
    assert "asked by email whether you may be measured" in readme
    assert data["outside_senders"][0]["told"] == {"tracking": False}
