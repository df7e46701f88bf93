"""Hands people and messages to an outside sender as JSON over HTTPS. One sender for every kind of endpoint.

Nothing in here asks the database: requests run in threads. What is secret stands in headers only, and is taken out of
whatever an endpoint says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from django.utils.translation import gettext as _

from common.safe_http import AddressRefusedError, HttpAnswer, UnansweredError, fetch
from delivery.transports.smtp import Outcome, Result

# How long an endpoint may think about one request, and how much of its answer is read.
PATIENCE_SECONDS = 20.0
LARGEST_ANSWER = 200_000
WORDS_LENGTH = 300
LONGEST_REST_SECONDS = 4 * 3600.0
FORMAT = 1

# The endpoint itself is not as it should be: the next request would fare no better.
_LASTING = frozenset({401, 403, 404, 405, 407, 410})
_LATER = frozenset({408, 425, 429})


class PushTroubleError(Exception):
    """The endpoint is of no use now. ``lasting``: until somebody changes something."""

    def __init__(self, words: str, *, lasting: bool, rest_seconds: float | None = None) -> None:
        super().__init__(words)
        self.words, self.lasting, self.rest_seconds = words, lasting, rest_seconds


@dataclass(frozen=True, slots=True)
class PushAccount:
    """An endpoint, with what a member typed of it."""

    connection_id: int
    adapter: str
    options: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushPerson:
    """Who it is about. Only the address is known of a person who was erased."""

    email: str
    first_name: str = ""
    last_name: str = ""
    country: str = ""
    language: str = ""
    external_id: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PushState:
    """What may be done with a person: measured at all, written to for marketing, sent the mail of which topics."""

    opens: bool
    clicks: bool
    # The suppressions of the address, such as "unsubscribed".
    blocked: Sequence[str] = ()
    topics: Mapping[str, bool] = field(default_factory=dict)
    erased: bool = False
    # Under which it is said: whoever moved is to be known under the new one.
    address: str = ""

    @property
    def tracking(self) -> bool:
        """For endpoints that have one field: a yes to less than everything is no yes."""
        return self.opens and self.clicks


@dataclass(frozen=True, slots=True)
class PushMessage:
    """One exit-screen email, as Pli would have written it: no address for measuring stands in it."""

    reference: str
    campaign: str
    purpose: str
    subject: str
    html: str
    text: str
    preferences_url: str
    unsubscribe_url: str


@dataclass(frozen=True, slots=True)
class PushEvent:
    """What is said in one go. The same key again means the same thing again."""

    key: str
    number: int
    at: datetime
    website: str
    person: PushPerson
    state: PushState
    message: PushMessage | None = None
    # Topics of which something else is true than was said before; with a message none needs to be said.
    changed_topics: frozenset[str] = frozenset()


class Pusher(Protocol):
    """One kind of endpoint."""

    # Whether the endpoint knows a key again, so that a request of which no answer came may be repeated.
    knows_keys: bool

    def deliver(self, event: PushEvent) -> Outcome:
        """Say something. PushTroubleError when the endpoint is of no use."""

    def ping(self, *, at: datetime) -> str:
        """Try the endpoint with nothing personal; its words. PushTroubleError when it is of no use."""


class JsonPusher:
    """Pli's own format, documented in docs/sending.md."""

    knows_keys = True

    def __init__(self, account: PushAccount) -> None:
        self._url = str(account.options["push_url"])
        self._secret = account.secrets.get("push_secret", "")
        name = str(account.options.get("auth_header") or "Authorization")
        self._headers = {name: self._secret} if self._secret else {}

    def deliver(self, event: PushEvent) -> Outcome:
        kind = "message" if event.message is not None else "person"
        body: dict[str, Any] = {
            "format": FORMAT,
            "event": kind,
            "key": event.key,
            "number": event.number,
            "at": event.at.isoformat(),
            "website": event.website,
            "person": _person_json(event.person),
            "tracking": {"allowed": event.state.tracking, "opens": event.state.opens, "clicks": event.state.clicks},
            "blocked": sorted(event.state.blocked),
            "subscriptions": [{"topic": name, "active": on} for name, on in sorted(event.state.topics.items())],
            "erased": event.state.erased,
        }
        if event.message is not None:
            body["message"] = _message_json(event.message)
        return ask_once(lambda: self._post(body), hush=(self._secret, event.person.email))

    def ping(self, *, at: datetime) -> str:
        body = {"format": FORMAT, "event": "ping", "key": "", "at": at.isoformat()}
        outcome = ask_once(lambda: self._post(body), hush=(self._secret,))
        if outcome.result is not Result.ACCEPTED:
            raise PushTroubleError(outcome.words, lasting=outcome.result is Result.REFUSED)
        return outcome.words

    def _post(self, body: Mapping[str, Any]) -> HttpAnswer:
        headers = {**self._headers, "Idempotency-Key": str(body["key"])} if body["key"] else self._headers
        return send_json("POST", self._url, body, headers)


def _person_json(person: PushPerson) -> dict[str, Any]:
    return {
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "country": person.country,
        "language": person.language,
        "external_id": person.external_id,
        "attributes": dict(person.attributes),
    }


def _message_json(message: PushMessage) -> dict[str, Any]:
    return {
        "reference": message.reference,
        "campaign": message.campaign,
        "purpose": message.purpose,
        "subject": message.subject,
        "html": message.html,
        "text": message.text,
        "preferences_url": message.preferences_url,
        "unsubscribe_url": message.unsubscribe_url,
    }


# --- Requests and answers ---------------------------------------------------------------------------------------------


def send_json(method: str, url: str, body: object | None, headers: Mapping[str, str]) -> HttpAnswer:
    """One request through the judged door for addresses that members type."""
    content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    common = {"Accept": "application/json", "User-Agent": "Pli"}
    if content is not None:
        common["Content-Type"] = "application/json; charset=utf-8"
    return fetch(
        url,
        method=method,
        body=content,
        headers={**common, **headers},
        timeout=PATIENCE_SECONDS,
        largest=LARGEST_ANSWER,
    )


def ask_once(ask: Callable[[], HttpAnswer], *, hush: Sequence[str]) -> Outcome:
    """What came of one request. ``hush`` is taken out of the endpoint's words."""
    try:
        return judged(ask(), hush)
    except UnansweredError as error:
        return Outcome(0, Result.UNCERTAIN, quiet(str(error), hush))
    except AddressRefusedError as error:
        raise PushTroubleError(quiet(str(error), hush), lasting=True) from None
    except OSError as error:
        raise PushTroubleError(quiet(str(error) or type(error).__name__, hush), lasting=False) from None


def judged(answer: HttpAnswer, hush: Sequence[str] = ()) -> Outcome:
    """What an answer means. PushTroubleError when it speaks of the endpoint and not of what was sent."""
    if 200 <= answer.status < 300:
        return Outcome(0, Result.ACCEPTED, words_of(answer, hush))
    words = words_of(answer, hush)
    rest = rest_seconds(answer)
    if answer.status in _LASTING or answer.status < 400:
        raise PushTroubleError(words, lasting=True)
    if answer.status == 429 or (rest is not None and answer.status >= 500):
        raise PushTroubleError(words, lasting=False, rest_seconds=rest if rest is not None else 30.0)
    if answer.status in _LATER or answer.status >= 500:
        return Outcome(0, Result.DEFERRED, words)
    return Outcome(0, Result.REFUSED, words)


def rest_seconds(answer: HttpAnswer, *, now: datetime | None = None) -> float | None:
    """How long the endpoint wants to be left alone (RFC 9110, Retry-After), if it says so."""
    text = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "").strip()
    if text.isdecimal():
        return min(float(text), LONGEST_REST_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()), LONGEST_REST_SECONDS)


def words_of(answer: HttpAnswer, hush: Sequence[str] = ()) -> str:
    """The endpoint's own words, in one short line."""
    text = quiet(answer.body.decode("utf-8", "replace"), hush)
    return (
        _("HTTP %(status)s: %(words)s") % {"status": answer.status, "words": text} if text else f"HTTP {answer.status}"
    )


def quiet(text: str, hush: Sequence[str]) -> str:
    """Words without what must not be repeated, in one line."""
    for secret in sorted(filter(None, hush), key=len, reverse=True):
        text = text.replace(secret, "…")
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line[:WORDS_LENGTH]
