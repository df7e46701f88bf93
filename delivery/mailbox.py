"""The built-in mailbox: an SMTP server on this machine that keeps what it gets for the console, and sends nothing on.

A message is answered once it stands in the database; while the database is away the answer is "later", so that the
sender keeps it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
import zlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from hmac import compare_digest
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from django import db
from django.db import close_old_connections, connections
from django.utils import timezone

from common.tenancy import call_door, tenant
from delivery.models import CaughtMessage
from delivery.transports import MAILBOX_HOST, mailbox_password

logger = logging.getLogger(__name__)

KEPT_PER_ORGANIZATION = 20_000
# How far an organization may go beyond it before the oldest are deleted.
TRIM_EVERY = 500
LARGEST_MESSAGE = 32 * 1024 * 1024
DRAIN_SECONDS = 4.0
_SUBJECT = re.compile(rb"^subject:[ \t]*((?:[^\r\n]|\r?\n[ \t])*)", re.IGNORECASE | re.MULTILINE)

TRY_LATER = "451 4.3.0 The mailbox cannot store it now, try again later"
GOING_AWAY = "421 4.3.2 The mailbox is closing"


# --- Storing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caught:
    """A message as the server got it, and whose it is."""

    username: str
    mail_from: str
    rcpt_to: str
    raw: bytes


def subject_of(raw: bytes) -> str:
    """The subject in readable form."""
    head = raw[: raw.find(b"\r\n\r\n")] if b"\r\n\r\n" in raw else raw
    found = _SUBJECT.search(head)
    if found is None:
        return ""
    text = re.sub(r"\r?\n[ \t]", " ", found[1].decode("utf-8", "replace"))
    with suppress(HeaderParseError, LookupError, UnicodeDecodeError):
        text = str(make_header(decode_header(text)))
    return text.replace("\x00", "").strip()[:500]


def _row(organization_id: int, caught: Caught) -> CaughtMessage:
    return CaughtMessage(
        organization_id=organization_id,
        received_at=timezone.now(),
        mail_from=caught.mail_from[:320],
        rcpt_to=caught.rcpt_to[:320],
        subject=subject_of(caught.raw),
        # The fastest level: the newsletter of a whole audience goes through here.
        raw=zlib.compress(caught.raw, 1),
    )


class Shelf:
    """Stores messages under their organizations, and forgets the oldest ones."""

    def __init__(self, *, keep: int = KEPT_PER_ORGANIZATION, trim_every: int = TRIM_EVERY) -> None:
        self._keep = keep
        self._trim_every = trim_every
        self._organizations: dict[str, int] = {}
        self._since_trim: dict[int, int] = defaultdict(int)

    def store(self, batch: Sequence[Caught]) -> None:
        """All of them or none; raises a database error when it cannot."""
        by_organization: dict[int, list[Caught]] = defaultdict(list)
        for caught in batch:
            organization_id = self._organization_of(caught.username)
            if organization_id is not None:
                by_organization[organization_id].append(caught)
        for organization_id, messages in by_organization.items():
            with tenant(organization_id):
                CaughtMessage.objects.bulk_create([_row(organization_id, caught) for caught in messages])
                self._trim(organization_id, len(messages))

    def _organization_of(self, username: str) -> int | None:
        if username not in self._organizations:
            rows = call_door("door_mailbox_organization", [username])
            if not rows:
                return None  # deleted since; there is nobody left to read it
            self._organizations[username] = rows[0][0]
        return self._organizations[username]

    def _trim(self, organization_id: int, added: int) -> None:
        self._since_trim[organization_id] += added
        if self._since_trim[organization_id] < self._trim_every:
            return
        self._since_trim[organization_id] = 0
        mine = CaughtMessage.objects.filter(organization_id=organization_id)
        oldest_kept = mine.order_by("-id").values_list("id", flat=True)[self._keep - 1 : self._keep]
        for first in oldest_kept:
            mine.filter(id__lt=first).delete()


class Clerk:
    """Gathers what all connections bring while the previous batch is stored, and stores that in one transaction."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._waiting: asyncio.Queue[tuple[Sequence[Caught], asyncio.Future[bool]]] = asyncio.Queue()
        # One thread, so that there is one database connection.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailbox")
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def keep(self, messages: Sequence[Caught]) -> bool:
        """Whether they stand in the database now."""
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((messages, kept))
        return await kept

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._thread.submit(connections.close_all)
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            messages = [caught for brought, _kept in batch for caught in brought]
            stored = await loop.run_in_executor(self._thread, self._store, messages)
            for _brought, kept in batch:
                if not kept.done():  # its client may have hung up
                    kept.set_result(stored)

    def _store(self, messages: Sequence[Caught]) -> bool:
        close_old_connections()
        try:
            self._shelf.store(messages)
        except db.Error as error:
            logger.warning("the mailbox cannot store: %s", type(error).__name__)
            connections.close_all()
            return False
        return True


# --- Listening --------------------------------------------------------------------------------------------------------


class MailboxProtocol(SMTP):
    """aiosmtpd's server, with a DATA that takes a message in few reads instead of line by line."""

    line_length_limit = LARGEST_MESSAGE

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd finds commands by their names
        if arg:
            await self.push("501 Syntax: DATA")
        elif self.envelope is None or not self.envelope.rcpt_tos:
            await self.push("503 Error: need RCPT command")
        else:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            self.envelope.original_content = await read_message(self._reader)
            status = await self.event_handler.handle_DATA(self, self.session, self.envelope)
            self._set_post_data_state()
            await self.push(status)


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """A message up to the line with a lone dot, without the dots that were put in for the transport."""
    data = bytearray()
    while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
        data += await reader.readuntil(b".\r\n")
    text = bytes(data[:-3]).replace(b"\r\n.", b"\r\n")
    return text[1:] if text.startswith(b".") else text


class MailboxHandler:
    """What the server does with what clients say."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk
        self.closing = False
        self.busy = 0

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds hooks by their names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        # Checked here and not by aiosmtpd, which warns of every connection that signs in without TLS; it is loopback.
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if self.closing:
            return GOING_AWAY
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        messages = [
            Caught(str(session.auth_data), envelope.mail_from or "", recipient, bytes(envelope.original_content or b""))
            for recipient in envelope.rcpt_tos
        ]
        self.busy += 1
        try:
            return "250 OK" if await self._clerk.keep(messages) else TRY_LATER
        finally:
            self.busy -= 1

    async def handle_exception(self, error: Exception) -> str:
        logger.error("the mailbox failed: %s", type(error).__name__, exc_info=error)
        return TRY_LATER


def sign_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """An organization signs in with its public id and a password that only this installation can make."""
    if not isinstance(data, LoginPassword):
        return AuthResult(success=False)
    try:
        username = uuid.UUID(data.login.decode()).hex
    except ValueError:
        return AuthResult(success=False, handled=False)
    right = compare_digest(data.password, mailbox_password(username).encode())
    return AuthResult(success=right, handled=False, auth_data=username)


async def run_mailbox(port: int, *, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Serve until ``stop``; then finish what is being stored, and take no more."""
    loop = asyncio.get_running_loop()
    clerk = Clerk(Shelf())
    handler = MailboxHandler(clerk)

    def connect() -> MailboxProtocol:
        return MailboxProtocol(
            handler,
            hostname="mailbox",
            ident="Pli mailbox",
            enable_SMTPUTF8=True,
            data_size_limit=LARGEST_MESSAGE,
            auth_require_tls=False,
            authenticator=sign_in,
            loop=loop,
        )

    server = await loop.create_server(connect, MAILBOX_HOST, port)
    if ready is not None:
        ready.set()
    await stop.wait()
    handler.closing = True
    server.close()
    deadline = loop.time() + DRAIN_SECONDS
    while handler.busy and loop.time() < deadline:
        await asyncio.sleep(0.02)
    # What clients are told last must leave before the process does.
    await asyncio.sleep(0.05)
    await clerk.close()
