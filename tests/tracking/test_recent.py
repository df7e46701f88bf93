"""What was asked in the last seconds: scanners that follow every link, and addresses that are asked for again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings

from common.keys import encode_key, link_secrets, new_key, sign_link
from tests.support.asgi import ask
from tests.support.hits import LONG_AGO, Copies, store
from tracking import rules
from tracking.asgi import Hit, HitApplication, judge_hit
from tracking.batch import CLICK, Batch
from tracking.recent import KEPT_SECONDS, Recent
from tracking.recorder import OPEN, Recorder
from tracking.rules import AT_ONCE, NOBODY_READ, REPEATED, Actor

THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Thunderbird/145.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
HEADERS = [(b"user-agent", THUNDERBIRD.encode()), (b"accept-language", b"fr")]
WORD = 3


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def click(number: int, key: str = "a") -> Hit:
    return Hit(key, CLICK, number)


def words(recent: Recent, *hits: Hit, clock: Clock | None = None, pause: float = 0.0) -> list[Actor]:
    found = []
    for hit in hits:
        found.append(Actor(judge_hit(hit, HEADERS, "192.0.2.1", recent) & WORD))
        if clock is not None:
            clock.now += pause
    return found


# --- Links of one message ---------------------------------------------------------------------------------------------


def test_h5_whoever_follows_every_link_within_seconds_is_a_machine() -> None:
    clock = Clock()
    assert words(Recent(clock=clock), *map(click, range(1, 7)), clock=clock, pause=0.2) == [
        Actor.HUMAN, Actor.UNSURE, Actor.UNSURE, Actor.MACHINE, Actor.MACHINE, Actor.MACHINE
    ]  # fmt: skip


def test_somebody_who_reads_and_follows_a_link_now_and_then_is_a_person() -> None:
    clock = Clock()
    assert set(words(Recent(clock=clock), *map(click, range(1, 7)), clock=clock, pause=4.0)) == {Actor.HUMAN}
    # In tabs of their own, quickly: one signal is not two.
    assert set(words(Recent(clock=clock), *map(click, range(1, 5)), clock=clock, pause=2.5)) == {
        Actor.HUMAN,
        Actor.UNSURE,
    }


def test_the_same_link_twice_and_links_of_two_messages_say_nothing() -> None:
    recent = Recent()
    assert words(recent, click(1), click(1), click(1, "b"), click(1, "c")) == [Actor.HUMAN] * 4


def test_links_stored_together_are_judged_together() -> None:
    recent, batch = Recent(), Batch()
    for hit in (click(1), click(2), click(1, "b"), Hit("a", OPEN, 0)):
        batch.add(*hit, judge_hit(hit, HEADERS, "192.0.2.1", recent))
    seen = [int(number) for number in batch.parameters()[3].strip("{}").split(",")]
    assert [number & WORD for number in seen] == [Actor.UNSURE, Actor.UNSURE, Actor.HUMAN, Actor.HUMAN]
    assert [bool(number & AT_ONCE) for number in seen] == [True, True, False, False]


def test_what_was_asked_with_head_first_has_one_signal() -> None:
    recent = Recent()
    recent.look_at("a")
    assert words(recent, Hit("a", OPEN, 0), Hit("b", OPEN, 0)) == [Actor.UNSURE, Actor.HUMAN]
    assert words(recent, click(1), click(2)) == [Actor.UNSURE, Actor.MACHINE]


def test_a_relay_that_also_looks_first_is_a_machine() -> None:
    recent = Recent()
    recent.look_at("a")
    headers = [(b"user-agent", GMAIL.encode())]
    assert judge_hit(Hit("a", OPEN, 0), headers, "", recent) & WORD == Actor.MACHINE
    assert judge_hit(Hit("b", OPEN, 0), headers, "", recent) == Actor.UNSURE


def test_everything_is_forgotten_and_never_too_much_kept() -> None:
    clock = Clock()
    recent = Recent(clock=clock, most=10)
    for number in range(100):
        words(recent, click(1, f"key {number}"))
        recent.look_at(f"key {number}")
    assert len(recent) == 30
    clock.now += KEPT_SECONDS
    words(recent, click(1))
    assert not recent.was_looked_at("key 99")
    assert len(recent) == 32
    clock.now += 2 * KEPT_SECONDS
    words(recent, click(1))
    assert len(recent) == 2


# --- Asked for again --------------------------------------------------------------------------------------------------


def test_s9_the_same_program_asking_again_is_marked_and_others_are_not() -> None:
    clock = Clock()
    recent = Recent(clock=clock)
    hit = Hit("a", OPEN, 0)

    def is_marked(client: str = "192.0.2.1", headers: Any = HEADERS, hit: Hit = hit) -> bool:
        return bool(judge_hit(hit, headers, client, recent) & REPEATED)

    assert [is_marked(), is_marked(), is_marked()] == [False, True, True]
    assert not is_marked("192.0.2.2")
    assert not is_marked(headers=[*HEADERS, (b"x-forwarded-for", b"198.51.100.7")])
    assert not is_marked(headers=HEADERS[:1])
    assert not is_marked(hit=click(1))
    clock.now += 2 * KEPT_SECONDS
    assert not is_marked()
    # Gmail asks under one name for everybody who reads there.
    relay = [(b"user-agent", GMAIL.encode())]
    assert [is_marked(headers=relay), is_marked(headers=relay)] == [False, False]


@pytest.mark.parametrize(
    ("opens", "clicks", "copies", "plausible"),
    [(0, 0, 0, True), (1, 0, 0, False), (2000, 500, 100, True), (2001, 0, 100, False), (0, 501, 100, False)],
)
def test_s9_a_total_that_its_people_cannot_have_caused_is_not_plausible(
    opens: int, clicks: int, copies: int, plausible: bool
) -> None:
    assert rules.is_plausible(opens=opens, most_clicks_on_a_link=clicks, copies=copies) is plausible


def asking(targets: list[str], **headers: str) -> None:
    async def run() -> None:
        recorder = Recorder(settings.RECORDER_DATABASE_URL)
        application = HitApplication(recorder)
        try:
            for target in targets:
                await ask(application, target, **headers)
        finally:
            await recorder.close(seconds=5)

    asyncio.run(run())


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_s9_a_request_that_is_replayed_counts_once_and_somebody_measured_by_name_each_time(copies: Copies) -> None:
    copies.permit("IT", opens_anonymous_since=LONG_AGO, clicks_anonymous_since=LONG_AGO)
    shared, own = copies.shared("IT").key, copies.copy().key
    there = "https://shop.example"
    link = f"/c/{encode_key(shared)}/2/{sign_link(shared, 2, there, secrets=link_secrets())}?to={there}"
    replayed = [f"/o/{encode_key(shared)}", f"/o/{encode_key(own)}", link] * 20
    asking(replayed, user_agent=THUNDERBIRD, accept_language="fr")
    assert copies.totals() == {(1, 0, 1): 1, (2, 2, 1): 1}
    assert len(copies.hits()) == 20
    asking(replayed, user_agent=THUNDERBIRD, accept_language="it")
    assert copies.totals() == {(1, 0, 1): 2, (2, 2, 1): 2}


# --- The last open day ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize(
    ("headers", "leaves_a_day"),
    [
        ({"user_agent": THUNDERBIRD, "accept_language": "fr"}, True),
        ({"user_agent": GMAIL}, True),
        ({"user_agent": THUNDERBIRD, "accept_language": "fr", "sec_purpose": "prefetch"}, False),
        ({"user_agent": "Mozilla/5.0", "accept_language": "fr"}, False),
        ({"user_agent": "curl/8.5.0"}, False),
    ],
)
def test_s8_only_an_open_that_may_have_been_read_leaves_a_day(
    copies: Copies, headers: dict[str, str], leaves_a_day: bool
) -> None:
    copies.permit("FR", last_open_day_since=LONG_AGO)
    copy = copies.copy(country="FR", opens="last_open_day", subscribed=True)
    asking([f"/o/{encode_key(copy.key)}"], **headers)
    assert (list(copies.last_open_days()) == [copy.participant_id]) is leaves_a_day


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_only_the_word_is_stored(copies: Copies) -> None:
    batch = Batch()
    batch.add(copies.copy().key.hex, OPEN, 0, Actor.UNSURE | NOBODY_READ | REPEATED | AT_ONCE)
    assert store(batch) == 1
    assert [hit.actor for hit in copies.hits()] == [Actor.UNSURE]
    batch = Batch()
    batch.add(new_key().hex, OPEN, 0, Actor.HUMAN | REPEATED)
    assert store(batch) == 0
