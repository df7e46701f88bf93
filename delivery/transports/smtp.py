"""A conversation with an SMTP server over a connection that is kept, pipelined where the server takes it (RFC 2920).

What a server says about one recipient, about the sender and about the connection are told apart, since each asks for
something else to be done.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from common.mail import MailTroubleError
from common.safe_http import open_socket
from delivery.transports.accounts import Security, SmtpAccount

CONNECT_SECONDS = 20.0
# How long a server may think about one message. The lease of a message that is being sent must last longer.
REPLY_SECONDS = 120.0
MESSAGES_PER_CONNECTION = 1000
LONGEST_LINE = 8192
MOST_LINES = 100


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one recipient, as it goes over the wire but for the dots."""

    id: int
    sender: str
    recipient: str
    data: bytes
    # Ours, for a sending service to report with; in the envelope of SMTP it stands in the sender.
    reference: str = ""


class Result(StrEnum):
    ACCEPTED = "accepted"
    # The server will never take this message for this recipient.
    REFUSED = "refused"
    # Try this message again later.
    DEFERRED = "deferred"
    # All bytes may have arrived, and no answer came: it may have been sent.
    UNCERTAIN = "uncertain"
    # No byte of the message itself has left.
    UNTOUCHED = "untouched"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message, with the server's words."""

    id: int
    result: Result
    words: str = ""
    # What the sending service calls the message.
    provider_id: str = ""


class SmtpTroubleError(MailTroubleError):
    """The connection is of no use. ``lasting``: it will not get better until somebody changes a setting."""

    def __init__(self, words: str, *, lasting: bool = False) -> None:
        super().__init__(words)
        self.words = words
        self.lasting = lasting


def our_name() -> str:
    """How we introduce ourselves. Never asked of the name server: that can take seconds."""
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    return f"[{host}]" if host.replace(".", "").isdigit() else host


class SmtpConnection:
    """A conversation with one server; smtplib greets, encrypts and signs in, the rest is ours."""

    def __init__(self, account: SmtpAccount) -> None:
        self._account = account
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0
        self._pipelines = self._takes_size = self._takes_8bit = self._takes_chunks = self._takes_utf8 = False
        # From the moment that the server took the sender until its verdict on the envelope.
        self._in_envelope = False
        # From the moment that a message's bytes leave until the server's verdict on them.
        self._in_data = False
        # A RSET has been written whose answer comes before anything else.
        self._resetting = False

    def open(self) -> None:
        """Connect if we are not; raises SmtpTroubleError."""
        if self._smtp is not None and self._sent < MESSAGES_PER_CONNECTION:
            return
        self.close()
        try:
            self._smtp = self._connect()
        except smtplib.SMTPResponseException as error:
            raise SmtpTroubleError(
                f"{error.smtp_code} {_words(error.smtp_error)}", lasting=_is_lasting(error)
            ) from error
        except (smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            raise SmtpTroubleError(_tls_words(self._account, error), lasting=_is_misconfigured(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise SmtpTroubleError(str(error) or type(error).__name__) from error
        self._sent = 0
        self._resetting = False
        self._pipelines, self._takes_size, self._takes_8bit, self._takes_chunks, self._takes_utf8 = (
            self._smtp.has_extn(name) for name in ("pipelining", "size", "8bitmime", "chunking", "smtputf8")
        )

    @property
    def offers(self) -> tuple[str, ...]:
        """What the server says that it can do, once it is open."""
        return tuple(sorted(name.upper() for name in self._connected.esmtp_features))

    def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        try:
            smtp.quit()
        except (OSError, smtplib.SMTPException):
            smtp.close()

    def send(self, group: Sequence[Outgoing]) -> tuple[list[Outcome], SmtpTroubleError | None]:
        """The outcome of every message of the group, and what is wrong with the connection if something is."""
        outcomes: list[Outcome] = []
        trouble = None
        self._in_envelope = self._in_data = False
        try:
            self.open()
            self._announce(b"", group[0])
            for position, message in enumerate(group):
                following = group[position + 1] if position + 1 < len(group) else None
                outcomes.append(self._transact(message, following))
        except SmtpTroubleError as error:
            trouble = error
        except (OSError, smtplib.SMTPException) as error:
            trouble = SmtpTroubleError(str(error) or type(error).__name__)
        if trouble is not None:
            self._drop()
            outcomes += self._after_loss(group[len(outcomes) :], trouble.words)
        self._sent += len(outcomes)
        return outcomes, trouble

    def _connect(self) -> smtplib.SMTP:
        account = self._account
        options: dict[str, Any] = {"local_hostname": our_name(), "timeout": CONNECT_SECONDS}
        if account.security is Security.IMPLICIT_TLS:
            tls = _JudgedSmtpTls if account.is_judged else smtplib.SMTP_SSL
            smtp: smtplib.SMTP = tls(account.host, account.port, context=ssl.create_default_context(), **options)
        else:
            plain = _JudgedSmtp if account.is_judged else smtplib.SMTP
            smtp = plain(account.host, account.port, **options)
        try:
            if account.security is Security.STARTTLS:
                smtp.starttls(context=ssl.create_default_context())
            smtp.ehlo_or_helo_if_needed()
            if account.username:
                smtp.login(account.username, account.password)
        except (OSError, smtplib.SMTPException):
            smtp.close()
            raise
        sock = _socket_of(smtp)
        # A message and the next envelope are several small segments at the end: none of them may wait for the other.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(REPLY_SECONDS)
        return smtp

    def _transact(self, message: Outgoing, following: Outgoing | None) -> Outcome:
        if not self._can_say(message):
            # Nothing was said of it to the server, which still waits for the next envelope.
            self._announce(b"", following)
            return Outcome(
                message.id, Result.REFUSED, "the mail server takes no addresses with such letters (SMTPUTF8)"
            )
        refusal = self._envelope_refusal(message)
        if refusal is not None:
            # The server may hold half an envelope: it must forget it before the next one.
            self._announce(b"RSET\r\n", following)
            self._resetting = True
            return refusal
        self._in_data = True
        self._announce(self._payload(message.data), following)
        code, words = self._reply()
        self._in_data = False
        return _judge(message, code, words)

    def _payload(self, data: bytes) -> bytes:
        """The message as one chunk (RFC 3030) where the server takes it, else with its dots doubled."""
        return b"BDAT %d LAST\r\n%b" % (len(data), data) if self._takes_chunks else _dotted(data)

    def _announce(self, first: bytes, following: Outgoing | None) -> None:
        """Write what is due, and with it the next envelope, so that one round trip serves both."""
        piped = b""
        if following is not None and self._pipelines and self._can_say(following):
            piped = b"".join(self._envelope(following))
        if first or piped:
            _socket_of(self._connected).sendall(first + piped)

    def _envelope_refusal(self, message: Outgoing) -> Outcome | None:
        """None when the server waits for the message."""
        if self._resetting:
            # Read only here: a server that hangs up after a refusal has said what matters.
            self._resetting = False
            self._reply()
        answers: list[tuple[int, bytes]] = []
        for command in self._envelope(message):
            if not self._pipelines:
                _socket_of(self._connected).sendall(command)
            answers.append(self._reply())
            if answers[-1][0] == 421:
                raise SmtpTroubleError(_said(*answers[-1]))
            self._in_envelope = True
            if answers[-1][0] >= 400 and not self._pipelines:
                break
        self._in_envelope = False
        bad = next(((code, words) for code, words in answers if code >= 400), None)
        if bad is None:
            return None
        if len(answers) == 3 and answers[2][0] == 354:
            # It refused the recipient and waits for a message all the same (RFC 2920, 3.1): send it none.
            _socket_of(self._connected).sendall(b".\r\n")
            self._reply()
        if answers[0][0] >= 500:
            # Not this recipient but we are refused: every other message would fare the same.
            raise SmtpTroubleError(_said(*answers[0]), lasting=True)
        return _judge(message, *bad)

    def _can_say(self, message: Outgoing) -> bool:
        """Whether the server knows the letters of the addresses (RFC 6531)."""
        return self._takes_utf8 or (message.recipient + message.sender).isascii()

    def _envelope(self, message: Outgoing) -> tuple[bytes, ...]:
        options = b" SIZE=%d" % len(message.data) if self._takes_size else b""
        if self._takes_8bit and not message.data.isascii():
            options += b" BODY=8BITMIME"
        if not (message.recipient + message.sender).isascii():
            options += b" SMTPUTF8"
        mail = b"MAIL FROM:<%s>%s\r\n" % (message.sender.encode(), options)
        recipient = b"RCPT TO:<%s>\r\n" % message.recipient.encode()
        # A chunk follows the envelope at once; it needs no leave.
        return (mail, recipient) if self._takes_chunks else (mail, recipient, b"DATA\r\n")

    @property
    def _connected(self) -> smtplib.SMTP:
        if self._smtp is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        return self._smtp

    def _reply(self) -> tuple[int, bytes]:
        """Code and words of the next answer; smtplib's ``getreply`` would be a third of the work for a message."""
        file = self._connected.file
        if file is None:
            raise smtplib.SMTPServerDisconnected("connection lost")
        lines = [file.readline(LONGEST_LINE)]
        while lines[-1][3:4] == b"-" and len(lines) <= MOST_LINES:
            lines.append(file.readline(LONGEST_LINE))
        last = lines[-1]
        if not last.endswith(b"\n") or not last[:3].isdigit() or len(lines) > MOST_LINES:
            raise smtplib.SMTPServerDisconnected("connection lost" if not last else "unreadable answer")
        return int(last[:3]), b" ".join(line[4:] for line in lines)

    def _after_loss(self, rest: Sequence[Outgoing], words: str) -> list[Outcome]:
        outcomes = [Outcome(message.id, Result.UNTOUCHED, words) for message in rest]
        if outcomes and (self._in_data or self._in_envelope):
            # A server that always hangs up at the same recipient must not see that one first every time.
            result = Result.UNCERTAIN if self._in_data else Result.DEFERRED
            outcomes[0] = Outcome(rest[0].id, result, words)
        return outcomes

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


class _JudgedSmtp(smtplib.SMTP):
    """A connection to an address that was judged; the name stays what the certificate is compared with."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return open_socket(host, port, timeout=timeout)


class _JudgedSmtpTls(smtplib.SMTP_SSL):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = open_socket(host, port, timeout=timeout)
        try:
            return self.context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise


def _socket_of(smtp: smtplib.SMTP) -> socket.socket:
    if smtp.sock is None:
        raise smtplib.SMTPServerDisconnected("connection lost")
    return smtp.sock


def _words(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return re.sub(r"\s+", " ", text).strip()[:400]


def _said(code: int, words: bytes) -> str:
    return f"{code} {_words(words)}"


def _tls_words(account: SmtpAccount, error: Exception) -> str:
    """What is wrong with the encryption, in words that name the server."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {account.host} is not to be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no encrypted connection to {account.host}: {error.reason or error}"
    return str(error)


def _is_misconfigured(error: Exception) -> bool:
    """A certificate does not get better by waiting, nor does a port that speaks no TLS."""
    return not isinstance(error, ssl.SSLError) or (
        isinstance(error, ssl.SSLCertVerificationError)
        or error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
    )


def _is_lasting(error: smtplib.SMTPResponseException) -> bool:
    return isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500


def _dotted(data: bytes) -> bytes:
    """The message with its leading dots doubled (RFC 5321, 4.5.2), and the dot that ends it."""
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    start = b"." if stuffed.startswith(b".") else b""
    end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
    return start + stuffed + end


def _judge(message: Outgoing, code: int, words: bytes) -> Outcome:
    if code < 400:
        return Outcome(message.id, Result.ACCEPTED)
    return Outcome(message.id, Result.REFUSED if code >= 500 else Result.DEFERRED, _said(code, words))
