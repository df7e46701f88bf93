"""Ports for servers that are to be started."""

from __future__ import annotations

import random
import socket

# Below those that the kernel hands out by itself: whoever asks it for any port is not given one of these meanwhile.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """One that nobody uses, in an order of its own: a ``random`` that is seeded would name the same to everybody."""
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
