"""A mailbox behind IMAP over TLS, in a thread: as much of the protocol as reading and deleting takes."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from pathlib import Path


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self) -> None:
        self.say("* OK ready")
        for line in self.rfile:
            tag, _, command = line.decode().strip().partition(" ")
            word = command.upper().removeprefix("UID ").partition(" ")[0]
            if word == "LOGIN" and self.server.password not in command:
                self.say(f"{tag} NO wrong password")
                continue
            getattr(self, f"do_{word.lower()}", lambda _command: None)(command)
            self.say(f"{tag} OK done")
            if word == "LOGOUT":
                return

    def do_capability(self, command: str) -> None:
        self.say("* CAPABILITY IMAP4rev1")

    def do_select(self, command: str) -> None:
        self.say(f"* {len(self.server.mails)} EXISTS")

    def do_search(self, command: str) -> None:
        server = self.server
        new = [str(n) for n, mail in enumerate(server.mails, 1) if mail is not None and n not in server.seen]
        self.say(" ".join(["* SEARCH", *new]))

    def do_fetch(self, command: str) -> None:
        number = int(re.search(r"\d+", command)[0])
        self.server.seen.add(number)
        raw = self.server.mails[number - 1] or b""
        self.say(f"* {number} FETCH (UID {number} BODY[] {{{len(raw)}}}")
        self.wfile.write(raw)
        self.say(")")

    def do_store(self, command: str) -> None:
        assert "\\Deleted" in command
        self.server.mails[int(re.search(r"\d+", command)[0]) - 1] = None

    def do_logout(self, command: str) -> None:
        self.say("* BYE")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, certificate: tuple[Path, Path], password: str, mails: list[bytes | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.password, self.mails = password, mails
        self.seen: set[int] = set()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*certificate)

    def get_request(self):
        plain, address = super().get_request()
        return self._context.wrap_socket(plain, server_side=True), address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us hangs up."""


class ImapServer:
    """``mails``: what lies in it, in order; a deleted one is None."""

    def __init__(self, certificate: tuple[Path, Path], *, password: str) -> None:
        self.mails: list[bytes | None] = []
        self._server = _Server(certificate, password, self.mails)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> ImapServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
