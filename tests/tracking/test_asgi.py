"""What recipients' programs are answered under /o/ and /c/, by the web process and by Django's views alike."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections import Counter
from collections.abc import Mapping
from threading import Thread
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.test import Client

from common.keys import encode_key, link_secrets, new_key, sign_link
from config.asgi import Application, django_application
from config.hosts import KnownHosts
from tests.support.hits import Copies, fingerprint
from tests.support.ports import free_port
from tests.support.servers import web_server
from tests.support.wait import wait_until
from tests.tracking.asking import READER, SHOP, edited, get, link_of, nowhere, pixel_of
from tracking.asgi import PIXEL_BYTES
from tracking.models import HitKind, TrackedContent
from tracking.recorder import Recorder

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


# --- The pixel ------------------------------------------------------------------------------------------------------


def test_h1_h6_the_pixel_is_the_same_for_known_unknown_and_malformed_keys(copies: Copies) -> None:
    copy = copies.copy()
    answers = get(
        pixel_of(copy.key), pixel_of(new_key()), "/o/nonsense", "/o/", f"/o/{encode_key(copy.key)}x", "/o/%00"
    )
    for answer in answers:
        assert (answer.status, answer.body) == (200, PIXEL_BYTES)
        assert answer.headers == {"content-type": "image/gif", "content-length": "43", "cache-control": "no-store"}
    (hit,) = copies.hits()
    assert (hit.kind, hit.tracked_message_id, hit.link_number) == (HitKind.OPEN, copy.pk, None)


def test_h2_head_answers_the_same_headers_and_records_nothing(copies: Copies) -> None:
    key = copies.copy().key
    targets = (pixel_of(key), link_of(key))
    heads = get(*targets, method="HEAD")
    assert copies.hits() == []
    for head, answer in zip(heads, get(*targets), strict=True):
        assert (head.status, head.headers) == (answer.status, answer.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_get_and_head_is_allowed(copies: Copies, method: str) -> None:
    key = copies.copy().key
    for answer in get(pixel_of(key), link_of(key), method=method):
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"
    assert copies.hits() == []


# --- The redirect ---------------------------------------------------------------------------------------------------


def test_h4_a_signed_link_leads_where_it_says_and_is_a_click(copies: Copies) -> None:
    copy = copies.copy()
    (answer,) = get(link_of(copy.key))
    assert answer.status == 302
    assert answer.headers["location"] == SHOP
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    (hit,) = copies.hits()
    assert (hit.kind, hit.link_number, hit.tracked_message_id) == (HitKind.CLICK, 3, copy.pk)


def test_a_link_of_somebody_who_is_not_measured_leads_there_too_and_leaves_nothing(copies: Copies) -> None:
    silent = copies.copy(clicks="none", opens="none")
    targets = (link_of(silent.key), link_of(new_key()), pixel_of(silent.key), pixel_of(new_key()))
    before = fingerprint()
    first, second, *pixels = get(*targets)
    assert fingerprint() == before
    assert (first.status, first.headers) == (second.status, second.headers)
    assert first.headers["location"] == SHOP
    assert pixels[0] == pixels[1]


@pytest.mark.parametrize(
    "destination",
    [
        "http://shop.example",
        "HTTPS://Shop.Example:8443/a?b=c&d=%20e%26#f?g",
        "https://shop.example/?q=1+1=2&quote=%22'\"<>",
        "https://shop.example/" + "x" * 1979,
        "https://user@shop.example/;a=b?c[]=d|e",
    ],
)
def test_a_destination_arrives_byte_for_byte(copies: Copies, destination: str) -> None:
    (answer,) = get(link_of(copies.copy().key, destination))
    assert answer.headers["location"] == destination


def test_what_a_header_cannot_hold_is_encoded(copies: Copies) -> None:
    (answer,) = get(link_of(copies.copy().key, "https://bücher.example/größe 1?q=é"))
    assert answer.headers["location"] == "https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe%201?q=%C3%A9"


@pytest.mark.parametrize(
    "to",
    [
        quote(SHOP, safe="/:"),
        quote(SHOP, safe="").replace("%2F", "%2f"),
        quote(SHOP, safe="") + "&utm_source=gateway",
        SHOP.partition("#")[0] + "%23order",
    ],
)
def test_h4_links_survive_gateways_that_write_them_anew(copies: Copies, to: str) -> None:
    (answer,) = get(link_of(copies.copy().key, to=to))
    assert (answer.status, answer.headers.get("location")) == (302, SHOP)


def test_links_of_a_deleted_campaign_still_lead_there_and_leave_nothing(copies: Copies) -> None:
    copy, shared = copies.copy(), copies.shared("BE")
    TrackedContent.objects.using("owner").filter(pk=copies.content.pk).delete()
    before = fingerprint()
    answers = get(link_of(copy.key), link_of(shared.key), pixel_of(copy.key))
    assert [answer.headers.get("location") for answer in answers] == [SHOP, SHOP, None]
    assert answers[2].body == PIXEL_BYTES
    assert fingerprint() == before


def test_links_work_while_the_database_is_away(copies: Copies) -> None:
    key = copies.copy().key
    began = time.monotonic()
    click, pixel = get(link_of(key), pixel_of(key), url=nowhere())
    assert (click.status, click.headers["location"]) == (302, SHOP)
    assert pixel.body == PIXEL_BYTES
    assert time.monotonic() - began < 4


# --- Links that we did not sign -------------------------------------------------------------------------------------


def test_h4_an_edited_link_names_its_destination_and_never_goes_there(copies: Copies) -> None:
    for answer in get(*edited(copies.copy().key)):
        assert answer.status == 200
        assert "location" not in answer.headers
        assert b"https://evil.example/&lt;script&gt;" in answer.body
        # Nothing but a person's click on its one button leads there.
        assert answer.body.count(b"href=") == 1
        assert b'<a class="button" href="https://evil.example/&lt;script&gt;"' in answer.body
        assert b"<script" not in answer.body
        assert b"http-equiv" not in answer.body
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert "noindex" in answer.headers["x-robots-tag"]
    assert copies.hits() == []


def test_h4_a_real_key_and_number_do_not_help_another_destination(copies: Copies) -> None:
    key = copies.copy().key
    for number in ("3", "+3", "٣", "3 ", "1_0", "-3", "99999", ""):
        signature = sign_link(key, 3, SHOP, secrets=link_secrets())
        (answer,) = get(f"/c/{encode_key(key)}/{quote(number)}/{signature}?to={quote('https://evil.example', safe='')}")
        assert answer.status == 200
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "destination", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "mailto:a@b.example", ""]
)
def test_h4_only_http_and_https_are_named_or_followed(copies: Copies, destination: str) -> None:
    (answer,) = get(link_of(copies.copy().key, destination))
    assert answer.status == 404
    assert "location" not in answer.headers
    assert b"href" not in answer.body
    assert copies.hits() == []


def test_a_destination_cannot_break_out_of_its_header(copies: Copies) -> None:
    (answer,) = get(link_of(copies.copy().key, "https://shop.example/\r\nset-cookie: a=b"))
    assert answer.status == 404
    assert "location" not in answer.headers


FOLLOWED_BY_NOBODY = {
    "fr": "Nous ne l’avons pas suivi.",
    "it": "Non l’abbiamo seguito.",
    "de": "Wir sind ihm nicht gefolgt.",
    "nl": "We hebben hem niet gevolgd.",
    "es": "No lo hemos seguido.",
}


def test_the_page_speaks_the_readers_language(copies: Copies) -> None:
    target = edited(copies.copy().key)[0]
    (english,) = get(target, accept_language="xx, en;q=0.5")
    assert b'<html lang="en">' in english.body
    for language, words in FOLLOWED_BY_NOBODY.items():
        (answer,) = get(target, accept_language=f"xx, {language}-CH, en;q=0.5")
        assert f'<html lang="{language}">' in answer.body.decode()
        assert words in answer.body.decode()


# --- The process ----------------------------------------------------------------------------------------------------


def test_lifespan_drains_the_recorder(copies: Copies) -> None:
    key = copies.copy().key
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def live() -> None:
        recorder = Recorder(settings.RECORDER_DATABASE_URL)
        application = Application(django_application, recorder, KnownHosts(["127.0.0.1"], frozenset))

        async def receive() -> dict[str, str]:
            if sent:
                recorder.take(key.hex, 1, 0, 1)
            return messages.pop(0)

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message["type"])

        await application({"type": "lifespan"}, receive, send)

    asyncio.run(live())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(copies.hits()) == 1


def test_the_views_of_runserver_answer_and_record_the_same(copies: Copies, client: Client) -> None:
    copy = copies.copy()
    targets = [pixel_of(copy.key), "/o/nonsense", link_of(copy.key), *edited(copy.key)]
    for target, expected in zip(targets, get(*targets), strict=True):
        answer = client.get(target, headers={"user-agent": READER["user_agent"], "accept-language": "fr"})
        assert (answer.status_code, answer.content) == (expected.status, expected.body)
        ours = {name: value for name, value in answer.headers.items() if name.lower() in expected.headers}
        assert {name.lower(): value for name, value in ours.items()} == expected.headers
        assert not answer.cookies
    # Two connections may store two hits of a busy machine the other way round.
    recorded = Counter((hit.kind, hit.link_number, hit.actor) for hit in copies.hits())
    assert recorded == {(1, None, 1): 2, (2, 3, 1): 2}


def open_until_refused(netloc: str, target: str, count: list[int]) -> None:
    """A client that opens the same mail again and again, and counts the answers."""
    connection = http.client.HTTPConnection(netloc, timeout=60)
    try:
        while True:
            connection.request("GET", target)
            answer = connection.getresponse()
            assert answer.read() == PIXEL_BYTES
            count.append(answer.status)
    except (OSError, http.client.HTTPException):
        return


def test_a_process_that_is_stopped_under_load_loses_no_answered_hit(copies: Copies) -> None:
    target = pixel_of(copies.copy().key)
    answered: list[int] = []
    with web_server() as base:
        clients = [Thread(target=open_until_refused, args=(urlsplit(base).netloc, target, answered)) for _ in range(4)]
        for client in clients:
            client.start()
        wait_until(lambda: len(answered) >= 200, what="two hundred answers")
    for client in clients:
        client.join()
    # A hit may be stored whose answer did not get out any more, one per client.
    assert len(answered) <= len(copies.hits()) <= len(answered) + len(clients)


def test_a_real_process_redirects_without_a_database(copies: Copies) -> None:
    away = f"postgres://pli:x@127.0.0.1:{free_port()}/pli"
    environ = dict.fromkeys(("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_RECORDER_URL"), away)
    with web_server(environ) as base:
        target = link_of(copies.copy().key)
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        began = time.monotonic()
        connection.request("GET", target)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["location"]) == (302, SHOP)
        assert time.monotonic() - began < 4
        connection.close()
