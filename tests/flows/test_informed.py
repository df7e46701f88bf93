"""From the import to the hit: people who were informed and did not refuse, where the rule table counts it (C8, C10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from common.tenancy import tenant
from consent.models import Choice, Notice
from consent.rules import ChoiceValue
from delivery.models import Message
from intake.imports import run_import
from intake.models import Import
from participants.models import Participant
from tests.delivery.world import World
from tests.support.cast import Cast
from tests.support.hits import forget_hits
from tests.support.readers import Copy
from tests.support.smtp import SmtpServer
from tests.support.world import choose, make_participant, make_topic, make_website
from tracking.models import Hit
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

FILE = b"""email,country
zoe@example.org,FR
greta@example.org,DE
nobody@example.org,
rene@example.org,FR
"""


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Iterator[SmtpServer]:
    forget_hits()
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


def import_by_hand(cast: Cast, world: World, *, informed_on: str) -> None:
    """As a marketer does it in the browser."""
    client = Client()
    client.force_login(cast.max)
    file = SimpleUploadedFile("people.csv", FILE, "text/csv")
    page = client.post("/console/intake/import/add/", {"kind": "participants", "file": file})["Location"]
    with tenant(cast.bakery.pk):
        notice = Notice.objects.get(website=world.website)
    plan = {
        "column_0": "email", "column_1": "country", "topic": world.topic.pk, "basis": "existing_customer",
        "informed_ground": "existing", "informed_notice": notice.pk, "informed_collected_at": "2025-05-01",
        "informed_informed_at": informed_on, "informed_evidence": "mailing 12", "informed_vouched_by": "Max",
    }  # fmt: skip
    assert client.post(page, plan).status_code == 302
    with tenant(cast.bakery.pk):
        source = Import.objects.get()
    run_import(cast.bakery.pk, source.pk, clock=world.clock)


def begin(cast: Cast) -> World:
    now = timezone.now() - timedelta(hours=1)
    website = make_website(cast.bakery, cast.ana, now=now, country="FR", tracking=EmailTracking.BY_CONSENT)
    return World(cast, website, make_topic(cast.bakery, website), now + timedelta(minutes=1))


def send(world: World, server: SmtpServer) -> tuple[dict[str, Copy], dict[str, Message]]:
    """The copies of a mailing to everybody, and the rows of their messages."""
    known = len(server.messages())
    with tenant(world.cast.bakery.pk):
        mailing = world.mailing(list(Participant.objects.all()))
    world.send(mailing, minutes=1)
    copies = {one.rcpt_to.partition("@")[0]: Copy(one.html) for one in server.messages()[known:]}
    return copies, world.rows(mailing)


def test_c10_informed_people_are_measured_where_the_table_counts_it(cast: Cast, server: SmtpServer) -> None:
    world = begin(cast)
    rene = make_participant(cast.bakery, "rene@example.org", now=world.time, country="FR")
    choose(cast.bakery, rene, now=world.time, opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    import_by_hand(cast, world, informed_on="2026-06-01")
    world.time += timedelta(minutes=1)

    copies, rows = send(world, server)
    assert {name for name, copy in copies.items() if copy.is_measured} == {"zoe"}
    assert {name: row.opens_reason for name, row in rows.items()} == {
        "zoe": "informed_in_time",
        "greta": "no_answer",
        "nobody": "no_answer",
        "rene": "person_said_no",
    }
    copies["zoe"].open()
    copies["zoe"].click()
    with tenant(cast.bakery.pk):
        assert Hit.objects.count() == 2
        zoe = Choice.objects.get(participant__email="zoe@example.org")
    # Never a yes, and a no ends it at the next hit.
    assert (zoe.opens, zoe.opens_yes_since) == ("informed", None)
    choose(cast.bakery, Participant(pk=zoe.participant_id), now=world.time, opens=ChoiceValue.NO)
    copies["zoe"].open()
    with tenant(cast.bakery.pk):
        assert Hit.objects.count() == 2


def test_c10_moving_to_germany_ends_it(cast: Cast, server: SmtpServer) -> None:
    """The rule of where the person is counts at the hit, also on mail that was delivered before (S5, H1)."""
    world = begin(cast)
    import_by_hand(cast, world, informed_on="2026-06-01")
    world.time += timedelta(minutes=1)
    copies, _rows = send(world, server)
    client = Client()
    client.force_login(cast.max)
    with tenant(cast.bakery.pk):
        zoe = Participant.objects.get(email="zoe@example.org")
    response = client.post(
        f"/console/participants/participant/{zoe.pk}/change/", {"email": zoe.email, "country": "DE", "locale": ""}
    )
    assert response.status_code == 302
    copies["zoe"].open()
    with tenant(cast.bakery.pk):
        assert not Hit.objects.exists()
