"""An SMTP server that takes everything and keeps nothing, for benches: python -m bench.sink [--keep FILE].

It writes its port to standard output. With ``--keep`` the first messages are kept, one after the other with their sizes
before them, for a control that sends the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

GREETING = b"220 sink ESMTP\r\n"
OFFERS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One conversation. What arrives together is answered together, as RFC 2920 wants it."""

    def __init__(self, keep: Path | None, most: int) -> None:
        self._keep, self._most, self._kept = keep, most, 0
        self._buffer = bytearray()
        self._in_data = False
        # How much of a message was searched for its end.
        self._searched = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(GREETING)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answers = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        if answers:
            self._transport.write(b"".join(answers))  # type: ignore[attr-defined]
        if answers and answers[-1].startswith(b"221"):
            self._transport.close()

    def _next(self) -> bytes | None:
        """The answer to the next command or message, None while it is not whole."""
        if self._in_data:
            at = self._buffer.find(END, max(0, self._searched - len(END)))
            if at < 0:
                self._searched = len(self._buffer)
                return None
            self._take(bytes(self._buffer[:at]))
            del self._buffer[: at + len(END)]
            self._in_data, self._searched = False, 0
            return b"250 taken\r\n"
        at = self._buffer.find(b"\r\n")
        if at < 0:
            return None
        verb = bytes(self._buffer[:4]).upper()
        del self._buffer[: at + 2]
        if verb == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        if verb == b"EHLO":
            return OFFERS
        return b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n"

    def _take(self, message: bytes) -> None:
        if self._keep is not None and self._kept < self._most:
            self._kept += 1
            with self._keep.open("ab") as file:
                file.write(b"%d\n" % len(message) + message)


async def serve(keep: Path | None, most: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(keep, most), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--most", type=int, default=500)
    options = parser.parse_args()
    sys.exit(asyncio.run(serve(options.keep, options.most)))
