"""A way to the database, or to any server, that a test can shut and open again."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """Passes bytes on to the host of a URL. While it is shut, connections are cut and no new one is made."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        netloc = f"{self._target.netloc.rpartition('@')[0]}@{host}:{port}"
        self.url = urlunsplit(self._target._replace(netloc=netloc))
        self._open = threading.Event()
        self._open.set()
        threading.Thread(target=self._serve, daemon=True).start()

    def shut(self) -> None:
        self._open.clear()

    def reopen(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.shut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _peer = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set():
                near.close()
                continue
            far = socket.create_connection((self._target.hostname, self._target.port))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """The other direction has the same two, and may close them at any moment."""
        data = b"-"
        # ValueError: closed between two steps.
        with suppress(OSError, ValueError):
            while self._open.is_set() and data:
                if select.select([source], [], [], 0.1)[0]:
                    data = source.recv(65536)
                    target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                # Whoever writes to it right now does not wait any more.
                end.shutdown(socket.SHUT_RDWR)
            end.close()
