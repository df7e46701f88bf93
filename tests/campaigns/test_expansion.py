"""While the messages of a large launch are written nobody has to wait: not who stops it, nor who wants to be erased."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from campaigns.launches import begin_expansion, expand_audience, launch_email
from campaigns.models import Email, Launch
from campaigns.progress import progress_words
from campaigns.tasks import expand_launch
from common.tenancy import tenant
from delivery.models import Mailing, MailingState, Message
from delivery.services import cancel_mailing, pause_mailing, resume_mailing
from participants.models import Participant
from privacy.services.departure import remove_rows
from privacy.services.erasure import erase_participant
from tests.campaigns.world import MakePerson
from tests.support.cast import Cast
from tests.support.wait import somebody_waits_for_a_row, wait_until, waiting_for_a_row
from tests.support.world import later

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

_COPY = """INSERT INTO delivery_message (organization_id, mailing_id, participant_id, status, opens, clicks,
    opens_reason, clicks_reason, attempts, error, provider_id, news, news_words, queued_at)
    VALUES (%s, %s, %s, 'queued', '', '', '', '', 0, '', '', '', '', %s)"""


@pytest.fixture
def people(subscriber: MakePerson) -> dict[str, Participant]:
    return {name: subscriber(name) for name in ("sue", "sam", "sid")}


@pytest.fixture
def planned(cast: Cast, email: Email, people: dict[str, Participant], now: datetime) -> Launch:
    with tenant(cast.bakery.pk):
        return launch_email(cast.bakery, email, author=cast.max, not_before=later(now, hours=1), now=now)


class Writing:
    """An expansion in a thread of its own, which has looked for its people and is held up at one of them."""

    def __init__(self) -> None:
        self.written: list[int] = []
        # Whether the copy that holds it up is there in the end.
        self.is_kept = False


@pytest.fixture(params=["whole", "halves"])
def in_halves(request: pytest.FixtureRequest) -> bool:
    return request.param == "halves"


# Where an expansion in halves is held up: Sue and Sam are in the first one, Sid in the second.
in_each_half = pytest.mark.parametrize("at", ["sue", "sid"])


@contextmanager
def writing(
    cast: Cast, launch: Launch, at: Participant, now: datetime, *, in_halves: bool = False
) -> Iterator[Writing]:
    """PostgreSQL makes it wait for whoever is writing the same copy; until the end of the block."""
    found = Writing()

    def expand() -> None:
        try:
            with tenant(cast.bakery.pk):
                found.written.append(expand_audience(cast.bakery, launch, now=now, in_halves=in_halves))
        finally:
            connections.close_all()

    thread = threading.Thread(target=expand)
    with transaction.atomic(using="owner"), connections["owner"].cursor() as owner:
        owner.execute(_COPY, [cast.bakery.pk, launch.mailing_id, at.pk, now])
        thread.start()
        wait_until(lambda: somebody_waits_for_a_row(owner), what="the expansion to reach the copy")
        yield found
        transaction.set_rollback(not found.is_kept, using="owner")
    thread.join(60)
    assert not thread.is_alive()


def at_once[T](step: Callable[[], T]) -> T:
    """Fails where somebody would have to wait."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        return step()


def copies(cast: Cast, launch: Launch) -> dict[str, str]:
    with tenant(cast.bakery.pk):
        rows = Message.objects.filter(mailing=launch.mailing_id).values_list("participant__first_name", "status")
        return dict(rows)


def state(cast: Cast, launch: Launch) -> tuple[str, bool]:
    with tenant(cast.bakery.pk):
        mailing = Mailing.objects.get(pk=launch.mailing_id)
    return mailing.state, mailing.expanded_at is not None


@pytest.mark.parametrize(("at", "gone"), [("sue", "sam"), ("sue", "sid"), ("sid", "sam")])
def test_d2_an_erasure_waits_for_no_expansion_and_leaves_no_copy(
    cast: Cast, planned: Launch, people: dict[str, Participant], now: datetime, in_halves: bool, at: str, gone: str
) -> None:
    with writing(cast, planned, people[at], later(now, hours=1), in_halves=in_halves) as expansion:
        at_once(lambda: erase_participant(cast.bakery, people[gone], actor=cast.dana, reason="test", now=now))
    assert expansion.written == [2]
    assert copies(cast, planned) == {name.title(): "queued" for name in people if name != gone}


@in_each_half
def test_a_launch_is_cancelled_while_it_is_written(
    cast: Cast, planned: Launch, people: dict[str, Participant], now: datetime, in_halves: bool, at: str
) -> None:
    with writing(cast, planned, people[at], later(now, hours=1), in_halves=in_halves) as expansion:
        at_once(lambda: cancel_mailing(cast.bakery, planned.mailing, now=now))
    assert expansion.written == [0]
    assert copies(cast, planned) == {}
    assert state(cast, planned) == (MailingState.CANCELLED, False)


@in_each_half
def test_a_launch_is_paused_while_it_is_written_and_goes_on_with_what_was(
    cast: Cast, planned: Launch, people: dict[str, Participant], now: datetime, in_halves: bool, at: str
) -> None:
    with writing(cast, planned, people[at], later(now, hours=1), in_halves=in_halves):
        at_once(lambda: pause_mailing(cast.bakery, planned.mailing, now=now))
    assert state(cast, planned) == (MailingState.PAUSED, True)
    assert copies(cast, planned) == {"Sue": "queued", "Sam": "queued", "Sid": "queued"}
    resume_mailing(cast.bakery, planned.mailing, now=later(now, hours=1))
    assert state(cast, planned) == (MailingState.SENDING, True)


def test_a_second_worker_does_not_wait_for_the_first(
    cast: Cast, planned: Launch, people: dict[str, Participant], now: datetime
) -> None:
    with writing(cast, planned, people["sue"], later(now, hours=1)) as expansion, tenant(cast.bakery.pk):
        assert at_once(lambda: expand_audience(cast.bakery, planned, now=later(now, hours=1))) == 0
    assert expansion.written == [3]


@in_each_half
def test_who_takes_part_and_gets_theirs_meanwhile_gets_no_second_one(
    cast: Cast, planned: Launch, people: dict[str, Participant], now: datetime, in_halves: bool, at: str
) -> None:
    with writing(cast, planned, people[at], later(now, hours=1), in_halves=in_halves) as expansion:
        expansion.is_kept = True
    assert expansion.written == [2]
    assert copies(cast, planned) == {"Sue": "queued", "Sam": "queued", "Sid": "queued"}


def test_a_half_that_a_killed_worker_left_is_made_whole(
    cast: Cast, planned: Launch, people: dict[str, Participant], now: datetime, in_halves: bool
) -> None:
    with transaction.atomic(using="owner"), connections["owner"].cursor() as owner:
        owner.execute(_COPY, [cast.bakery.pk, planned.mailing_id, people["sid"].pk, now])
    with tenant(cast.bakery.pk):
        expand = partial(expand_audience, cast.bakery, planned, now=later(now, hours=1), in_halves=in_halves)
        assert (expand(), expand()) == (2, 0)
    assert copies(cast, planned) == {"Sue": "queued", "Sam": "queued", "Sid": "queued"}
    assert state(cast, planned) == (MailingState.SCHEDULED, True)


def test_d4_a_departure_waits_for_an_expansion_and_takes_what_it_wrote(
    cast: Cast, planned: Launch, people: dict[str, Participant], now: datetime
) -> None:
    gone: list[bool] = []

    def leave() -> None:
        try:
            remove_rows(cast.bakery.pk)
            gone.append(True)
        finally:
            connections.close_all()

    thread = threading.Thread(target=leave)
    with writing(cast, planned, people["sue"], later(now, hours=1)) as expansion:
        thread.start()
        with connections["owner"].cursor() as owner:
            wait_until(lambda: waiting_for_a_row(owner) == 2, what="the departure to reach the launch")
    thread.join(60)
    assert (expansion.written, gone) == ([3], [True])
    assert copies(cast, planned) == {}


def test_the_messages_of_a_large_launch_are_written_by_a_worker(
    cast: Cast,
    email: Email,
    people: dict[str, Participant],
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("campaigns.launches.FEW_PEOPLE", 2)
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, kwargs, **_more: asked.append((name, kwargs)))
    with tenant(cast.bakery.pk):
        launched = launch_email(cast.bakery, email, author=cast.max, now=now)
    assert asked == [
        ("campaigns.expand_launch", {"organization_id": cast.bakery.pk, "mailing_id": launched.mailing_id})
    ]
    assert copies(cast, launched) == {}
    with tenant(cast.bakery.pk):
        assert progress_words(cast.bakery, launched, now=now)["reason"] == "A copy for each person is being prepared."
    expand_launch(**asked.pop()[1])
    assert copies(cast, launched) == {"Sue": "queued", "Sam": "queued", "Sid": "queued"}
    with tenant(cast.bakery.pk):
        launched.mailing.refresh_from_db()
        assert progress_words(cast.bakery, launched, now=now)["reason"] == ""
        # As many as that, and it is done at once.
        monkeypatch.setattr("campaigns.launches.FEW_PEOPLE", 3)
        Mailing.objects.update(expanded_at=None)
        Message.objects.all().delete()
        begin_expansion(cast.bakery, launched, now=now)
    assert len(copies(cast, launched)) == 3
