"""A door in front of the database that a test opens and shuts, as a network would."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class AsyncGate:
    """Forwards connections to the database of ``url`` while it is open; ``swallow_replies`` loses what comes back."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0
        self.swallow_replies = False

    @property
    def url(self) -> str:
        host = f"{self._target.username}:{self._target.password}@127.0.0.1:{self._port}"
        return urlunsplit(self._target._replace(netloc=host))

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Nobody gets in, and whoever was in is cut off."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers |= {writer, inner_writer}
        for source, target, is_reply in ((reader, inner_writer, False), (inner_reader, writer, True)):
            task = asyncio.create_task(self._pass_on(source, target, is_reply=is_reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_reply: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not (is_reply and self.swallow_replies):
                    target.write(data)
                    await target.drain()
        target.transport.abort()
        self._writers.discard(target)
