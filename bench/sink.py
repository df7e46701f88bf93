"""An SMTP server that takes everything, for benches and torture: python -m bench.sink [--port PORT] [--keep FILE]

It writes its port to standard output. With ``--keep`` the first messages are kept, one after the other with their sizes
before them, for a control that sends the same. With ``--log`` each message is written down before the server says that
it has it: the moment, and the reference from its Message-ID; ``--speed`` is a file with the seconds that a message
takes then. The process needs neither Django nor the project, and may be killed at will.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

GREETING = b"220 sink ESMTP\r\n"
OFFERS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
TAKEN = b"250 taken\r\n"
END = b"\r\n.\r\n"
REFERENCE = re.compile(rb"^Message-ID:\s*<([0-9a-f]{32})@", re.MULTILINE | re.IGNORECASE)

# What becomes of a message; says how many seconds that takes.
type Take = Callable[[bytes], float]


class Sink(asyncio.Protocol):
    """One conversation. What arrives together is answered together, as RFC 2920 wants it."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._buffer = bytearray()
        self._in_data = self._is_busy = False
        # How much of a message was searched for its end.
        self._searched = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        answers = []
        while not self._is_busy and (answer := self._next()) is not None:
            answers.append(answer)
        if answers:
            self._transport.write(b"".join(answers))
        if answers and answers[-1].startswith(b"221"):
            self._transport.close()

    def _next(self) -> bytes | None:
        """The answer to the next command or message, None while it is not whole or takes its time."""
        if self._in_data:
            return self._end_of_data()
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

    def _end_of_data(self) -> bytes | None:
        at = self._buffer.find(END, max(0, self._searched - len(END)))
        if at < 0:
            self._searched = len(self._buffer)
            return None
        seconds = self._take(bytes(self._buffer[:at]))
        del self._buffer[: at + len(END)]
        self._in_data, self._searched = False, 0
        if not seconds:
            return TAKEN
        self._is_busy = True
        asyncio.get_running_loop().call_later(seconds, self._say_taken)
        return None

    def _say_taken(self) -> None:
        self._is_busy = False
        self._transport.write(TAKEN)
        self._go_on()


def forget(message: bytes) -> float:
    return 0.0


def keeping(file: Path, most: int) -> Take:
    """Keeps the first messages of all conversations."""
    kept = 0

    def keep(message: bytes) -> float:
        nonlocal kept
        if kept < most:
            kept += 1
            with file.open("ab") as opened:
                opened.write(b"%d\n" % len(message) + message)
        return 0.0

    return keep


def writing_down(log: Path, speed: Path) -> Take:
    """Notes which message came, and when."""
    opened = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write_down(message: bytes) -> float:
        found = REFERENCE.search(message)
        assert found is not None, "a message without a reference of ours"
        # One call: whoever kills this process leaves whole lines, and the system keeps them.
        os.write(opened, f"{time.time():.6f} {found[1].decode()}\n".encode())
        return float(speed.read_text())

    return write_down


async def serve(take: Take, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(take), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--most", type=int, default=500)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--speed", type=Path)
    options = parser.parse_args()
    take: Take = forget
    if options.log is not None:
        take = writing_down(options.log, options.speed)
    elif options.keep is not None:
        take = keeping(options.keep, options.most)
    asyncio.run(serve(take, options.port))


if __name__ == "__main__":
    main()
