"""The record of processing and the sub-processors follow from what is configured (rule D4)."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import Connection
from tests.support.cast import Cast
from tests.support.world import make_topic, make_website
from websites.models import Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

PAGE = "/console/processing/"


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    website = make_website(cast.bakery, cast.ana, now=now, tracking=EmailTracking.BY_CONSENT)
    make_topic(cast.bakery, website, "=cmd()")
    return website


def get(cast: Cast, address: str, name: str = "dana") -> Any:
    client = Client()
    client.force_login(getattr(cast, name))
    return client.get(address)


def test_d4_the_record_names_who_what_how_long_and_why(cast: Cast, website: Website) -> None:
    page = get(cast, PAGE).content.decode()
    for words in (
        "Bakery SA",
        "Rue du Four 1",
        "Dana",
        "dana@bakery.example",
        "Daily bread",
        "By consent",
        "25 months",
    ):
        assert words in page, words
    assert "None is configured" in page


def test_d4_a_configured_mail_server_is_a_sub_processor(cast: Cast, website: Website, settings: Any) -> None:
    settings.SMTP_URL = "smtp://user:secret@mail.example:25"
    with tenant(cast.bakery.pk):
        Connection.objects.create(organization=cast.bakery, name="Ours", kind="smtp", host="relay.example")
        Connection.objects.create(organization=cast.bakery, name="Said already", kind="builtin")
    page = get(cast, PAGE).content.decode()
    assert "mail.example" in page
    assert "Said already" not in page
    assert "relay.example" in page
    assert "secret" not in page
    assert "relay.example" not in get(cast, PAGE, "cleo").content.decode()


def test_d4_the_files_hold_the_same_and_run_nothing(cast: Cast, website: Website) -> None:
    record = json.loads(get(cast, f"{PAGE}json/").content)
    subjects = [one["subject"] for one in record["record_of_processing"]]
    assert "Daily bread · =cmd()" in subjects
    answer = get(cast, f"{PAGE}csv/")
    assert "attachment" in answer["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert [row[1] for row in rows[1:]] == subjects
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "-"))]
    printed = get(cast, f"{PAGE}html/").content.decode()
    assert "Bakery SA" in printed
    assert "<script" not in printed
    assert get(cast, f"{PAGE}xml/").status_code == 404


def test_d4_a_formula_as_a_name_is_text(cast: Cast, website: Website) -> None:
    with tenant(cast.bakery.pk):
        Organization.objects.update(legal_name='=HYPERLINK("https://x.example")')
    rows = list(csv.reader(io.StringIO(get(cast, f"{PAGE}csv/").content.decode())))
    assert any(row[2].startswith("'=HYPERLINK") for row in rows)
