"""Rule U4: what is kept too long goes, as the organization set, and an open keeps nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from accounts.models import Organization
from campaigns.models import Campaign, Participation
from common.keys import new_key
from common.tenancy import tenant
from consent.models import Choice
from consent.rules import ChoiceValue
from consent.selectors import local_day
from delivery.models import CaughtMessage, ServiceMessage, SuppressedHash
from intake.models import Confirmation, EntryForm, Submission
from participants.models import Participant
from privacy import tasks as nightly
from privacy.models import FreshLink, Keeping, KeepingRun, PersonRequest, SealedProof
from privacy.rules import add_months
from privacy.services.erasure import erase_participant
from privacy.services.requests import answer_request, open_request
from privacy.services.retention import apply_retention
from tests.campaigns.world import answer
from tests.privacy.pages import send_copy
from tests.support.cast import Cast
from tests.support.hits import Copies, batch_of, forget_hits, make_copies, store
from tests.support.world import choose, later, make_participant, make_topic, make_website, subscribe_to
from tracking import tasks
from tracking.models import ForgottenTotal, Hit, HitKeeping
from tracking.recorder import CLICK

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

LONG_AGO = timedelta(days=4 * 365)


@pytest.fixture
def copies(cast: Cast) -> Iterator[Copies]:
    forget_hits()
    yield make_copies(cast.bakery)
    forget_hits()


def age_hits(copies: Copies, moment: datetime) -> None:
    """Let what was recorded just now have been recorded then."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT tracking_make_hit_month(%s::date)", [moment])
        cursor.execute("UPDATE tracking_hit SET received_at = %s", [moment])


def keep(cast: Cast, **limits: int) -> None:
    with tenant(cast.bakery.pk):
        Keeping.objects.update_or_create(organization=cast.bakery, defaults=limits)


def test_u4_hits_go_after_25_months_and_their_empty_month_with_them(cast: Cast, copies: Copies) -> None:
    now = datetime.now(UTC)
    copy = copies.copy()
    store(batch_of(copy.key.hex))
    first_kept = datetime.combine(add_months(local_day(cast.bakery, now), -25), time(12), tzinfo=UTC)
    age_hits(copies, first_kept)
    assert apply_retention(cast.bakery, now=now).counts["hits"] == 0
    assert len(copies.hits()) == 1
    age_hits(copies, first_kept - timedelta(days=1))
    assert apply_retention(cast.bakery, now=now, only_count=True).counts["hits"] == 1
    age_hits(copies, now - timedelta(days=27 * 31))
    run = apply_retention(cast.bakery, now=now)
    assert run.counts["hits"] == 1
    assert copies.hits() == []
    with tenant(cast.bakery.pk):
        assert ForgottenTotal.objects.get().human_people == 1
    dropped = tasks.drop_old_hit_months()
    # On the first day of a month the day before the first one that is kept lies in a month that is over, too.
    assert f"tracking_hit_{now - timedelta(days=27 * 31):%Y_%m}" in dropped
    assert f"tracking_hit_{first_kept:%Y_%m}" not in dropped


def test_u4_an_organization_may_keep_hits_for_less(cast: Cast, copies: Copies) -> None:
    now = datetime.now(UTC)
    with tenant(cast.bakery.pk):
        HitKeeping.objects.create(organization=cast.bakery, months=2)
    old, young = copies.copy(), copies.copy()
    store(batch_of(old.key.hex))
    age_hits(copies, now - timedelta(days=100))
    store(batch_of(old.key.hex, young.key.hex))
    assert apply_retention(cast.bakery, now=now, only_count=True).counts["hits"] == 1
    assert len(copies.hits()) == 3
    assert apply_retention(cast.bakery, now=now).counts["hits"] == 1
    with tenant(cast.bakery.pk):
        # The person is still counted by the younger hit.
        assert (ForgottenTotal.objects.get().human_people, ForgottenTotal.objects.get().human_hits) == (0, 1)


def test_u4_an_open_keeps_nobody_and_a_click_does(cast: Cast, copies: Copies) -> None:
    now = datetime.now(UTC)
    opener, clicker = (copies.person() for _ in range(2))
    with tenant(cast.bakery.pk):
        Participant.objects.update(created_at=now - LONG_AGO)
    store(batch_of(copies.copy(opener).key.hex))
    store(batch_of(copies.copy(clicker).key.hex, kind=CLICK, link_number=1))
    machine = copies.person()
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=machine.pk).update(created_at=now - LONG_AGO)
    store(batch_of(copies.copy(machine).key.hex, kind=CLICK, link_number=1, actor=2))
    keep(cast, participants_months=36)
    assert apply_retention(cast.bakery, now=now, only_count=True).counts["participants"] == 2
    assert apply_retention(cast.bakery, now=now).counts["participants"] == 2
    with tenant(cast.bakery.pk):
        assert list(Participant.objects.values_list("pk", flat=True)) == [clicker.pk]
        assert set(Hit.objects.values_list("tracked_message__participant", flat=True)) == {clicker.pk}


def test_u4_declared_activity_keeps_people_and_without_a_limit_everybody_stays(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    topic = make_topic(cast.bakery, website)
    names = ("silent", "subscribed", "joined", "entered", "answered", "replied", "asked", "imported-yes")
    people = {name: make_participant(cast.bakery, f"{name}@b.example", now=now - LONG_AGO) for name in names}
    recently = now - timedelta(days=30)
    subscribe_to(cast.bakery, people["subscribed"], topic, now=recently)
    choose(cast.bakery, people["answered"], opens=ChoiceValue.NO, now=recently)
    choose(cast.bakery, people["imported-yes"], opens=ChoiceValue.YES, now=now - LONG_AGO)
    answer(send_copy(cast, topic, people["replied"], now=recently), now=recently)
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=website, name="Contest")
        Participation.objects.create(
            organization=cast.bakery, campaign=campaign, participant=people["joined"], participated_at=recently
        )
        again = {"organization": cast.bakery, "participant": people["entered"]}
        Participation.objects.create(**again, campaign=campaign, participated_at=now - LONG_AGO)
        form = EntryForm.objects.create(organization=cast.bakery, campaign=campaign)
        Submission.objects.create(**again, form=form, token=new_key(), language="en", submitted_at=recently)
        open_request(cast.bakery, kind="access", participant=people["asked"], channel="letter", now=recently)
        moved = Choice.objects.filter(participant=people["imported-yes"])
        assert moved.update(opens_at=recently, opens_source="import") == 1
    assert apply_retention(cast.bakery, now=now).counts["participants"] == 0
    keep(cast, participants_months=36)
    assert apply_retention(cast.bakery, now=now).counts["participants"] == 2
    with tenant(cast.bakery.pk):
        left = set(Participant.objects.values_list("email", flat=True))
    active = ("subscribed", "joined", "entered", "answered", "replied", "asked")
    assert left == {f"{name}@b.example" for name in active}


def test_u4_what_somebody_did_keeps_them_after_it_was_removed_itself(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    months_ago = {"joined": 14, "entered": 14, "long": 40}
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=website, name="Contest")
        form = EntryForm.objects.create(organization=cast.bakery, campaign=campaign)
        for name, months in months_ago.items():
            common = {
                "organization": cast.bakery,
                "participant": make_participant(cast.bakery, f"{name}@b.example", now=now - LONG_AGO),
            }
            at = now - timedelta(days=30 * months)
            if name != "entered":
                Participation.objects.create(**common, campaign=campaign, participated_at=at)
            for token, then in ((new_key(), at), (new_key(), now - LONG_AGO)):
                Submission.objects.create(**common, form=form, token=token, language="en", submitted_at=then)
    keep(cast, participations_months=12, participants_months=36)
    apply_retention(cast.bakery, now=now)
    with tenant(cast.bakery.pk):
        assert not Participation.objects.exists()
        assert not Submission.objects.exists()
    assert apply_retention(cast.bakery, now=now).counts["participants"] == 0
    with tenant(cast.bakery.pk):
        left = {one.email.partition("@")[0]: one.active_on for one in Participant.objects.all()}
    day = local_day(cast.bakery, now - timedelta(days=30 * 14))
    assert left == {"joined": day, "entered": day}
    in_two_years = later(now, days=2 * 365)
    assert apply_retention(cast.bakery, now=in_two_years).counts["participants"] == 2


def test_u4_whoever_had_refused_something_stays_out_and_others_may_come_back(cast: Cast, now: datetime) -> None:
    long_ago = now - LONG_AGO
    make_participant(cast.bakery, "silent@b.example", now=long_ago)
    refuser = make_participant(cast.bakery, "refuser@b.example", now=long_ago)
    choose(cast.bakery, refuser, opens=ChoiceValue.NO, now=long_ago)
    keep(cast, participants_months=36)
    apply_retention(cast.bakery, now=now)
    with tenant(cast.bakery.pk):
        assert not Participant.objects.exists()
        assert SuppressedHash.objects.count() == 1


def test_u4_contest_data_requests_proofs_and_mail_go_in_their_time(cast: Cast, now: datetime) -> None:
    bakery = cast.bakery
    website = make_website(bakery, cast.ana, now=now)
    old = now - LONG_AGO
    person = make_participant(bakery, "anna@b.example", now=now)
    erased = make_participant(bakery, "gone@b.example", now=old)
    choose(bakery, erased, opens=ChoiceValue.YES, now=old)
    with tenant(bakery.pk):
        campaign = Campaign.objects.create(organization=bakery, website=website, name="Contest")
        common = {"organization": bakery, "participant": person}
        Participation.objects.create(**common, campaign=campaign, participated_at=now - timedelta(days=400))
        answer(send_copy(cast, make_topic(bakery, website), person, now=old), now=now - timedelta(days=400))
        form = EntryForm.objects.create(organization=bakery, campaign=campaign)
        for days in (400, 300):
            Submission.objects.create(
                **common, form=form, token=new_key(), language="en", answers={"size": str(days)},
                submitted_at=now - timedelta(days=days),
            )  # fmt: skip
        # Two that are over, and two of these days; one more nobody has ended yet, so that nothing of it is lost.
        for days in (100, 1):
            then = now - timedelta(days=days)
            FreshLink.objects.create(**common, kind="data", key_hash=str(days), expires_at=then)
            Confirmation.objects.create(
                **common, website=website, language="en", asked_at=then, expires_at=then, confirmed_at=then
            )
        Confirmation.objects.create(
            **common, website=website, language="en", waiting={"topics": [1]}, asked_at=old, expires_at=old
        )
        request = open_request(bakery, kind="access", participant=person, channel="letter", now=old)
        answer_request(bakery, request, answer="Sent by post.", actor=cast.dana, now=old)
        open_request(bakery, kind="access", participant=person, channel="letter", now=old)
        ServiceMessage.objects.create(
            **common, website=website, to_email="anna@b.example", kind="receipt", language="en", subject="x",
            queued_at=now - timedelta(days=100),
        )  # fmt: skip
        CaughtMessage.objects.create(
            organization=bakery, mail_from="a@b.c", rcpt_to="d@e.f", raw=b"", received_at=now - timedelta(days=40)
        )
    erase_participant(bakery, erased, actor=None, reason="", now=old)
    keep(cast, participations_months=12, proofs_months=60)
    assert apply_retention(bakery, now=now).counts == {
        "hits": 0, "orphaned_hits": 0, "participants": 0, "participations": 1, "entries": 1, "answers": 1,
        "requests": 2, "proofs": 0, "service_messages": 1, "links": 2, "imports": 0, "mailbox": 1, "exports": 0,
    }  # fmt: skip
    with tenant(bakery.pk):
        assert Submission.objects.get().answers == {"size": "300"}
        assert FreshLink.objects.get().key_hash == "1"
        assert Confirmation.objects.count() == 2
        assert PersonRequest.objects.get().state == "open"
        assert SealedProof.objects.exists()
    assert apply_retention(bakery, now=later(now, days=370)).counts["proofs"] == 1


def test_u4_the_report_says_what_was_done_and_a_dry_run_does_nothing(cast: Cast, now: datetime) -> None:
    make_participant(cast.bakery, "silent@b.example", now=now - LONG_AGO)
    keep(cast, participants_months=36)
    out = StringIO()
    call_command("apply_retention", "--dry-run", stdout=out)
    assert "Bakery: participants 1\n" in out.getvalue()
    assert "Cinema: nothing\n" in out.getvalue()
    with tenant(cast.bakery.pk):
        assert Participant.objects.count() == 1
        run = KeepingRun.objects.get()
        assert (run.only_counted, run.counts["participants"], run.limits["participants_months"]) == (True, 1, 36)
    with tenant(cast.cinema.pk):
        assert KeepingRun.objects.get().counts["participants"] == 0


def test_u4_an_organization_that_cannot_be_cleaned_leaves_the_others_alone(cast: Cast, caplog: Any) -> None:
    with tenant(cast.bakery.pk):
        Organization.objects.filter(pk=cast.bakery.pk).update(timezone="No/Where")
    nightly.apply_retention()
    assert "a scheduled task failed" in caplog.text
    with tenant(cast.cinema.pk):
        assert KeepingRun.objects.get().finished_at is not None
