"""An outside sender's endpoint: a real HTTP server that checks every request against what is documented.

    with OutsideServer(JsonEndpoint(secret="swordfish")) as server:
        server.behave(Mood.FAIL, times=2)
        ...
        server.taken      # what it took, once for each key
        server.problems   # requests that were not as documented

Each request is answered in a thread of its own. What is taken under a known key again is taken once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID


class Mood(StrEnum):
    WELL = "well"
    FAIL = "fail"
    BUSY = "busy"
    UNAUTHORIZED = "unauthorized"
    REFUSE = "refuse"
    # Reads everything and says nothing, until the test is over.
    HANG = "hang"
    # Takes it, and hangs up before it says so.
    DROP = "drop"


@dataclass
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def key(self) -> str:
        return self.headers.get("Idempotency-Key", "")


@dataclass
class Answer:
    status: int
    body: Any
    # What was taken, if anything.
    taken: Any = None


class JsonEndpoint:
    """Pli's own format, as docs/sending.md describes it."""

    path = "/push"
    SHAPE: Mapping[str, type | tuple[type, ...]] = {
        "format": int, "event": str, "key": str, "number": int, "at": str, "website": str, "person": dict,
        "tracking": dict, "blocked": list, "subscriptions": list, "erased": bool,
    }  # fmt: skip
    PERSON = {"email", "first_name", "last_name", "country", "language", "external_id", "attributes"}
    MESSAGE = {
        "reference", "campaign", "purpose", "subject", "html", "text", "preferences_url", "unsubscribe_url",
    }  # fmt: skip

    def __init__(self) -> None:
        self.secret = "Bearer swordfish"

    def problem(self, request: Request) -> str:
        """What is not as documented; empty when everything is."""
        if (request.method, request.path) != ("POST", self.path):
            return f"{request.method} {request.path}"
        if request.headers.get("Authorization") != self.secret:
            return "no authorization"
        if request.headers.get("Content-Type") != "application/json; charset=utf-8":
            return "no JSON"
        body = request.body
        if body.get("event") == "ping":
            return "" if set(body) == {"format", "event", "key", "at"} and not request.key else "a ping says too much"
        if body.get("key") != request.key or str(UUID(request.key)) != request.key:
            return "the key stands in the header and in the body"
        return self._problem_of(body)

    def _problem_of(self, body: dict[str, Any]) -> str:
        for name, kind in self.SHAPE.items():
            if not isinstance(body.get(name), kind):
                return f"{name} is {body.get(name)!r}"
        if set(body) - set(self.SHAPE) - {"message"} or set(body["person"]) != self.PERSON:
            return "other names than documented"
        tracking = body["tracking"]
        if [type(tracking.get(name)) for name in ("allowed", "opens", "clicks")] != [bool] * 3:
            return f"tracking is {tracking!r}"
        if body["event"] == "message":
            return "" if set(body.get("message", {})) == self.MESSAGE else "no message"
        return "" if body["event"] == "person" and "message" not in body else f"event {body['event']!r}"

    def answer(self, request: Request) -> Answer:
        return Answer(200, {"ok": True}, taken=request.body)


class ActitoEndpoint:
    """The part of Actito's API that delivery/actito.toml describes."""

    def __init__(self, *, key: str = "the-api-key", entity: str = "Bakery", table: str = "Customers") -> None:
        self.api_key, self.entity, self.table = key, entity, table
        self.tokens: list[str] = []
        self.attributes = ["emailAddress", "firstName", "lastName", "motherLanguage", "trackingConsent"]
        self.profiles: dict[str, dict[str, str]] = {}
        self.subscriptions: set[tuple[str, str]] = set()

    def problem(self, request: Request) -> str:
        if request.path == "/auth/token":
            good = request.method == "GET" and request.headers.get("Authorization") == self.api_key
            return "" if good and request.body is None else "no API key"
        if not self.tokens or request.headers.get("Authorization") != f"Bearer {self.tokens[-1]}":
            return "no token"
        if "?" in request.path and not request.path.endswith("/profile?allowUpdate=true"):
            return request.path
        return "" if self._operation(request) else f"{request.method} {request.path}"

    def _operation(self, request: Request) -> str:
        table = f"/v4/entity/{self.entity}/table/{self.table}/profile"
        path = urlsplit(request.path).path
        if (request.method, path) == ("GET", f"/profile-table-structure/v5/entities/{self.entity}/profile-tables"):
            return "tables"
        if (request.method, path) == ("POST", table):
            return "profile" if self._values(request.body) else ""
        if (request.method, path) == ("POST", f"/v4/entity/{self.entity}/transactionalmail/Exit/contact"):
            parameters = request.body.get("parameters")
            shaped = all(set(one) == {"key", "values"} and isinstance(one["values"], list) for one in parameters)
            return "trigger" if shaped and self._values(request.body.get("profile")) else ""
        if request.method in ("POST", "DELETE") and path.startswith(table + "/") and "/subscription/" in path:
            return "subscribe" if request.method == "POST" else "unsubscribe"
        return ""

    def _values(self, profile: Any) -> dict[str, str]:
        """The attributes of a profile; without tracking consent it would be tracked."""
        rows = (profile or {}).get("attributes", [])
        values = {row["name"]: row["value"] for row in rows if set(row) == {"name", "value"}}
        good = len(values) == len(rows) and values.get("trackingConsent") in ("TRUE", "FALSE")
        return values if good and values.get("emailAddress") else {}

    def answer(self, request: Request) -> Answer:
        if request.path == "/auth/token":
            self.tokens.append(f"token-{len(self.tokens)}")
            return Answer(200, {"accessToken": self.tokens[-1], "tokenType": "bearer", "expiresIn": "900s"})
        operation = self._operation(request)
        if operation == "tables":
            names = [{"name": name} for name in self.attributes]
            return Answer(200, {"profileTables": [{"id": "16", "name": self.table, "attributes": names}]})
        if operation == "profile":
            values = self._values(request.body)
            self.profiles[values["emailAddress"]] = values
            number = list(self.profiles).index(values["emailAddress"]) + 1
            return Answer(200, {"profileId": number}, taken=("profile", values))
        if operation == "trigger":
            return Answer(200, {"interactionId": 7}, taken=("mail", request.body))
        number, _word, name = request.path.rsplit("/", 2)
        place = (number.rsplit("/", 1)[1], name)
        if operation == "subscribe":
            self.subscriptions.add(place)
        elif place not in self.subscriptions:
            return Answer(404, {"message": "no such subscription"})
        else:
            self.subscriptions.discard(place)
        return Answer(200, {}, taken=(operation, name))


@dataclass
class OutsideServer:
    """Answers as an endpoint would, in the mood that it is in."""

    endpoint: JsonEndpoint | ActitoEndpoint
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    taken: list[Any] = field(default_factory=list)
    repeated: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._mood, self._left, self._only = Mood.WELL, 0, ""
        self._keys: set[str] = set()

    def behave(self, mood: Mood, *, times: int = 1_000_000, only: str = "") -> None:
        """How the next requests fare; ``only`` those whose path has this in it."""
        with self._lock:
            self._mood, self._left, self._only = mood, times, only

    def __enter__(self) -> OutsideServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length) if length else b""
                body = json.loads(raw) if raw else None
                outer._serve(self, Request(self.command, self.path, dict(self.headers.items()), body))

            do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - names of http.server

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.base}/push"

    def _serve(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            mood = self._mood if self._left > 0 and self._only in request.path else Mood.WELL
            self._left -= mood is not Mood.WELL
            answer = self._answer(request, mood)
        if mood is Mood.HANG:
            self._over.wait(30)
        if answer is None:
            handler.close_connection = True
            return
        content = json.dumps(answer.body).encode()
        handler.send_response(answer.status)
        if mood is Mood.BUSY:
            handler.send_header("Retry-After", "120")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _answer(self, request: Request, mood: Mood) -> Answer | None:
        moods = {
            Mood.FAIL: Answer(500, {"error": "the oven is broken"}),
            Mood.BUSY: Answer(429, {"error": "too many"}),
            Mood.UNAUTHORIZED: Answer(401, {"error": "who are you?", "seen": request.headers.get("Authorization")}),
            Mood.REFUSE: Answer(422, {"error": "no such campaign", "for": request.body}),
        }
        if mood in moods:
            return moods[mood]
        if mood is Mood.HANG:
            return None
        problem = self.endpoint.problem(request)
        if problem:
            self.problems.append(problem)
            return Answer(401 if "token" in problem or "key" in problem else 400, {"error": problem})
        answer = self._once(request)
        return None if mood is Mood.DROP else answer

    def _once(self, request: Request) -> Answer:
        """Pli's format knows keys; Actito's does not."""
        knows_keys = isinstance(self.endpoint, JsonEndpoint)
        if knows_keys and request.key and request.key in self._keys:
            self.repeated += 1
            return Answer(200, {"ok": True, "again": True})
        answer = self.endpoint.answer(request)
        if knows_keys and request.key:
            self._keys.add(request.key)
        if answer.taken is not None and answer.status < 300:
            self.taken.append(answer.taken)
        return answer
