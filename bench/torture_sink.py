"""An SMTP server that writes down each message before it says that it has it; killed at will.

    python bench/torture_sink.py LOG SPEED PORT

A line of LOG is the moment, and the message's reference from its Message-ID. SPEED is a file with the seconds that a
message takes. The process needs neither Django nor the project.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import time
from pathlib import Path

LIMIT = 16 * 1024 * 1024
REFERENCE = re.compile(rb"^Message-ID:\s*<([0-9a-f]{32})@", re.MULTILINE | re.IGNORECASE)
OFFERED = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


class Sink:
    def __init__(self, log: Path, speed: Path) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._speed = speed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the other side says goodbye, or is killed."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 Go on\r\n")
                self._write_down(await reader.readuntil(b"\r\n.\r\n"))
                await asyncio.sleep(float(self._speed.read_text()))
                writer.write(b"250 Taken\r\n")
            elif verb == b"EHLO":
                writer.write(OFFERED)
            else:
                writer.write(b"250 OK\r\n")
            if verb == b"QUIT":
                break

    def _write_down(self, data: bytes) -> None:
        found = REFERENCE.search(data)
        assert found is not None, "a message without a reference of ours"
        # One call: whoever kills this process leaves whole lines, and the system keeps them.
        os.write(self._log, f"{time.time():.6f} {found[1].decode()}\n".encode())


async def run(log: Path, speed: Path, port: int) -> None:
    server = await asyncio.start_server(Sink(log, speed).serve, "127.0.0.1", port, limit=LIMIT)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
