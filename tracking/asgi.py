"""The pixel and the redirect as a small ASGI application: the fast way past Django's view stack.

What a request is answered depends on its address alone, never on whether a hit is recorded (H1).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import string
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from common.keys import decode_key, decode_key_digits, link_secrets, verify_link
from common.public_pages import spoken
from tracking.recent import Recent
from tracking.recorder import CLICK, OPEN, Recorder
from tracking.rules import (
    AT_ONCE,
    NOBODY_READ,
    PIXEL_PREFIX,
    REPEATED,
    Actor,
    AgentKind,
    is_web_address,
    judge,
    load_agents,
    may_have_read,
    read_click,
    readings,
)

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

PIXEL_BYTES = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


class Hit(NamedTuple):
    """What an address says that happened; whether it may be recorded is asked later."""

    # 32 hexadecimal digits.
    key: str
    kind: int
    # 0 for an open.
    link_number: int


class Answer:
    """A whole response, ready to be sent."""

    __slots__ = ("body", "headers", "messages", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self.status = status
        self.headers = [*headers, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
        self.body = body
        self.messages: tuple[Message, Message] = (
            {"type": "http.response.start", "status": status, "headers": self.headers},
            {"type": "http.response.body", "body": body},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An answer is itself an application, which always says the same."""
        start, body = self.messages
        await send(start)
        await send(body)


PIXEL = Answer(200, [(b"content-type", b"image/gif")], PIXEL_BYTES)
METHOD_NOT_ALLOWED = Answer(405, [(b"allow", b"GET, HEAD")])


# --- From the address to the answer -----------------------------------------------------------------------------------


def respond(method: str, path: str, query: str, headers: Headers) -> tuple[Answer, Hit | None]:
    """The answer to a request, and what its address says that happened. HEAD is nobody's open or click."""
    if method not in ("GET", "HEAD"):
        return METHOD_NOT_ALLOWED, None
    if path.startswith(PIXEL_PREFIX):
        return PIXEL, _read_open(path)
    return _answer_click(path, query, headers)


def _read_open(path: str) -> Hit | None:
    key = decode_key_digits(path[len(PIXEL_PREFIX) :])
    return None if key is None else Hit(key, OPEN, 0)


def _answer_click(path: str, query: str, headers: Headers) -> tuple[Answer, Hit | None]:
    candidates = [text for text in readings(query) if is_web_address(text)]
    address = read_click(path)
    key = decode_key(address.key) if address is not None else None
    if address is not None and key is not None:
        for destination in candidates:
            if verify_link(key, address.number, destination, address.signature, secrets=link_secrets()):
                return redirect(destination), Hit(key.hex, CLICK, address.number)
    return name_destination(candidates[0] if candidates else "", headers), None


def redirect(destination: str) -> Answer:
    return Answer(302, [(b"location", _location(destination)), (b"referrer-policy", b"no-referrer")])


def _location(destination: str) -> bytes:
    """The address byte for byte. Only what a header cannot hold is encoded: the host as IDNA, the rest in percents."""
    if destination.isascii() and " " not in destination:
        return destination.encode()
    scheme, _, rest = destination.partition("://")
    end = next((index for index, character in enumerate(rest) if character in "/?#"), len(rest))
    try:
        host = rest[:end].encode("idna").decode()
    except UnicodeError:
        host = rest[:end]
    return quote(f"{scheme}://{host}{rest[end:]}", safe=string.punctuation).encode()


# --- The page for links that we did not sign ------------------------------------------------------------------------


def name_destination(destination: str, headers: Headers) -> Answer:
    """A page that says where an edited or outdated link leads. It never goes there by itself (H4)."""
    style, policy = _style()
    with translation.override(_language(headers)):
        context = {"destination": destination, "style": style, "language": translation.get_language()}
        body = render_to_string("tracking/unsigned_link.html", context).encode()
    secure = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-robots-tag", b"noindex, nofollow"),
    ]
    return Answer(200 if destination else 404, secure, body)


@cache
def _style() -> tuple[str, bytes]:
    """The page's own style, and a policy under which nothing but it may be used."""
    style = render_to_string("tracking/unsigned_link.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return style, policy.encode()


def _language(headers: Headers) -> str:
    accepted = next((value for name, value in headers if name == b"accept-language"), b"").decode("latin-1")
    for code, _quality in parse_accept_lang_header(accepted.lower()):
        if (language := spoken(code)) is not None:
            return language
    return "en"


# --- Who caused it --------------------------------------------------------------------------------------------------

# What was judged before, by the hash of the agent's name: the names themselves are not kept, not even in memory (H5).
_judged: dict[tuple[int, bool, bool, bool, bool, bool], Judged] = {}
_MOST_JUDGED = 10_000


# Headers in which browsers say why they ask, and what stands there when nobody reads yet.
PURPOSES = frozenset({b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"})
AHEAD = (b"prefetch", b"prerender", b"preview", b"instant")


@cache
def _known_agents() -> Callable[[str], AgentKind | None]:
    return load_agents().kind_of


class Judged(NamedTuple):
    """Human, machine or unsure; all that outlives the request is that word."""

    actor: Actor
    may_have_read: bool
    # Fetches for many people under one name.
    is_relay: bool


def judge_headers(
    headers: Headers, *, looked_first: bool = False, links_at_once: bool = False, every_link: bool = False
) -> Judged:
    """Who asks, from what the headers say and from what was asked just before."""
    found = dict(headers)
    agent = found.get(b"user-agent", b"")
    names_language = b"accept-language" in found
    fetches_ahead = not found.keys().isdisjoint(PURPOSES) and _fetches_ahead(found)
    mark = (hash(agent), names_language, fetches_ahead, looked_first, links_at_once, every_link)
    if mark not in _judged:
        if len(_judged) >= _MOST_JUDGED:
            _judged.clear()
        kind = _known_agents()(agent.decode("latin-1"))
        actor = judge(
            kind,
            names_itself=bool(agent),
            names_language=names_language,
            fetches_ahead=fetches_ahead,
            looked_first=looked_first,
            links_at_once=links_at_once,
            every_link=every_link,
        )
        read = may_have_read(kind, actor, fetches_ahead=fetches_ahead)
        _judged[mark] = Judged(actor, read, kind is AgentKind.RELAY)
    return _judged[mark]


def _fetches_ahead(found: Mapping[bytes, bytes]) -> bool:
    return any(found.get(name, b"").lower().startswith(AHEAD) for name in PURPOSES)


_WHO = frozenset({b"user-agent", b"accept-language", b"x-forwarded-for"})


def judge_hit(hit: Hit, headers: Headers, client: str, recent: Recent) -> int:
    """The word for a hit, with what the statement has to know besides (``tracking.rules``)."""
    at_once, every_link = recent.click(hit.key, hit.link_number) if hit.kind == CLICK else (False, False)
    judged = judge_headers(
        headers, looked_first=recent.was_looked_at(hit.key), links_at_once=at_once, every_link=every_link
    )
    seen = int(judged.actor) | (AT_ONCE if at_once else 0)
    if not judged.may_have_read:
        seen |= NOBODY_READ
    if not judged.is_relay and recent.is_repeated(hit, client, *(value for name, value in headers if name in _WHO)):
        seen |= REPEATED
    return seen


# --- The application ------------------------------------------------------------------------------------------------


class HitApplication:
    """Answers /o/ and /c/ once their hit is stored, or when it is taking too long."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._recent = Recent()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        query = scope["query_string"].decode("utf-8", "replace")
        answer, hit = respond(scope["method"], scope["path"], query, headers)
        if hit is not None:
            done = self._take(hit, scope)
            if done is not None:
                try:
                    await done
                except asyncio.CancelledError:
                    if _is_given_up():
                        raise
        start, body = answer.messages
        await send(start)
        await send(body)

    def _take(self, hit: Hit, scope: Scope) -> asyncio.Future[bool] | None:
        if scope["method"] == "HEAD":
            self._recent.look_at(hit.key)
            return None
        client = (scope.get("client") or ("",))[0]
        return self._recorder.take(*hit, judge_hit(hit, scope["headers"], client, self._recent))


def _is_given_up() -> bool:
    """Whether this request is cancelled, and not only another one that waited for the same batch."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
