"""The conversation with SMTP servers: every answer ends in the right outcome, and costs no other message anything."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.core.mail import EmailMessage as DjangoMessage

from delivery.transports import (
    MemberMailBackend,
    Outgoing,
    Result,
    Security,
    SmtpAccount,
    SmtpConnection,
    SmtpPool,
    SmtpTroubleError,
    TransportNotConfiguredError,
    account_of,
    mailbox_password,
    parse_smtp_url,
)
from tests.support.cast import Cast
from tests.support.smtp import SmtpServer

NAMES = [f"person{number}@example.org" for number in range(10)]


@pytest.fixture(params=["pipelining", "lock-step"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink", pipelining=request.param == "pipelining") as running:
        yield running


def outgoing(number: int, recipient: str, body: str = "Bonjour\r\n") -> Outgoing:
    message = EmailMessage()
    message["Subject"] = f"Message {number}"
    data = message.as_bytes().replace(b"\n", b"\r\n") + body.encode()
    return Outgoing(number, f"bounce+{number}@bakery.example", recipient, data)


def group() -> list[Outgoing]:
    return [outgoing(number, name) for number, name in enumerate(NAMES)]


def send(server: SmtpServer, messages: list[Outgoing]) -> tuple[dict[int, Result], SmtpTroubleError | None]:
    connection = SmtpConnection(parse_smtp_url(server.url))
    outcomes, trouble = connection.send(messages)
    connection.close()
    assert [outcome.id for outcome in outcomes] == [message.id for message in messages]
    return {outcome.id: outcome.result for outcome in outcomes}, trouble


def test_what_cannot_be_signed_has_not_left_and_keeps_no_other(server: SmtpServer) -> None:
    def dress(message: Outgoing) -> Outgoing:
        if message.id == 3:
            raise ValueError("no line of a header is that long")
        return message

    pool = SmtpPool(parse_smtp_url(server.url), size=1, dress=dress)
    pool.submit(group())
    (sent,) = pool.collect(seconds=10.0)
    pool.submit([outgoing(3, NAMES[3])])
    (alone,) = pool.collect(seconds=10.0)
    pool.close()
    found = {outcome.id: outcome.result for outcome in sent.outcomes}
    assert found == {number: Result.DEFERRED if number == 3 else Result.ACCEPTED for number in range(10)}
    assert [outcome.result for outcome in alone.outcomes] == [Result.DEFERRED]
    assert (sent.trouble, alone.trouble) == (None, None)


# --- Addresses of servers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("smtp://mail.example.org", SmtpAccount("mail.example.org", 25)),
        ("smtps://mail.example.org", SmtpAccount("mail.example.org", 465, Security.IMPLICIT_TLS)),
        (
            "smtp+starttls://ana%40bakery:p%3Aw@mail.example.org:2525",
            SmtpAccount("mail.example.org", 2525, Security.STARTTLS, "ana@bakery", "p:w"),
        ),
    ],
)
def test_a_url_says_where_and_how(url: str, account: SmtpAccount) -> None:
    assert parse_smtp_url(url) == account


@pytest.mark.parametrize("url", ["mail.example.org", "http://mail.example.org", "smtp://", "smtp://host:port"])
def test_a_broken_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(TransportNotConfiguredError, match="must look like"):
        parse_smtp_url(url)


def test_an_account_never_shows_its_password() -> None:
    assert "secret" not in repr(parse_smtp_url("smtp://ana:secret@mail.example.org"))


def test_without_a_server_and_without_a_mailbox_the_error_says_what_to_set(cast: Cast, settings) -> None:
    settings.SMTP_URL, settings.MAILBOX_PORT = "", 0
    with pytest.raises(TransportNotConfiguredError, match="PLI_SMTP_URL"):
        account_of(cast.bakery)


def test_the_mailbox_is_used_when_no_server_is_set(cast: Cast, settings) -> None:
    settings.SMTP_URL, settings.MAILBOX_PORT = "", 2525
    bakery, cinema = account_of(cast.bakery), account_of(cast.cinema)
    assert (bakery.host, bakery.port) == ("127.0.0.1", 2525)
    assert bakery.password == mailbox_password(bakery.username)
    assert bakery.password != cinema.password


# --- Outcomes ---------------------------------------------------------------------------------------------------------


def test_all_of_a_group_arrive_over_one_connection(server: SmtpServer) -> None:
    results, trouble = send(server, group())
    assert set(results.values()) == {Result.ACCEPTED}
    assert trouble is None
    assert server.recipients() == NAMES
    assert server.connections() == 1
    assert server.messages()[3].mail_from == "bounce+3@bakery.example"


@pytest.mark.parametrize("body", ["", ".\r\n", "..a\r\n.b\r\nc", "ends with a dot.\r\n", "\r\n.\r\n.\r\n", "x\r\n"])
def test_dots_and_odd_endings_arrive_as_they_were(server: SmtpServer, body: str) -> None:
    message = outgoing(1, NAMES[0], body)
    send(server, [message, outgoing(2, NAMES[1])])
    ending = b"" if message.data.endswith(b"\r\n") else b"\r\n"
    assert server.messages()[0].raw == message.data + ending
    assert len(server.messages()) == 2


def test_a_message_that_begins_with_a_dot_keeps_it(server: SmtpServer) -> None:
    send(server, [Outgoing(1, "a@bakery.example", NAMES[0], b".hidden: yes\r\n\r\n.\r\n")])
    assert server.messages()[0].raw == b".hidden: yes\r\n\r\n.\r\n"


def test_a_connection_is_left_after_so_many_messages(server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.transports.smtp.MESSAGES_PER_CONNECTION", 10)
    connection = SmtpConnection(parse_smtp_url(server.url))
    for _group in range(3):
        outcomes, trouble = connection.send(group()[:5])
        assert ({outcome.result for outcome in outcomes}, trouble) == ({Result.ACCEPTED}, None)
    connection.close()
    assert (len(server.messages()), server.connections()) == (15, 2)


def test_one_refused_recipient_of_ten_harms_no_other(server: SmtpServer) -> None:
    server.behave(refuse={NAMES[4]: "550 5.1.1 No such user here"})
    connection = SmtpConnection(parse_smtp_url(server.url))
    outcomes, trouble = connection.send(group())
    assert trouble is None
    assert [outcome.result for outcome in outcomes if outcome.id != 4] == [Result.ACCEPTED] * 9
    assert outcomes[4].result is Result.REFUSED
    assert outcomes[4].words == "550 5.1.1 No such user here"
    assert server.recipients() == [name for name in NAMES if name != NAMES[4]]
    # The last of a group may be refused too: the next group starts clean.
    server.behave(refuse={NAMES[9]: "550 No"})
    assert connection.send(group())[0][9].result is Result.REFUSED
    assert connection.send(group())[0][0].result is Result.ACCEPTED
    assert server.connections() == 1
    connection.close()


def test_a_temporary_refusal_is_told_from_a_final_one(server: SmtpServer) -> None:
    server.behave(refuse={NAMES[0]: "450 4.2.1 Greylisted"}, refuse_data={NAMES[1]: "554 Spam", NAMES[2]: "451 Later"})
    results, trouble = send(server, group())
    assert trouble is None
    assert [results[number] for number in range(4)] == [
        Result.DEFERRED,
        Result.REFUSED,
        Result.DEFERRED,
        Result.ACCEPTED,
    ]


def test_a_server_that_hangs_up_after_taking_a_message_leaves_that_one_uncertain(server: SmtpServer) -> None:
    server.behave(hang_up_after=[NAMES[3]])
    results, trouble = send(server, group())
    assert trouble is not None
    assert not trouble.lasting
    assert [results[number] for number in (2, 3, 4, 9)] == [
        Result.ACCEPTED,
        Result.UNCERTAIN,
        Result.UNTOUCHED,
        Result.UNTOUCHED,
    ]


def test_a_server_that_hangs_up_at_a_recipient_puts_that_one_off_and_leaves_nothing_uncertain(
    server: SmtpServer,
) -> None:
    server.behave(hang_up_at_rcpt=[NAMES[3]])
    results, trouble = send(server, group())
    assert trouble is not None
    assert list(results.values()) == [Result.ACCEPTED] * 3 + [Result.DEFERRED] + [Result.UNTOUCHED] * 6


def test_a_421_in_mid_batch_leaves_the_rest_for_another_connection(server: SmtpServer) -> None:
    server.behave(close_after=6)
    connection = SmtpConnection(parse_smtp_url(server.url))
    outcomes, trouble = connection.send(group())
    rest = [message for message, outcome in zip(group(), outcomes, strict=True) if outcome.result is Result.UNTOUCHED]
    assert trouble is not None
    assert "Too many messages" in trouble.words
    assert len(rest) == 4
    assert connection.send(rest)[1] is None
    assert server.recipients() == NAMES
    assert server.connections() == 2
    connection.close()


def test_a_refused_sender_is_the_senders_trouble_and_not_the_recipients(server: SmtpServer) -> None:
    server.behave(refuse_sender="550 5.7.1 Sender not allowed")
    results, trouble = send(server, group())
    assert set(results.values()) == {Result.UNTOUCHED}
    assert trouble is not None
    assert trouble.lasting
    assert trouble.words == "550 5.7.1 Sender not allowed"


def test_an_address_beyond_ascii_asks_for_smtputf8(server: SmtpServer) -> None:
    results, _trouble = send(server, [outgoing(1, "zoë@example.org")])
    assert results[1] is Result.ACCEPTED
    assert server.recipients() == ["zoë@example.org"]


def test_a_wrong_password_is_a_lasting_trouble(tmp_path: Path) -> None:
    with SmtpServer(tmp_path, auth=("ana", "right")) as server:
        assert send(server, group())[1] is None
        wrong = SmtpConnection(parse_smtp_url(server.url.replace("right", "wrong")))
        outcomes, trouble = wrong.send(group())
    assert {outcome.result for outcome in outcomes} == {Result.UNTOUCHED}
    assert trouble is not None
    assert trouble.lasting


def test_nobody_listening_is_a_passing_trouble() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        connection = SmtpConnection(SmtpAccount("127.0.0.1", unused.getsockname()[1]))
        outcomes, trouble = connection.send(group())
    assert {outcome.result for outcome in outcomes} == {Result.UNTOUCHED}
    assert trouble is not None
    assert not trouble.lasting


def test_starttls_that_the_server_does_not_offer_is_refused_rather_than_left_out(server: SmtpServer) -> None:
    account = parse_smtp_url(server.url.replace("smtp://", "smtp+starttls://"))
    _outcomes, trouble = SmtpConnection(account).send(group())
    assert trouble is not None
    assert trouble.lasting
    assert server.messages() == []


def test_a_server_that_goes_silent_after_a_message_leaves_it_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.transports.smtp.REPLY_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = threading.Thread(target=_answer_all_but_the_message, args=(listener,))
        silent.start()
        connection = SmtpConnection(SmtpAccount("127.0.0.1", listener.getsockname()[1]))
        outcomes, trouble = connection.send(group()[:2])
        silent.join()
    assert [outcome.result for outcome in outcomes] == [Result.UNCERTAIN, Result.UNTOUCHED]
    assert trouble is not None


def _answer_all_but_the_message(listener: socket.socket) -> None:
    conversation, _peer = listener.accept()
    with conversation, conversation.makefile("rwb") as file:
        file.write(b"220 hello\r\n")
        file.flush()
        while line := file.readline():
            answer = {b"DATA": b"354 go on", b"EHLO": b"250 hello"}.get(line[:4].strip(), b"250 ok")
            file.write(answer + b"\r\n")
            file.flush()
            if answer.startswith(b"354"):
                while file.readline():
                    pass
                return


# --- Side by side -----------------------------------------------------------------------------------------------------


def test_a_pool_uses_its_connections_side_by_side_and_again(server: SmtpServer) -> None:
    pool = SmtpPool(parse_smtp_url(server.url), size=3)
    taken = 0
    for _round in range(4):
        while pool.idle:
            pool.submit(group())
        while pool.busy:
            taken += sum(len(sent.outcomes) for sent in pool.collect(seconds=5))
    pool.close()
    assert taken == 120
    assert len(server.messages()) == 120
    assert server.connections() == 3


# --- Mail to members --------------------------------------------------------------------------------------------------


def test_mail_to_a_member_leaves_through_the_operators_server(cast: Cast, settings, tmp_path: Path) -> None:
    with SmtpServer(tmp_path) as server:
        settings.SMTP_URL = server.url
        message = DjangoMessage("Mot de passe oublié", "Voilà.", "Pli <pli@pli.example>", [cast.ana.email])
        assert MemberMailBackend().send_messages([message]) == 1
        (received,) = server.messages()
    assert received.rcpt_to == cast.ana.email
    assert received.mail_from == "pli@pli.example"
    assert received.message["Subject"] == "Mot de passe oublié"
    assert received.raw.isascii()
    assert received.message.get_content().strip() == "Voilà."


def test_mail_to_a_member_fails_loudly_when_it_is_refused(cast: Cast, settings, tmp_path: Path) -> None:
    with SmtpServer(tmp_path) as server:
        settings.SMTP_URL = server.url
        server.behave(refuse={cast.ana.email: "550 No such user"})
        with pytest.raises(SmtpTroubleError, match="No such user"):
            MemberMailBackend().send_messages([DjangoMessage("a", "b", "pli@pli.example", [cast.ana.email])])
