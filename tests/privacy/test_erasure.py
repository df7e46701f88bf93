"""Rule D2: after an erasure nothing names the person, what was counted stays, and only they bring themselves back."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime

import pytest
from django.core.files.base import ContentFile
from django.db import connections
from django.utils import timezone

from accounts.models import Organization
from campaigns.models import Campaign, Participation, TrialAddress, TrialGroup
from common.keys import new_key
from common.tenancy import tenant
from consent.models import Choice
from consent.rules import ChoiceValue
from consent.services import ensure_preference_keys
from delivery.models import CaughtMessage, ContentSnapshot, Mailing, Message, MessageStatus, ServiceMessage, Suppression
from delivery.refusals import welcome_back
from delivery.services import is_suppressed_hash
from intake.models import Import, ImportIssue, PeopleExport
from participants.models import Participant
from privacy.models import PersonRequest
from privacy.services.erasure import erase_participant
from privacy.services.requests import open_request
from tests.support.cast import Cast
from tests.support.hits import Copies, batch_of, forget_hits, make_copies, store
from tests.support.world import choose, later, make_participant, make_topic, make_website, subscribe_to
from tracking.models import ForgottenTotal, Hit, LastOpenDay, TrackedMessage
from websites.models import ConsentScope, Website

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

MARKER = "zq7marker"
ADDRESS = f"{MARKER}.Jane@Home.example"


def tables_with(marker: str) -> set[str]:
    """Every table of the database in which a text stands, packed mail included."""
    found = set()
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{marker}%"])  # noqa: S608
            if cursor.fetchone() != (0,):
                found.add(table)
        cursor.execute("SELECT raw FROM delivery_caughtmessage")
        if any(marker.encode() in zlib.decompress(raw) for (raw,) in cursor.fetchall()):
            found.add("delivery_caughtmessage")
    return found


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now)


@pytest.fixture
def person(cast: Cast, website: Website, now: datetime) -> Participant:
    """Somebody about whom there is something in every table that can hold anything about anybody."""
    bakery = cast.bakery
    jane = make_participant(
        bakery, ADDRESS, now=now, first_name=f"Jane {MARKER}", last_name=MARKER, external_id=f"c-{MARKER}",
        attributes={"favourite": MARKER},
    )  # fmt: skip
    subscribe_to(bakery, jane, make_topic(bakery, website), now=now)
    with tenant(bakery.pk):
        common = {"organization": bakery}
        campaign = Campaign.objects.create(**common, website=website, name="Contest")
        Participation.objects.create(**common, campaign=campaign, participant=jane, participated_at=now, source=MARKER)
        group = TrialGroup.objects.create(**common, name="Office")
        TrialAddress.objects.create(**common, group=group, email=jane.email, email_norm=jane.email_norm)
        LastOpenDay.objects.create(participant=jane, organization_id=bakery.pk, day=now.date())
        ensure_preference_keys(bakery, [jane.pk], scope_id=website.consent_scope_id)
        _fill_delivery(bakery, website, jane, now)
        _fill_imports(bakery, now)
        open_request(bakery, kind="rectification", participant=jane, channel="email", now=now, details=f"I am {MARKER}")
    return jane


def _fill_delivery(bakery: Organization, website: Website, jane: Participant, now: datetime) -> None:
    common = {"organization": bakery}
    ServiceMessage.objects.create(
        **common, website=website, participant=jane, to_email=jane.email, kind="receipt", language="en",
        subject=MARKER, text=f"Dear {MARKER}",
    )  # fmt: skip
    ServiceMessage.objects.create(
        **common, website=website, to_email=jane.email_norm, kind="receipt", language="en", subject="Hello"
    )
    Suppression.objects.create(**common, email_norm=jane.email_norm, reason="unsubscribed", source=MARKER)
    CaughtMessage.objects.create(
        **common,
        mail_from="a@b.example",
        rcpt_to=jane.email,
        subject="Hello",
        raw=zlib.compress(f"To {MARKER}".encode()),
    )


def _fill_imports(bakery: Organization, now: datetime) -> None:
    common = {"organization": bakery}
    rows = [["email", "name"], [ADDRESS, MARKER]]
    source = Import(
        **common, filename="people.csv", state="done", finished_at=now,
        layout={"encoding": "utf-8", "header": rows[0], "sample": rows[1:]},
    )  # fmt: skip
    source.file.save("people.csv", ContentFile("\n".join(",".join(row) for row in rows).encode()), save=False)
    source.save()
    export = PeopleExport(**common, scope=ConsentScope.objects.get(), state="done", finished_at=now)
    export.file.save("people.csv", ContentFile(ADDRESS.encode()), save=False)
    export.save()
    ImportIssue.objects.create(**common, source=source, row=2, column="email", value=ADDRESS, issue="not_an_address")
    ImportIssue.objects.create(**common, source=source, row=2, column="name", value=MARKER, issue="too_long")
    ImportIssue.objects.create(**common, source=source, row=3, column="email", value="other@x", issue="not_an_address")


def erase(cast: Cast, person: Participant, now: datetime) -> PersonRequest:
    return erase_participant(cast.bakery, person, actor=cast.dana, reason="Letter 12", now=now)


def test_d2_nothing_in_the_database_names_an_erased_person(cast: Cast, person: Participant, now: datetime) -> None:
    assert tables_with(MARKER) >= {
        "participants_participant", "delivery_servicemessage", "delivery_suppression", "delivery_caughtmessage",
        "intake_import", "intake_importissue", "campaigns_participation", "privacy_personrequest",
    }  # fmt: skip
    with tenant(cast.bakery.pk):
        source = Import.objects.get()
        path, storage = str(source.file.name), source.file.storage
        exported = str(PeopleExport.objects.get().file.name)
    assert storage.exists(exported)
    erase(cast, person, now)
    assert tables_with(MARKER) == set()
    assert tables_with(str(person.email_norm)) == set()
    assert not storage.exists(path)
    assert not storage.exists(exported)
    with tenant(cast.bakery.pk):
        assert ImportIssue.objects.count() == 1


def test_d2_somebody_else_loses_nothing(cast: Cast, person: Participant, website: Website, now: datetime) -> None:
    other = make_participant(cast.bakery, "john@home.example", now=now)
    with tenant(cast.bakery.pk):
        _fill_delivery(cast.bakery, website, other, now)
        before = (ServiceMessage.objects.filter(participant=other).count(), Suppression.objects.count())
    erase(cast, person, now)
    with tenant(cast.bakery.pk):
        assert Participant.objects.get() == other
        assert ServiceMessage.objects.filter(participant=other).count() == before[0]
        assert Suppression.objects.get().email_norm == "john@home.example"


def test_d2_the_address_stays_out_as_a_hash_of_its_organization(cast: Cast, person: Participant, now: datetime) -> None:
    erase(cast, person, now)
    with tenant(cast.bakery.pk):
        assert is_suppressed_hash(cast.bakery, person.email_norm)
        assert not is_suppressed_hash(cast.bakery, "john@home.example")
    with tenant(cast.cinema.pk):
        assert not is_suppressed_hash(cast.cinema, person.email_norm)


def test_d2_the_register_says_who_erased_and_when_and_names_nobody(
    cast: Cast, person: Participant, now: datetime
) -> None:
    request = erase(cast, person, now)
    assert (request.kind, request.state, request.answered_by, request.answered_at) == (
        "erasure", "answered", cast.dana, now,
    )  # fmt: skip
    with tenant(cast.bakery.pk):
        assert list(PersonRequest.objects.exclude(participant=None)) == []
        assert not PersonRequest.objects.filter(state="open").exists()


@pytest.fixture
def copies(cast: Cast) -> Iterator[Copies]:
    forget_hits()
    yield make_copies(cast.bakery)
    forget_hits()


def sent_message(cast: Cast, copies: Copies, person: Participant, copy: TrackedMessage, now: datetime) -> Message:
    common = {"organization": cast.bakery}
    with tenant(cast.bakery.pk):
        snapshot = ContentSnapshot.objects.create(
            **common, website=copies.website, tracked_content=copies.content, compiled={}
        )
        mailing = Mailing.objects.create(
            **common, website=copies.website, snapshot=snapshot, purpose="marketing", not_before=now, state="done"
        )
        message = Message.objects.create(
            **common, mailing=mailing, participant=person, tracked_message=copy, status=MessageStatus.SENT,
            reference=new_key(), unsubscribe_key=new_key(),
        )  # fmt: skip
        message.refresh_from_db()
        return message


def test_d2_what_was_counted_of_an_erased_person_stays_and_the_key_means_nothing(
    cast: Cast, copies: Copies, now: datetime
) -> None:
    jane = copies.person()
    copy = copies.copy(jane)
    store(batch_of(copy.key.hex))
    message = sent_message(cast, copies, jane, copy, now)
    old_keys = (message.reference, message.unsubscribe_key)
    erase(cast, jane, timezone.now())
    with tenant(cast.bakery.pk):
        assert not TrackedMessage.objects.exists()
        assert not Hit.objects.exists()
        total = ForgottenTotal.objects.get()
        assert (total.human_people, total.human_hits) == (1, 1)
        message.refresh_from_db()
        assert message.participant_id is None
        assert message.status == MessageStatus.SENT
        assert not Message.objects.filter(reference=old_keys[0]).exists()
        assert not Message.objects.filter(unsubscribe_key=old_keys[1]).exists()
    # The mail is still in somebody's mailbox.
    assert store(batch_of(copy.key.hex)) == 0


def test_d2_a_person_who_comes_back_by_their_own_act_is_still_left_alone_as_before(
    cast: Cast, person: Participant, now: datetime
) -> None:
    choose(cast.bakery, person, opens=ChoiceValue.NO, clicks=ChoiceValue.YES, now=now)
    erase(cast, person, now)
    jane = make_participant(cast.bakery, ADDRESS, now=now)
    with tenant(cast.bakery.pk):
        assert welcome_back(cast.bakery, jane, now=later(now, days=9))
        assert not is_suppressed_hash(cast.bakery, jane.email_norm)
        choice = Choice.objects.get(participant=jane)
        assert choice.opens_at == now
        assert (choice.opens, choice.clicks) == ("no", "unknown")
        assert Suppression.objects.get().reason == "unsubscribed"
        assert not welcome_back(cast.bakery, jane, now=later(now, days=9))
    choose(cast.bakery, jane, opens=ChoiceValue.YES, now=later(now, days=9, seconds=1))
    with tenant(cast.bakery.pk):
        assert Choice.objects.get(participant=jane).opens == "yes"
