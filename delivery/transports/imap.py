"""A mailbox that is read by IMAP, always over TLS: bounces come back to it, and the leak guard's messages arrive."""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from common.safe_http import open_socket

READ_SECONDS = 30.0
MOST_AT_ONCE = 500


class MailboxTroubleError(Exception):
    """The mailbox cannot be read; the message holds the server's words."""


@dataclass(frozen=True, slots=True)
class ImapAccount:
    host: str
    port: int
    username: str
    password: str

    def __repr__(self) -> str:
        return f"ImapAccount({self.host}:{self.port})"


class _JudgedImap(imaplib.IMAP4_SSL):
    """To an address that was judged (common/safe_http.py)."""

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = open_socket(self.host, self.port, timeout=timeout or READ_SECONDS)
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


def read_mailbox(account: ImapAccount, handle: Callable[[bytes], bool]) -> int:
    """Give each unread mail to ``handle``, and delete those that it knew. Returns how many those were."""
    try:
        mailbox = _JudgedImap(account.host, account.port, timeout=READ_SECONDS)
        try:
            mailbox.login(account.username, account.password)
            mailbox.select("INBOX")
            return _handle_all(mailbox, handle)
        finally:
            mailbox.logout()
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxTroubleError(_words(error)) from error


def _handle_all(mailbox: imaplib.IMAP4, handle: Callable[[bytes], bool]) -> int:
    _status, found = mailbox.uid("SEARCH", "UNSEEN")
    known = 0
    for number in found[0].split()[:MOST_AT_ONCE]:
        uid = number.decode()
        _status, parts = mailbox.uid("FETCH", uid, "(BODY[])")
        raw = next((part[1] for part in parts if isinstance(part, tuple)), None)
        if raw is not None and handle(raw):
            mailbox.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
            known += 1
    mailbox.expunge()
    return known


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not to be trusted: {error.verify_message}"
    text = error.args[0] if error.args else type(error).__name__
    return (text.decode(errors="replace") if isinstance(text, bytes) else str(text or error))[:400]
