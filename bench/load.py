"""The load generator for machines without wrk: python -m bench.load URL CONNECTIONS SECONDS FILE-OR-PATH

One thread asks on every connection for the next thing as soon as the last has come. It does what load.lua makes of wrk.
"""

from __future__ import annotations

import random
import selectors
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HEADERS = "\r\n".join(
    [
        " HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Thunderbird/145.0",
        "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        "Accept-Language: fr,en;q=0.5",
        "Accept-Encoding: gzip, deflate",
        "\r\n",
    ]
).encode()


@dataclass
class Client:
    """One connection and the answer that it waits for."""

    socket: socket.socket
    sent_at: float = 0.0
    received: bytes = b""

    def ask(self, request: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def answer(self) -> bytes | None:
        """The head of the answer, once all of it has come."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head if len(body) >= length else None


def requests_of(what: str) -> Callable[[], bytes]:
    if not Path(what).is_file():
        constant = b"GET " + what.encode() + HEADERS
        return lambda: constant
    keys = Path(what).read_bytes().split()
    return lambda: b"GET /o/" + random.choice(keys) + HEADERS


def run(base: str, connections: int, seconds: float, what: str) -> tuple[list[float], float, int]:
    """How long each answer took, how long all of it took, and how many were no good."""
    address = urlsplit(base)
    next_request = requests_of(what)
    waiting = selectors.DefaultSelector()
    for _ in range(connections):
        client = Client(socket.create_connection((address.hostname, address.port)))
        waiting.register(client.socket, selectors.EVENT_READ, client)
        client.ask(next_request())
    took: list[float] = []
    errors, began = 0, time.perf_counter()
    end = began + seconds
    # To the last answer: what was asked is also counted.
    while waiting.get_map():
        for key, _ in waiting.select():
            client = key.data
            if (head := client.answer()) is None:
                continue
            now = time.perf_counter()
            took.append(now - client.sent_at)
            errors += not head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3"))
            if now < end:
                client.ask(next_request())
            else:
                waiting.unregister(client.socket)
                client.socket.close()
    return took, time.perf_counter() - began, errors


def main() -> None:
    base, connections, seconds, what = sys.argv[1:]
    took, lasted, errors = run(base, int(connections), float(seconds), what)
    p99 = sorted(took)[int(len(took) * 0.99)]
    print(f"load answers={len(took)} microseconds={lasted * 1e6:.0f} p99_microseconds={p99 * 1e6:.0f} errors={errors}")


if __name__ == "__main__":
    main()
