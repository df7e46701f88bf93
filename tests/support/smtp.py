"""A real SMTP server in a process of its own, whose messages tests read and whose moods they choose.

    with SmtpServer(tmp_path) as server:
        server.behave(refuse={"max@bakery.example": "550 No such user"})
        ...
        messages = server.messages()

What it accepts stands in a file before the client is told, so that nothing it confirmed is lost when it is killed.
The process runs this file; it needs neither Django nor the project.
"""

from __future__ import annotations

import asyncio
import email
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import IO, Any

LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Received:
    """One message for one recipient."""

    mail_from: str
    rcpt_to: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, kind: str) -> str:
        """The text of the part ``plain`` or ``html``."""
        body = self.message.get_body((kind,))
        assert body is not None, f"no {kind} part"
        return str(body.get_content())

    @property
    def html(self) -> str:
        return self.part("html")

    @property
    def text(self) -> str:
        return self.part("plain")


class SmtpServer:
    """Starts the server, tells it how to behave, reads what it got."""

    def __init__(
        self,
        folder: Path,
        *,
        pipelining: bool = True,
        auth: tuple[str, str] | None = None,
        tls: str = "",
        certificate: tuple[Path, Path] | None = None,
        chunking: bool = False,
        utf8: bool = True,
    ) -> None:
        """``tls``: "starttls" or "implicit", with the files of ``certificate`` (chain, key)."""
        self._folder = folder
        self._options = {
            "pipelining": pipelining,
            "auth": auth,
            "tls": tls,
            "certificate": [str(path) for path in certificate or ()],
            "chunking": chunking,
            "utf8": utf8,
        }
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> SmtpServer:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.behave()
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill(signal.SIGTERM)

    @property
    def url(self) -> str:
        login = ":".join(self._options["auth"] or ())
        return f"smtp://{login}{'@' if login else ''}127.0.0.1:{self.port}"

    def start(self) -> None:
        """Also after ``kill``: on the same port, with what it had accepted."""
        command = [sys.executable, __file__, str(self._folder), str(self.port), json.dumps(self._options)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def behave(self, **moods: Any) -> None:
        """From the next command on. Each mood is told in ``_Server``; without any the server accepts everything."""
        fresh = self._folder / "moods.new"
        fresh.write_text(json.dumps(moods))
        fresh.replace(self._folder / "moods.json")

    def messages(self) -> list[Received]:
        """All that it accepted so far, in order."""
        path = self._folder / "messages"
        return list(_read(path.read_bytes())) if path.exists() else []

    def recipients(self) -> list[str]:
        return [received.rcpt_to for received in self.messages()]

    def chunks(self) -> int:
        """How many messages came as chunks (BDAT)."""
        path = self._folder / "chunks"
        return path.stat().st_size if path.exists() else 0

    def connections(self) -> int:
        """How many times somebody connected."""
        path = self._folder / "connections"
        return path.stat().st_size if path.exists() else 0


def _read(stored: bytes) -> Iterator[Received]:
    """Each message stands behind a line with its envelope and its length; the last one may be half written."""
    position = 0
    while (end := stored.find(b"\n", position)) != -1:
        mail_from, rcpt_to, size = json.loads(stored[position:end])
        position = end + 1 + size
        if position <= len(stored):
            yield Received(mail_from, rcpt_to, stored[end + 1 : position])


# --- The process ------------------------------------------------------------------------------------------------------


class _Server:
    """The handler of aiosmtpd. Moods, each optional:

    refuse_sender      words, in answer to MAIL
    refuse             {recipient: words}, in answer to RCPT
    refuse_data        {recipient: words}, in answer to the message
    hang_up_at_rcpt    recipients at whom the connection is cut
    hang_up_after      recipients whose message is taken, stored, and never answered
    hang_up_unstored   recipients whose message is read, thrown away, and never answered
    hang               recipients whose message is read and stored; then nothing is said any more
    close_after        how many messages a connection may bring before 421
    seconds_per_message
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self._folder = folder
        self._options = options
        self._messages: IO[bytes] = (folder / "messages").open("ab")
        self._moods_path = str(folder / "moods.json")
        self._read = 0
        self._moods: dict[str, Any] = {}

    def mood(self, name: str) -> Any:
        changed = os.stat(self._moods_path).st_mtime_ns  # noqa: PTH116 - asked for every command
        if changed != self._read:
            self._read = changed
            self._moods = json.loads(Path(self._moods_path).read_text())
        return self._moods.get(name)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        session.host_name = hostname
        session.brought = 0
        with (self._folder / "connections").open("a") as file:
            file.write(".")
        offered = ["250-PIPELINING"] if self._options["pipelining"] else []
        offered += ["250-CHUNKING"] if self._options["chunking"] else []
        return [responses[0], *offered, *responses[1:]]

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if self._options["auth"] and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if words := self.mood("refuse_sender"):
            return words
        if (limit := self.mood("close_after")) and session.brought >= limit:
            await server.push("421 4.7.0 Too many messages in this session")
            server.transport.close()
            await asyncio.Event().wait()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in (self.mood("hang_up_at_rcpt") or ()):
            server.transport.abort()
            await asyncio.Event().wait()
        words = (self.mood("refuse") or {}).get(address)
        if words is None:
            envelope.rcpt_tos.append(address)
        return words or "250 OK"

    async def take(self, server, session, envelope, raw: bytes) -> str:
        recipient = envelope.rcpt_tos[0]
        if seconds := self.mood("seconds_per_message"):
            await asyncio.sleep(seconds)
        if words := (self.mood("refuse_data") or {}).get(recipient):
            return words
        if recipient not in (self.mood("hang_up_unstored") or ()):
            for rcpt_to in envelope.rcpt_tos:
                head = json.dumps([envelope.mail_from, rcpt_to, len(raw)]).encode() + b"\n"
                self._messages.write(head + raw)
            self._messages.flush()
        if recipient in (self.mood("hang") or ()):
            await asyncio.Event().wait()
        if recipient in (*(self.mood("hang_up_after") or ()), *(self.mood("hang_up_unstored") or ())):
            server.transport.abort()
            await asyncio.Event().wait()
        session.brought += 1
        return "250 Taken"


def _protocol(folder: Path, handler: _Server) -> type:
    from aiosmtpd.smtp import SMTP

    class Protocol(SMTP):
        line_length_limit = LIMIT

        async def smtp_DATA(self, arg):  # noqa: N802
            # aiosmtpd reads line by line, which would make the sink the slowest part of a test.
            if not self.envelope.rcpt_tos:
                await self.push("503 Error: need RCPT command")
                return
            await self.push("354 Go on")
            data = b""
            while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
                data += await self._reader.readuntil(b".\r\n")
            text = data[:-3].replace(b"\r\n.", b"\r\n")
            words = await handler.take(self, self.session, self.envelope, text.removeprefix(b"."))
            self._set_post_data_state()
            await self.push(words)

        async def smtp_BDAT(self, arg):  # noqa: N802
            size, _, last = arg.partition(" ")
            data = await self._reader.readexactly(int(size))
            if not self.envelope.rcpt_tos or last != "LAST":
                await self.push("503 Error: need RCPT command")
                return
            with (folder / "chunks").open("a") as file:
                file.write(".")
            words = await handler.take(self, self.session, self.envelope, data)
            self._set_post_data_state()
            await self.push(words)

    return Protocol


def _certificate(options: dict[str, Any]) -> ssl.SSLContext | None:
    if not options["tls"]:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*options["certificate"])
    return context


async def _serve(folder: Path, port: int, options: dict[str, Any]) -> None:
    from aiosmtpd.smtp import AuthResult

    def sign_in(server, session, envelope, mechanism, data) -> AuthResult:
        right = [data.login.decode(), data.password.decode()] == options["auth"]
        return AuthResult(success=right, handled=False)

    handler, context, loop = _Server(folder, options), _certificate(options), asyncio.get_running_loop()
    protocol, starts = _protocol(folder, handler), options["tls"] == "starttls"
    server = await loop.create_server(
        lambda: protocol(
            handler,
            hostname="sink",
            enable_SMTPUTF8=options["utf8"],
            auth_require_tls=starts,
            authenticator=sign_in,
            tls_context=context if starts else None,
            require_starttls=starts,
            loop=loop,
        ),
        "127.0.0.1",
        port,
        ssl=context if options["tls"] == "implicit" else None,
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])))
