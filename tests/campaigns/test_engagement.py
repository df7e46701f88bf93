"""Segments by opens and clicks: who could not be measured from sending until now is never somebody who did not (U1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from campaigns.models import Launch
from campaigns.segments import Row, count_non_trackable, people_in, read_definition
from campaigns.selectors import many_people
from campaigns.services import launch_email
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import Mailing, Message
from delivery.outbox import claim_messages
from delivery.services import begin_mailing
from tests.campaigns.world import make_campaign, make_email, subscribers_of
from tests.support.cast import Cast
from tests.support.hits import batch_of, forget_hits, store
from tests.support.world import choose, make_topic, make_website, set_tracking
from tracking.forgetting import hit_keeping
from tracking.models import Actor, TrackedMessage
from tracking.recorder import CLICK, OPEN
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
YES, NO = ChoiceValue.YES, ChoiceValue.NO
MEASURED = ("opener", "silent", "clicker", "robot", "maybe")


class Sent:
    """An email that was sent an hour ago, by the machine's clock: hits are stored by it."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.now = cast, timezone.now()
        self.sent_at = self.now - timedelta(hours=1)
        before = self.now - timedelta(hours=2)
        self.website = make_website(cast.bakery, cast.ana, now=before, tracking=EmailTracking.BY_CONSENT)
        topic = make_topic(cast.bakery, self.website)
        make = subscribers_of(cast.bakery, topic, now=before)
        self.people = {name: make(name) for name in (*MEASURED, "refuser", "unasked", "later")}
        for name in MEASURED:
            choose(cast.bakery, self.people[name], now=before, opens=YES, clicks=YES)
        choose(cast.bakery, self.people["refuser"], now=before, opens=NO, clicks=NO)
        self.email = make_email(
            cast.bakery, make_campaign(cast.bakery, self.website, now=before), topic, now=before, add_utm=False
        )
        self.launch = self.send()

    def send(self) -> Launch:
        bakery = self.cast.bakery
        with tenant(bakery.pk):
            launch = launch_email(bakery, self.email, author=self.cast.max, now=self.sent_at)
        mailing = begin_mailing(bakery.pk, launch.mailing_id, now=self.sent_at)
        assert mailing is not None
        claim_messages(mailing, after=0, limit=50, now=self.sent_at)
        self.change(status="sent", sent_at=self.sent_at)
        return launch

    def change(self, name: str = "", **fields: Any) -> None:
        with tenant(self.cast.bakery.pk):
            messages = Message.objects.filter(participant=self.people[name]) if name else Message.objects.all()
            messages.update(**fields)

    def hit(self, name: str, kind: int, actor: Actor = Actor.HUMAN) -> None:
        with tenant(self.cast.bakery.pk):
            copy = TrackedMessage.objects.get(participant=self.people[name])
        assert store(batch_of(copy.key.hex, kind=kind, link_number=kind - 1, actor=actor.value)) == 1

    def row(self, op: str, *, include: bool = False, days: int | None = None) -> dict[str, Any]:
        launch = None if days else self.launch.pk
        return {"about": "engagement", "op": op, "launch": launch, "days": days, "with_non_trackable": include}

    def who(self, op: str, **fields: Any) -> set[str]:
        definition = read_definition({"match": "all", "rows": [self.row(op, **fields)]})
        with tenant(self.cast.bakery.pk), many_people():
            return {one.first_name.lower() for one in people_in(self.cast.bakery, definition, now=timezone.now())}

    def non_trackable(self, op: str, **fields: Any) -> int:
        row = Row("engagement", op, {k: v for k, v in self.row(op, **fields).items() if k not in ("about", "op")})
        with tenant(self.cast.bakery.pk):
            return count_non_trackable(self.cast.bakery, row, now=timezone.now())


@pytest.fixture
def sent(cast: Cast) -> Iterator[Sent]:
    world = Sent(cast)
    world.hit("opener", OPEN)
    world.hit("clicker", CLICK)
    world.hit("robot", OPEN, Actor.MACHINE)
    world.hit("robot", CLICK, Actor.MACHINE)
    world.hit("maybe", OPEN, Actor.UNSURE)
    world.hit("maybe", CLICK, Actor.UNSURE)
    yield world
    forget_hits()


def test_u1_who_could_not_be_measured_never_counts_as_somebody_who_did_not(sent: Sent) -> None:
    choose(sent.cast.bakery, sent.people["later"], now=timezone.now(), opens=YES, clicks=YES)
    outside = {"refuser", "unasked", "later"}
    for days in (None, 1):
        assert sent.who("opened", days=days) == {"opener"}
        # A click implies no open (S14); what only programs fetched may have been read too.
        assert sent.who("did_not_open", days=days) == {"silent", "clicker"}
        assert sent.who("clicked", days=days) == {"clicker"}
        # A scanner's click hides nobody's; one that may be a person's does.
        assert sent.who("did_not_click", days=days) == {"silent", "opener", "robot"}
        assert sent.non_trackable("did_not_open", days=days) == 3
        assert sent.who("did_not_open", include=True, days=days) == {"silent", "clicker"} | outside
        assert sent.who("opened", include=True, days=days) == {"opener"} | outside


def test_u1_what_was_taken_back_once_stays_unknown(sent: Sent) -> None:
    choose(sent.cast.bakery, sent.people["silent"], now=timezone.now(), opens=NO)
    choose(sent.cast.bakery, sent.people["silent"], now=timezone.now(), opens=YES)
    assert sent.who("did_not_open") == {"clicker"}
    assert sent.who("did_not_click") == {"silent", "opener", "robot"}
    assert sent.non_trackable("opened") == 4
    set_tracking(sent.cast.bakery, sent.website, EmailTracking.NEVER, now=timezone.now())
    set_tracking(sent.cast.bakery, sent.website, EmailTracking.BY_CONSENT, now=timezone.now())
    for op in ("opened", "did_not_open", "clicked", "did_not_click"):
        assert sent.who(op) == set()
        assert sent.non_trackable(op) == len(sent.people)


def test_u1_copies_that_may_not_have_arrived_and_hits_that_are_gone_prove_nothing(sent: Sent) -> None:
    sent.change("silent", status="unknown", sent_at=None)
    assert sent.who("did_not_open") == {"clicker"}
    assert sent.non_trackable("did_not_open") == 4
    sent.change("clicker", news="soft_bounce")
    assert sent.who("did_not_open") == set()
    with tenant(sent.cast.bakery.pk):
        keeping = hit_keeping(sent.cast.bakery)
        keeping.months = 1
        keeping.save()
        old = timezone.now() - timedelta(days=45)
        TrackedMessage.objects.filter(participant=sent.people["opener"]).update(decided_at=old)
    # Permission and choice began later than that; let them be older too, so that age alone decides.
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE consent_choice SET opens_yes_since = %s, clicks_yes_since = %s", [old, old])
        cursor.execute(
            "UPDATE websites_measurementpermission SET opens_with_yes_since = %s, clicks_with_yes_since = %s",
            [old, old],
        )
    assert sent.who("opened") == set()
    assert "opener" in sent.who("did_not_open", include=True)


def test_u1_of_several_copies_all_must_have_been_measurable(sent: Sent) -> None:
    """In the last days somebody got two, and only one of them could be measured."""
    choose(sent.cast.bakery, sent.people["later"], now=timezone.now() - timedelta(minutes=30), opens=YES, clicks=YES)
    first = sent.launch
    sent.sent_at = timezone.now() - timedelta(minutes=20)
    with tenant(sent.cast.bakery.pk):
        Mailing.objects.filter(pk=first.mailing_id).update(state="done")
    sent.launch = sent.send()
    assert sent.who("did_not_open") == {*MEASURED, "later"}
    # Who opened the first opened one of them.
    assert sent.who("opened", days=1) == {"opener"}
    assert sent.who("did_not_open", days=1) == {"silent", "clicker"}
    assert "later" in sent.who("did_not_open", days=1, include=True)


def test_s6_what_an_exempt_purpose_recorded_is_no_segments_business(sent: Sent) -> None:
    with tenant(sent.cast.bakery.pk):
        TrackedMessage.objects.update(exempt_purpose="authentication")
    assert sent.who("opened") == set()
    assert sent.non_trackable("opened") == len(sent.people)


def test_other_launches_do_not_count(sent: Sent) -> None:
    with tenant(sent.cast.bakery.pk):
        before = (timezone.now() - timedelta(days=3)).replace(microsecond=0)
        Message.objects.update(sent_at=before)
    assert sent.who("did_not_open", days=2) == set()
    assert sent.who("did_not_open", days=5) == {"silent", "clicker"}
