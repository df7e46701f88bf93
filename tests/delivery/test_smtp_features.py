"""What a mail server offers is used, what it does not offer is not; TLS is verified; inner networks are refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from delivery.transports import Outgoing, Result, Security, SmtpAccount, SmtpConnection, SmtpTroubleError
from delivery.transports import smtp as smtp_module
from tests.support.certificates import Authority, make_authority
from tests.support.smtp import SmtpServer

DATA = b"Subject: Pain\r\n\r\n.leading dot\r\nBonjour\r\n"


def message(number: int, recipient: str = "") -> Outgoing:
    return Outgoing(number, f"bounce+{number}@bread.example", recipient or f"p{number}@example.org", DATA)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = make_authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made


def account(server: SmtpServer, security: Security) -> SmtpAccount:
    return SmtpAccount("127.0.0.1", server.port, security, "ana", "right")


@pytest.mark.parametrize(("tls", "security"), [("starttls", Security.STARTTLS), ("implicit", Security.IMPLICIT_TLS)])
def test_mail_goes_over_verified_tls_with_sign_in(
    tmp_path: Path, authority: Authority, tls: str, security: Security
) -> None:
    certificate = authority.issue("127.0.0.1")
    with SmtpServer(tmp_path / "sink", tls=tls, certificate=certificate, auth=("ana", "right")) as server:
        connection = SmtpConnection(account(server, security))
        outcomes, trouble = connection.send([message(1), message(2)])
        connection.close()
    assert trouble is None
    assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED] * 2
    assert [received.raw for received in server.messages()] == [DATA] * 2


@pytest.mark.parametrize(("tls", "security"), [("starttls", Security.STARTTLS), ("implicit", Security.IMPLICIT_TLS)])
@pytest.mark.parametrize("flaw", ["another name", "unknown authority", "expired"])
def test_a_certificate_that_is_not_to_be_trusted_is_named_and_lasts(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, tls: str, security: Security, flaw: str
) -> None:
    name = "mail.example" if flaw == "another name" else "127.0.0.1"
    certificate = authority.issue(name, days=-1 if flaw == "expired" else 2)
    if flaw == "unknown authority":
        monkeypatch.setenv("SSL_CERT_FILE", str(make_authority(tmp_path / "other").path))
    with SmtpServer(tmp_path / "sink", tls=tls, certificate=certificate) as server:
        outcomes, trouble = SmtpConnection(account(server, security)).send([message(1)])
        assert server.messages() == []
    assert trouble is not None
    assert trouble.lasting
    assert trouble.words.startswith("the certificate of 127.0.0.1 is not to be trusted")
    assert outcomes[0].result is Result.UNTOUCHED


def test_a_server_without_starttls_gets_no_password(tmp_path: Path) -> None:
    with SmtpServer(tmp_path / "sink", auth=("ana", "right")) as server:
        with pytest.raises(SmtpTroubleError, match="STARTTLS") as caught:
            SmtpConnection(account(server, Security.STARTTLS)).open()
        assert caught.value.lasting


def test_tls_where_none_is_spoken_is_a_wrong_setting(tmp_path: Path) -> None:
    with SmtpServer(tmp_path / "sink") as server:
        with pytest.raises(SmtpTroubleError, match="no encrypted connection") as caught:
            SmtpConnection(account(server, Security.IMPLICIT_TLS)).open()
        assert caught.value.lasting


@pytest.mark.parametrize("pipelining", [True, False])
def test_messages_go_as_chunks_where_that_is_offered(tmp_path: Path, pipelining: bool) -> None:
    with SmtpServer(tmp_path / "sink", chunking=True, pipelining=pipelining) as server:
        server.behave(refuse={"p2@example.org": "550 No such user"}, refuse_data={"p4@example.org": "554 Spam"})
        connection = SmtpConnection(SmtpAccount("127.0.0.1", server.port))
        outcomes, trouble = connection.send([message(number) for number in range(1, 7)])
        connection.close()
    assert trouble is None
    assert [outcome.result for outcome in outcomes] == [
        Result.ACCEPTED, Result.REFUSED, Result.ACCEPTED, Result.REFUSED, Result.ACCEPTED, Result.ACCEPTED,
    ]  # fmt: skip
    assert outcomes[1].words == "550 No such user"
    assert outcomes[3].words == "554 Spam"
    assert server.chunks() == 5
    assert [received.raw for received in server.messages()] == [DATA] * 4


@pytest.mark.parametrize("pipelining", [True, False])
def test_international_addresses_go_only_where_they_are_known(tmp_path: Path, pipelining: bool) -> None:
    group = [message(1), message(2, "zoé@example.org"), message(3)]
    with SmtpServer(tmp_path / "one", pipelining=pipelining) as server:
        connection = SmtpConnection(SmtpAccount("127.0.0.1", server.port))
        outcomes, _trouble = connection.send(group)
        connection.close()
        assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED] * 3
    with SmtpServer(tmp_path / "two", pipelining=pipelining, utf8=False) as server:
        connection = SmtpConnection(SmtpAccount("127.0.0.1", server.port))
        outcomes, trouble = connection.send(group)
        connection.close()
    assert trouble is None
    assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED, Result.REFUSED, Result.ACCEPTED]
    assert "SMTPUTF8" in outcomes[1].words
    assert server.recipients() == ["p1@example.org", "p3@example.org"]


def test_a_server_that_takes_a_message_and_then_hangs_leaves_it_uncertain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_module, "REPLY_SECONDS", 3.0)
    with SmtpServer(tmp_path / "sink") as server:
        server.behave(hang=["p2@example.org"])
        outcomes, trouble = SmtpConnection(SmtpAccount("127.0.0.1", server.port)).send(
            [message(number) for number in range(1, 5)]
        )
    assert trouble is not None
    assert not trouble.lasting
    assert [outcome.result for outcome in outcomes] == [
        Result.ACCEPTED, Result.UNCERTAIN, Result.UNTOUCHED, Result.UNTOUCHED,
    ]  # fmt: skip
    assert "timed out" in outcomes[1].words


def test_the_server_of_a_member_is_not_looked_for_inside(tmp_path: Path, settings) -> None:
    with SmtpServer(tmp_path / "sink") as server:
        typed = SmtpAccount("127.0.0.1", server.port, is_judged=True)
        settings.ALLOWED_NETWORKS = []
        with pytest.raises(SmtpTroubleError, match="private network"):
            SmtpConnection(typed).open()
        assert server.connections() == 0
        settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
        connection = SmtpConnection(typed)
        connection.open()
        assert "PIPELINING" in connection.offers
        connection.close()


# --- What is said of a message in advance -----------------------------------------------------------------------------


@contextmanager
def plain_server(*features: str) -> Iterator[tuple[int, list[str]]]:
    """A server that says yes to everything, with what it was told."""
    told: list[str] = []
    greeting = "".join(f"250-{line}\r\n" for line in ("hello", *features)).encode() + b"250 HELP\r\n"
    ready = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _address = ready.accept()
        with client, client.makefile("rwb", buffering=0) as line:
            line.write(b"220 here\r\n")
            in_data = False
            while said := line.readline():
                if in_data and said != b".\r\n":
                    continue
                in_data = said == b"DATA\r\n"
                told.append(said.decode().strip())
                line.write(
                    greeting if said.upper().startswith(b"EHLO") else b"354 go on\r\n" if in_data else b"250 OK\r\n"
                )

    thread = threading.Thread(target=serve, daemon=True)
    with ready:
        thread.start()
        yield ready.getsockname()[1], told
        thread.join(5)


@pytest.mark.parametrize("features", [(), ("8BITMIME",), ("SIZE 1000000",), ("8BITMIME", "SIZE 1000000")])
def test_what_a_server_does_not_offer_is_not_said_to_it(features: tuple[str, ...]) -> None:
    data = "Subject: x\r\n\r\nété\r\n".encode()
    with plain_server(*features) as (port, told):
        connection = SmtpConnection(SmtpAccount("127.0.0.1", port))
        outcomes, trouble = connection.send([Outgoing(1, "a@bread.example", "b@home.example", data)])
        connection.close()
    assert (outcomes[0].result, trouble) == (Result.ACCEPTED, None)
    options = f" SIZE={len(data)}" if "SIZE 1000000" in features else ""
    options += " BODY=8BITMIME" if "8BITMIME" in features else ""
    assert told[1] == f"MAIL FROM:<a@bread.example>{options}"
