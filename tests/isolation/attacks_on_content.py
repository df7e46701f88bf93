"""By what is written, uploaded or asked for: scripts, templates, headers, files, addresses inside."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.test import override_settings
from liquid import Environment

from accounts.services import add_member, create_organization
from common import safe_http
from common.tenancy import tenant
from delivery import markup, mime, templating
from delivery.mime import MessageHeaders, build_message
from delivery.templating import HTML, TEXT, TemplateError, parse, render
from intake.models import Import
from intake.services import ImportRefused, upload_import
from tests.isolation.attacks import Attack, Stage, signed_in
from tests.isolation.matrix import House
from tests.isolation.rooms import furnish
from tests.support.cast import make_member
from tests.support.web import Asked, Reply, WebServer

SCRIPT = '<script>alert("7f3a")</script>'
OUTSIDE = "93.184.216.34"
INSIDE = "127.0.0.1"


# --- Scripts and templates --------------------------------------------------------------------------------------------


def stored_script(stage: Stage) -> bool:
    """A script in every text of an organization, looked for on every page of its console."""
    theatre = create_organization(name=SCRIPT, legal_name=SCRIPT, legal_address=SCRIPT, now=stage.now)
    owner = make_member(stage.cast.cinema, "tess", "viewer", now=stage.now)
    add_member(theatre, owner, role="owner", now=stage.now)
    owner.full_name = SCRIPT
    owner.save()
    rooms = furnish(theatre, owner, colleague=owner, now=stage.now, marker=SCRIPT, name="theatre")
    client = signed_in(owner)
    session = client.session
    session["organization"] = theatre.pk
    session.save()
    shown = 0
    for room in House(stage.cast, rooms, rooms).rooms():
        answer = client.get(room.own.address)
        if answer.streaming:
            # A file, which is closed once it is read.
            b"".join(answer.streaming_content)
        if not answer.headers.get("Content-Type", "").startswith("text/html"):
            continue
        page = answer.content.decode()
        shown += "alert(" in page
        if SCRIPT in page and "sandbox" not in answer.headers.get("Content-Security-Policy", ""):
            return True
    assert shown > 20, "the texts with the script are shown nowhere: nothing was tried"
    return False


def endless_loop(stage: Stage) -> bool:
    return _writes("{% for i in (1..50000) %}xx{% endfor %}", 100_000)


def endless_join(stage: Stage) -> bool:
    return _writes("{{ (1..60000) | join: ',' }}", 100_000)


def _writes(source: str, length: int) -> bool:
    try:
        return len(render(parse(source, TEXT), {})) >= length
    except TemplateError:
        return False


def markup_in_a_name(stage: Stage) -> bool:
    """Somebody's first name brings markup into the mail of whoever shows it."""
    return SCRIPT in render(parse("<p>Dear {{ first_name }}", HTML), {"first_name": SCRIPT})


def file_by_liquid(stage: Stage) -> bool:
    """A template that asks for another file."""
    try:
        parse("{% include '/etc/passwd' %}", TEXT)
    except TemplateError:
        return False
    return True


def file_by_mjml(stage: Stage) -> bool:
    text = '<mjml><mj-body><mj-include path="/etc/passwd" /></mj-body></mjml>'
    return not any("mj-include" in problem.message for problem in markup.check_mjml(text))


# --- Headers ----------------------------------------------------------------------------------------------------------


def header_by_subject(stage: Stage) -> bool:
    return _adds_a_header(stage, subject="Hello\r\nBcc: everybody@evil.example")


def header_by_name(stage: Stage) -> bool:
    return _adds_a_header(stage, from_name="Bakery\r\nBcc: everybody@evil.example\r\nX: ")


def _adds_a_header(stage: Stage, **changes: str) -> bool:
    fields = {
        "from_email": "news@bread.example",
        "to_email": "zoe@home.example",
        "subject": "Hello",
        "message_id": "1@x.example",
        **changes,
    }
    mime._mailbox_line.cache_clear()
    try:
        raw = build_message(MessageHeaders(date=stage.now, **fields), text="Hello", html="<p>Hello")
    except ValueError:
        return False
    finally:
        mime._mailbox_line.cache_clear()
    return message_from_bytes(raw)["Bcc"] is not None


# --- Files ------------------------------------------------------------------------------------------------------------


def path_traversal(stage: Stage) -> bool:
    """A file whose name climbs out of the folder of uploads."""
    try:
        source = _upload(stage, b"email\nzoe@home.example\n", "../outside/people.csv")
    except (ImportRefused, SuspiciousFileOperation):
        return False
    landed = Path(source.file.path).resolve()
    landed.unlink()
    return not landed.is_relative_to(Path(source.file.storage.location).resolve())


def polyglot(stage: Stage) -> bool:
    """A file that is a document to one program and rows to another."""
    try:
        source = _upload(stage, b"%PDF,email\nx,zoe@home.example\n", "people.csv")
    except ImportRefused:
        return False
    Path(source.file.path).unlink()
    return True


def _upload(stage: Stage, content: bytes, name: str) -> Import:
    cinema = stage.cast.cinema
    with tenant(cinema.pk):
        return upload_import(
            cinema, file=ContentFile(content), filename=name, kind="participants", author=None, now=stage.now
        )


@contextmanager
def _names_as_they_come() -> Iterator[None]:
    """The name of an upload decides where it lies."""
    field = Import._meta.get_field("file")
    with (
        patch.object(field, "generate_filename", lambda _row, name: name),
        patch("django.core.files.storage.base.validate_file_name", lambda name, *_args, **_options: name),
        patch.object(FileSystemStorage, "get_available_name", lambda _storage, name, **_options: name),
        patch.object(FileSystemStorage, "path", lambda storage, name: str(Path(storage.location, name))),
    ):
        yield


# --- Requests of the server -------------------------------------------------------------------------------------------


def _answers_by_moving(asked: Asked) -> Reply:
    if asked.path == "/moved":
        port = asked.headers["Host"].rpartition(":")[2]
        return Reply(302, headers={"Location": f"http://127.0.0.2:{port}/secret"})
    return Reply(200)


def request_to_a_private_address(stage: Stage) -> bool:
    with override_settings(ALLOWED_NETWORKS=[]), WebServer(_answers_by_moving) as server:
        _fetch(f"{server.url}/")
        return bool(server.asked)


def request_that_is_led_on(stage: Stage) -> bool:
    """An address that may be asked leads to one that may not."""
    seen: list[str] = []
    followed = patch("urllib.request.urlopen", lambda url, **_options: seen.append(url))
    with override_settings(ALLOWED_NETWORKS=[f"{INSIDE}/32"]), WebServer(_answers_by_moving) as server, followed:
        _fetch(f"{server.url}/moved")
    return any("127.0.0.2" in url for url in seen)


def _following(connection: HTTPConnection, *, answer: Any = HTTPConnection.getresponse) -> HTTPResponse:
    response: HTTPResponse = answer(connection)
    if response.status in (301, 302):
        urllib.request.urlopen(str(response.headers["Location"]), timeout=2)
    return response


def request_by_a_name_that_changes(stage: Stage) -> bool:
    """A name that means an address outside while it is judged, and one inside a moment later."""
    answers = iter([OUTSIDE])
    reached = []

    def resolve(host: str, port: int, *_args: Any, **_kwargs: Any) -> list[Any]:
        address = host if host == OUTSIDE else next(answers, INSIDE)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address: tuple[str, int], **_options: Any) -> socket.socket:
        reached.append(resolve(*address)[0][4][0])
        raise ConnectionRefusedError

    world = patch.multiple(socket, getaddrinfo=resolve, create_connection=connect)
    with override_settings(ALLOWED_NETWORKS=[]), world:
        _fetch("http://rebound.example/")
    return reached == [INSIDE]


def _by_name(host: str, port: int, *, timeout: float) -> socket.socket:
    safe_http.checked_addresses(host, port)
    return socket.create_connection((host, port), timeout=timeout)


def _fetch(url: str) -> None:
    assert urlsplit(url).hostname
    try:
        safe_http.fetch(url, timeout=2)
    except OSError:
        return


ATTACKS = [
    Attack("stored script on every page", stored_script, lambda: patch("django.template.base.conditional_escape", str)),
    Attack("Liquid that loops for ever", endless_loop, lambda: patch.object(TEXT, "loop_iteration_limit", None)),
    Attack(
        "Liquid that fills the memory",
        endless_join,
        lambda: patch.dict(TEXT.filters, {"join": Environment().filters["join"]}),
    ),
    Attack("markup in a name", markup_in_a_name, lambda: patch.object(HTML, "autoescape", False)),
    Attack(
        "a file by Liquid",
        file_by_liquid,
        lambda: patch.dict(templating.TEXT.tags, {"include": Environment().tags["include"]}),
    ),
    Attack("a file by MJML", file_by_mjml, lambda: patch.object(markup, "_refused_tags", lambda _shield: iter(()))),
    Attack("a header by the subject", header_by_subject, lambda: patch.object(mime, "_checked", lambda text: text)),
    Attack("a header by a name", header_by_name, lambda: patch.object(mime, "_checked", lambda text: text)),
    Attack("path traversal by an upload", path_traversal, _names_as_they_come),
    Attack("polyglot upload", polyglot, lambda: patch("intake.readers.files._FORMATS", ())),
    Attack(
        "request to a private address",
        request_to_a_private_address,
        lambda: patch.object(safe_http, "is_allowed", lambda _address: True),
    ),
    Attack(
        "request led on to a private address",
        request_that_is_led_on,
        lambda: patch.object(HTTPConnection, "getresponse", _following),
    ),
    Attack(
        "request by a name that changes",
        request_by_a_name_that_changes,
        lambda: patch.object(safe_http, "open_socket", _by_name),
    ),
]
