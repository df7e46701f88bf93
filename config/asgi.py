"""What granian runs: looks at the host, opens and drains the recorder, and gives each request to whom it belongs.

Nothing here writes a path, an address or a header to a log.
"""

from __future__ import annotations

import gc
import os
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler

from config.hosts import KnownHosts
from tracking.asgi import Answer, HitApplication, Receive, Scope, Send
from tracking.doors import tracking_domains
from tracking.recorder import Recorder
from tracking.rules import CLICK_PREFIX, PIXEL_PREFIX

HIT_PREFIXES = (PIXEL_PREFIX, CLICK_PREFIX)
HEALTHY = Answer(200, [(b"content-type", b"application/json")], b'{"status": "ok"}')
YES, NO = Answer(200, []), Answer(404, [])
UNKNOWN_HOST = Answer(400, [(b"content-type", b"text/plain; charset=utf-8")], b"This host is not served here.\n")


class Application:
    def __init__(self, django: ASGIHandler, recorder: Recorder, hosts: KnownHosts) -> None:
        self._django = django
        self._recorder = recorder
        self._hits = HitApplication(recorder)
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._application_for(scope)(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close"})

    def _application_for(self, scope: Scope) -> Any:
        path = scope["path"]
        if path.startswith(HIT_PREFIXES):
            return self._hits if self._hosts.serves_hits(_host(scope)) else UNKNOWN_HOST
        if path == "/healthz":
            # For whoever asks, by whatever name: a probe knows this process by its address.
            return HEALTHY
        if path == "/tls/ask":
            # Caddy asks this before it gets a certificate on demand, by the name that it knows us by.
            domain = parse_qs(scope["query_string"].decode("latin-1")).get("domain", [""])[0]
            return YES if self._hosts.may_have_certificate(domain) else NO
        return self._django if self._hosts.serves(_host(scope)) else UNKNOWN_HOST

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._hosts.start()
                # What was imported lives as long as the process: no need to look through it again and again.
                gc.freeze()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._hosts.stop()
                # Last: whatever was answered until now may have left a hit.
                await self._recorder.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _host(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"host":
            return value
    return b""


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()
application = Application(
    django_application,
    Recorder(settings.RECORDER_DATABASE_URL),
    KnownHosts(settings.ALLOWED_HOSTS, tracking_domains),
)
