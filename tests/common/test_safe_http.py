"""What members type leads to no address inside, however it is written."""

from __future__ import annotations

import ast
import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from common.safe_http import AddressRefusedError, HttpError, checked_addresses, fetch, is_allowed, open_socket


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 500)

    def log_message(self, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.1.2.3", "224.0.0.1",
        "::1", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused(settings, address: str) -> None:
    settings.ALLOWED_NETWORKS = []
    assert not is_allowed(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2600::1", "::ffff:8.8.8.8"])
def test_addresses_outside_are_taken(settings, address: str) -> None:
    settings.ALLOWED_NETWORKS = []
    assert is_allowed(ipaddress.ip_address(address))


def test_the_operator_opens_a_network(settings) -> None:
    settings.ALLOWED_NETWORKS = ["10.20.0.0/16", "::1/128"]
    assert is_allowed(ipaddress.ip_address("10.20.3.4"))
    assert is_allowed(ipaddress.ip_address("::ffff:10.20.3.4"))
    assert is_allowed(ipaddress.ip_address("::1"))
    assert not is_allowed(ipaddress.ip_address("10.21.0.1"))


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001"])
def test_names_are_judged_by_what_they_resolve_to(settings, host: str) -> None:
    settings.ALLOWED_NETWORKS = []
    with pytest.raises(AddressRefusedError, match="private network"):
        checked_addresses(host, 25)


def test_a_name_without_address_says_so(settings) -> None:
    with pytest.raises(OSError, match="has no address"):
        checked_addresses("nowhere.invalid", 25)


def test_a_socket_is_opened_only_where_it_is_allowed(settings, port: int) -> None:
    settings.ALLOWED_NETWORKS = []
    with pytest.raises(AddressRefusedError):
        open_socket("127.0.0.1", port, timeout=1)
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    open_socket("127.0.0.1", port, timeout=1).close()


def test_redirects_are_not_followed_and_long_answers_not_read(settings, port: int) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    assert fetch(f"http://127.0.0.1:{port}/moved").status == 302
    assert fetch(f"http://127.0.0.1:{port}/").body == b"x" * 500
    with pytest.raises(HttpError, match="longer"):
        fetch(f"http://127.0.0.1:{port}/", largest=499)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x/", "http://", "http://user@example.org/"])
def test_only_plain_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(HttpError):
        fetch(url)


ROOT = Path(__file__).parents[2]
APPS = (
    "accounts", "campaigns", "common", "config", "consent", "delivery", "intake", "participants", "privacy",
    "reporting", "tracking", "websites",
)  # fmt: skip
TO_OTHERS = {
    "aiohttp", "boto3", "botocore", "dns", "ftplib", "http.client", "httpx", "imaplib", "poplib", "requests", "smtplib",
    "socket", "socketserver", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc",
}  # fmt: skip
# Who may connect to somebody, and why what a member types does not lead them astray.
CONNECT = {
    "common/safe_http.py": "judges each address",
    "accounts/adapters.py": "names a type; its session is the one of accounts/sign_on.py",
    "accounts/oidc.py": "names an error",
    "accounts/sign_on.py": "over judged connections",
    "delivery/transports/esp.py": "over judged connections",
    "delivery/transports/imap.py": "over judged connections",
    "delivery/transports/smtp.py": "over judged connections, except to the operator's own server",
    "delivery/signing.py": "asks the operator's name server",
    "config/engine_home.py": "looks for a free port of this machine",
    "config/run.py": "asks itself whether it is up",
}


def test_nobody_connects_but_over_addresses_that_were_judged() -> None:
    found = set()
    for file in (file for app in APPS for file in (ROOT / app).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if any(name == one or name.startswith(f"{one}.") for name in names for one in TO_OTHERS):
                found.add(str(file.relative_to(ROOT)))
    assert found == set(CONNECT)
