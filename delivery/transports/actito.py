"""Actito's REST API as an outside sender: the profile with its tracking consent first, then the transactional email.

What is known of the API, from where and how surely, stands in ``delivery/actito.toml``.
"""

from __future__ import annotations

import json
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from common.safe_http import HttpAnswer
from delivery.transports.push import (
    PushAccount,
    PushEvent,
    PushMessage,
    PushTroubleError,
    ask_once,
    judged,
    send_json,
    words_of,
)
from delivery.transports.smtp import Outcome, Result

# What an email in Actito may be personalised with.
PARAMETERS = (
    "reference",
    "campaign",
    "website",
    "subject",
    "first_name",
    "last_name",
    "preferences_url",
    "unsubscribe_url",
)
TOKEN_SECONDS = 15 * 60.0
# A token that is about to end is of no use for a request that takes a while.
_MARGIN_SECONDS = 60.0


@cache
def actito() -> Mapping[str, Mapping[str, Any]]:
    """What is known of the API."""
    return tomllib.loads((Path(__file__).parents[1] / "actito.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends_at: float


# By connection and key; a process asks for a token once in a quarter of an hour.
_tokens: dict[tuple[int, str], _Token] = {}
_signing_in = threading.Lock()


class ActitoPusher:
    """Says everything in Actito's words. One at a time: it is used in several threads only with one event each."""

    def __init__(self, account: PushAccount) -> None:
        self._options = account.options
        self._key = account.secrets.get("api_key", "")
        self._cached = (account.connection_id, sha256(self._key.encode()).hexdigest())
        # With an email, a call that is repeated may send it twice. Without one, only the profile is written.
        self.knows_keys = not self._option("campaign")

    def deliver(self, event: PushEvent) -> Outcome:
        hush = (self._key, event.person.email)
        written, profile = self._write_profile(event, hush)
        if written.result is not Result.ACCEPTED:
            # Writing it again changes nothing.
            return Outcome(0, Result.DEFERRED, written.words) if written.result is Result.UNCERTAIN else written
        for topic in sorted(event.changed_topics):
            said = self._say_subscription(event, topic, profile, hush)
            if said is not None and said.result is not Result.ACCEPTED:
                return Outcome(0, Result.DEFERRED, said.words) if said.result is Result.UNCERTAIN else said
        if event.message is None or not self._option("campaign"):
            return written
        return self._trigger(event, event.message, hush)

    def ping(self, *, at: object) -> str:
        """Sign in, and look whether the table has the attribute for the tracking consent."""
        address = _filled(self._option("tables_url") or actito()["tables"]["url"], entity=self._option("entity"))
        answer = ask_once_for_answer(lambda: self._call("GET", address, None, ""), hush=(self._key,))
        if not 200 <= answer.status < 300:
            words = _("Actito takes the key. Its tables could not be read, so nobody knows whether they fit: %(words)s")
            return words % {"words": words_of(answer, (self._key,))}
        table, attribute = self._option("table"), self._tracking_attribute
        names = _attributes_of(json.loads(answer.body or b"null"), table)
        if names is None:
            raise PushTroubleError(
                _("Actito takes the key, and knows no table “%(table)s”.") % {"table": table}, lasting=True
            )
        if attribute not in names:
            words = _(
                "The table “%(table)s” has no attribute “%(attribute)s”. Actito would track everybody; "
                "switch tracking consent on there first."
            )
            raise PushTroubleError(words % {"table": table, "attribute": attribute}, lasting=True)
        return _("Actito takes the key, and “%(table)s” has the attribute “%(attribute)s”.") % {
            "table": table,
            "attribute": attribute,
        }

    # --- What is said

    def _write_profile(self, event: PushEvent, hush: tuple[str, ...]) -> tuple[Outcome, str]:
        profile = ""

        def write() -> HttpAnswer:
            nonlocal profile
            answer = self._call("POST", self._address("profile"), {"attributes": self._attributes(event)}, event.key)
            profile = _profile_id(answer)
            return answer

        return ask_once(write, hush=hush), profile

    def _say_subscription(self, event: PushEvent, topic: str, profile: str, hush: tuple[str, ...]) -> Outcome | None:
        """Subscriptions that the connection names; others are not Actito's business."""
        name = dict(self._options.get("subscriptions") or {}).get(topic)
        if name is None:
            return None
        if not profile:
            return Outcome(0, Result.REFUSED, _("Actito did not say which profile it wrote."))
        operation = "subscribe" if event.state.topics.get(topic) else "unsubscribe"
        address = self._address(operation, profile=profile, subscription=name)

        def say() -> HttpAnswer:
            answer = self._call(actito()[operation]["method"], address, None, event.key)
            # No such subscription: that says nothing of other people.
            return replace(answer, status=422) if answer.status == 404 else answer

        return ask_once(say, hush=hush)

    def _trigger(self, event: PushEvent, message: PushMessage, hush: tuple[str, ...]) -> Outcome:
        body = {"profile": {"attributes": self._attributes(event)}, "parameters": self._parameters(event, message)}
        outcome = ask_once(lambda: self._call("POST", self._address("trigger"), body, event.key), hush=hush)
        # It may have been sent before something went wrong, and would be sent again.
        return Outcome(0, Result.UNCERTAIN, outcome.words) if outcome.result is Result.DEFERRED else outcome

    def _attributes(self, event: PushEvent) -> list[dict[str, str]]:
        """The tracking consent is always among them: a profile without a value is tracked."""
        person, state = event.person, event.state
        values = {
            self._option("email_attribute") or "emailAddress": person.email,
            self._option("first_name_attribute"): person.first_name,
            self._option("last_name_attribute"): person.last_name,
            self._option("language_attribute"): person.language[:2].upper(),
            self._option("external_id_attribute"): person.external_id,
        }
        pairs = [{"name": name, "value": value} for name, value in values.items() if name and value]
        pairs.append({"name": self._tracking_attribute, "value": _truth(state.tracking)})
        if marketing := self._option("marketing_attribute"):
            # Only what a person said against it: a yes to being written to is not ours to give.
            pairs += [{"name": marketing, "value": _truth(False)}] if state.blocked else []
        return pairs

    def _parameters(self, event: PushEvent, message: PushMessage) -> list[dict[str, Any]]:
        values = (
            message.reference,
            message.campaign,
            event.website,
            message.subject,
            event.person.first_name,
            event.person.last_name,
            message.preferences_url,
            message.unsubscribe_url,
        )
        known = dict(zip(PARAMETERS, values, strict=True))
        asked = dict(self._options.get("parameters") or {})
        return [{"key": key, "values": [known[name]]} for key, name in asked.items() if name in known]

    # --- Calls

    def _call(self, method: str, url: str, body: object | None, key: str) -> HttpAnswer:
        """A call with a token; a token that Actito no longer takes is replaced once."""
        token = self._token()
        headers = {"Idempotency-Key": key} if key else {}
        answer = send_json(method, url, body, {**headers, "Authorization": f"Bearer {token}"})
        if answer.status == 401:
            self._forget(token)
            answer = send_json(method, url, body, {**headers, "Authorization": f"Bearer {self._token()}"})
        return answer

    def _forget(self, token: str) -> None:
        """Unless another thread has a new one already."""
        with _signing_in:
            if (known := _tokens.get(self._cached)) is not None and known.text == token:
                del _tokens[self._cached]

    def _token(self) -> str:
        """One thread signs in, the others wait for it."""
        with _signing_in:
            return self._known_or_new_token()

    def _known_or_new_token(self) -> str:
        known = _tokens.get(self._cached)
        if known is not None and known.ends_at > time.monotonic():
            return known.text
        url = self._option("token_url") or actito()["token"]["url"]
        answer = ask_once_for_answer(
            lambda: send_json("GET", url, None, {"Authorization": self._key}), hush=(self._key,)
        )
        judged(answer, (self._key,))
        try:
            text = str(json.loads(answer.body)["accessToken"])
        except (ValueError, KeyError, TypeError):
            raise PushTroubleError(_("Actito answered without a token."), lasting=True) from None
        _tokens[self._cached] = _Token(text, time.monotonic() + TOKEN_SECONDS - _MARGIN_SECONDS)
        return text

    def _address(self, operation: str, **names: str) -> str:
        base = self._option("base_url") or actito()["base"]["url"]
        known = {name: self._option(name) for name in ("entity", "table", "campaign")}
        return str(base).rstrip("/") + _filled(actito()[operation]["path"], **{**known, **names})

    def _option(self, name: str) -> str:
        return str(self._options.get(name) or "")

    @property
    def _tracking_attribute(self) -> str:
        return self._option("tracking_attribute") or str(actito()["tracking"]["attribute"])


def ask_once_for_answer(ask: Callable[[], HttpAnswer], *, hush: tuple[str, ...]) -> HttpAnswer:
    """The answer to something that changes nothing; no answer at all is trouble."""
    kept: list[HttpAnswer] = []

    def keep() -> HttpAnswer:
        kept.append(ask())
        return HttpAnswer(200, {}, b"")

    outcome = ask_once(keep, hush=hush)
    if not kept:
        raise PushTroubleError(outcome.words, lasting=False)
    return kept[0]


def _truth(value: bool) -> str:
    return str(actito()["tracking"]["yes" if value else "no"])


def _filled(template: str, **names: str) -> str:
    return template.format(**{name: quote(value, safe="") for name, value in names.items()})


def _profile_id(answer: HttpAnswer) -> str:
    try:
        found = json.loads(answer.body or b"{}")
    except ValueError:
        return ""
    return str(found.get("profileId") or "") if isinstance(found, dict) else ""


def _attributes_of(found: object, table: str) -> set[str] | None:
    """The names of a table's attributes, wherever in the answer the table stands."""
    if isinstance(found, list):
        tables = (_attributes_of(one, table) for one in found)
        return next((names for names in tables if names is not None), None)
    if not isinstance(found, dict):
        return None
    if table in (str(found.get("name")), str(found.get("id"))) and isinstance(found.get("attributes"), list):
        return {str(one.get("name")) for one in found["attributes"] if isinstance(one, dict)}
    return _attributes_of([value for value in found.values() if isinstance(value, (list, dict))], table)
