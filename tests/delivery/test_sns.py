"""Amazon asks whether we want the reports of a topic: a yes goes to Amazon, and only if Amazon asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.provider_posts import CERTIFICATE_URL, TOPIC, AmazonSes, Posted, signed_by_amazon
from tests.delivery.test_provider_news import Scene, make_scene
from tests.delivery.test_provider_news import _amazons_certificate as _amazons_certificate
from tests.delivery.world import World
from tests.support.certificates import make_authority

pytestmark = pytest.mark.django_db

HOST = "sns.eu-west-1.amazonaws.com"
YES = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37fb687f5d51e6e241d"


class Amazon:
    """Stands where the name service says that SNS is, with a certificate for its name."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.status = 200
        amazon = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                amazon.asked.append(f"{self.headers['Host']}{self.path}")
                self.send_response(amazon.status)
                self.end_headers()
                self.wfile.write(b"<ConfirmSubscriptionResponse/>")

            def log_message(self, *args: object) -> None:
                """Nothing is printed."""

        authority = make_authority(folder)
        self.authority = authority.path
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(HOST))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)


@pytest.fixture
def amazon(tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    """Every name leads to this machine, and its port 443 to the test's own."""
    made = Amazon(tmp_path / "amazon")
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    look_up, connect = socket.getaddrinfo, socket.create_connection

    def elsewhere(host: Any, *rest: Any, **more: Any) -> Any:
        return look_up("127.0.0.1" if str(host).endswith((".com", ".example")) else host, *rest, **more)

    def to_the_test(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        return connect((address[0], made.server.server_port) if address[1] == 443 else address, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    monkeypatch.setattr(socket, "create_connection", to_the_test)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def scene(world: World) -> Scene:
    return make_scene(world, AmazonSes())


def question(*, forged: bool = False, **changes: str) -> Posted:
    """https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html"""
    message = {
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37fb687f5d51e6e241d", "TopicArn": TOPIC, "SubscribeURL": YES,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.", "Timestamp": "2026-11-22T09:00:00.000Z",
        "SignatureVersion": "2", "SigningCertURL": CERTIFICATE_URL, **changes,
    }  # fmt: skip
    return signed_by_amazon(message, forged=forged)


def test_a_signed_question_is_answered_at_amazon(scene: Scene, amazon: Amazon) -> None:
    assert scene.tell(question()) == 200
    assert amazon.asked == [YES.removeprefix("https://")]
    assert scene.row.refused_news == 0
    assert scene.news() == 0


def test_a_forged_question_is_refused_and_nothing_is_fetched(scene: Scene, amazon: Amazon) -> None:
    assert scene.tell(question(forged=True)) == 403
    changed = question()
    assert scene.tell(Posted(changed.body.replace(b"Token=2336", b"Token=9999"), changed.headers)) == 403
    assert scene.tell(question(TopicArn=f"{TOPIC}-of-others")) == 403
    assert amazon.asked == []
    assert scene.row.refused_news == 3


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.evil.example/?Action=ConfirmSubscription",
        f"https://{HOST}.evil.example/?Action=ConfirmSubscription",
        f"https://evil.example@{HOST}/?Action=ConfirmSubscription",
        f"https://{HOST}:8443/?Action=ConfirmSubscription",
        f"http://{HOST}/?Action=ConfirmSubscription",
        "https://s3.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
    ],
)
def test_nothing_but_amazons_own_host_is_fetched(scene: Scene, amazon: Amazon, url: str) -> None:
    """Even if a signature were right: what we fetch is not for others to choose."""
    assert scene.tell(question(SubscribeURL=url)) == 403
    assert amazon.asked == []


def test_without_an_answer_amazon_is_let_ask_again(scene: Scene, amazon: Amazon) -> None:
    amazon.status = 503
    assert scene.tell(question()) == 403
    assert len(amazon.asked) == 1
    amazon.status = 200
    assert scene.tell(question()) == 200
