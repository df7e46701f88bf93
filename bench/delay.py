"""A proxy that makes a round trip take longer: python -m bench.delay TO_PORT MILLISECONDS.

Every piece waits half of the time in each direction, without holding up the pieces after it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys


class _Way(asyncio.Protocol):
    """Passes on what it receives, later."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.other: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._pass_on, data)

    def connection_lost(self, error: Exception | None) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._close_other)

    def lead_to(self, other: asyncio.Transport) -> None:
        self.other = other
        for data in self._early:
            other.write(data)

    def _pass_on(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            self.other.write(data)

    def _close_other(self) -> None:
        if self.other is not None:
            self.other.close()


class _Client(_Way):
    def __init__(self, seconds: float, to_port: int) -> None:
        super().__init__(seconds)
        self._to_port = to_port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.ensure_future(self._connect(self.transport))

    async def _connect(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        back = _Way(self._seconds)
        back.lead_to(transport)
        onward, _way = await loop.create_connection(lambda: back, "127.0.0.1", self._to_port)
        self.lead_to(onward)


async def serve(to_port: int, milliseconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(milliseconds / 2000, to_port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]))))
