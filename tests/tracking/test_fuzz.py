"""Keys, signatures, paths and headers that nobody of us wrote; ``make fuzz-tracking`` tries a million."""

from __future__ import annotations

import asyncio
import random
from urllib.parse import quote

import pytest
from django.conf import settings
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bench.fuzzing import Fuzzer, answer_to, is_signed, scope_of
from common.keys import encode_key, link_secrets, new_key, sign_link
from config.asgi import Application, django_application
from config.hosts import KnownHosts
from tests.support.hits import Copies
from tracking.asgi import judge_headers, respond
from tracking.recorder import Recorder
from tracking.rules import is_web_address

TRIES = 4000
FEW = hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_h4_nothing_forged_is_followed_recorded_or_breaks_anything(copies: Copies) -> None:
    real = [copies.copy().key for _ in range(5)]
    fuzzer = Fuzzer(random.Random(20_261_122), real)
    asyncio.run(fuzzer.run(settings.RECORDER_DATABASE_URL, TRIES))
    assert fuzzer.errors == []
    assert fuzzer.unsigned == []
    assert len(copies.hits()) == fuzzer.genuine
    # It went to where something happens, too.
    assert fuzzer.genuine > TRIES / 40


@FEW
@given(
    path=st.text(max_size=80),
    query=st.binary(max_size=120),
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"user-agent", b"accept-language", b"purpose", b"host", b"x-moz"]), st.binary(max_size=60)
        )
    ),
)
@example(path="", query=b"to=", headers=[(b"accept-language", b"\xff;q=x")])
def test_any_path_query_and_headers_are_answered(path: str, query: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    application = Application(
        django_application, Recorder("postgres://nobody@127.0.0.1:1/x"), KnownHosts(["127.0.0.1"], frozenset)
    )
    for prefix in ("/o/", "/c/"):
        # HEAD: the same answer, and nothing to store.
        status, answered = asyncio.run(answer_to(application, scope_of("HEAD", prefix + path, query, headers)))
        assert status in (200, 302, 404)
        assert b"location" not in answered or is_signed(prefix + path, query)
    judge_headers(headers)


@FEW
@given(tail=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=1900), number=st.integers(1, 32_767))
def test_h4_any_destination_comes_back_as_it_was_signed(tail: str, number: int) -> None:
    key, destination = new_key(), f"https://shop.example/{tail}"
    signature = sign_link(key, number, destination, secrets=link_secrets())
    path = f"/c/{encode_key(key)}/{number}/{signature}"
    answer, hit = respond("GET", path, f"to={quote(destination, safe='')}", [])
    assert is_web_address(destination)
    assert hit is not None
    assert (hit.key, hit.link_number) == (key.hex, number)
    location = dict(answer.headers)[b"location"]
    if destination.isascii() and " " not in destination:
        assert location == destination.encode()
    else:
        assert location.isascii()
    # The same signature leads nowhere else.
    elsewhere, hit = respond("GET", path, f"to={quote(destination + 'x', safe='')}", [])
    assert (elsewhere.status, hit) == (200, None)
