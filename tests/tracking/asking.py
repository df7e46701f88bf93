"""Asking the web application as recipients' programs do, and the addresses they ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings

from common.keys import encode_key, link_secrets, new_key, sign_link
from config.asgi import Application, django_application
from config.hosts import KnownHosts
from tests.support.asgi import Response, ask
from tests.support.ports import free_port
from tracking.recorder import Recorder

SHOP = "https://shop.example/bread?size=L&fresh=yes#order"
READER = {
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Thunderbird/145.0",
    "accept_language": "fr",
}


def pixel_of(key: UUID) -> str:
    return f"/o/{encode_key(key)}"


def link_of(key: UUID, destination: str = SHOP, number: int = 3, to: str = "") -> str:
    signature = sign_link(key, number, destination, secrets=link_secrets())
    return f"/c/{encode_key(key)}/{number}/{signature}?to={to or quote(destination, safe='')}"


def nowhere() -> str:
    return f"postgres://pli_recorder:x@127.0.0.1:{free_port()}/pli"


def with_application(
    use: Callable[[Application], Coroutine[Any, Any, Any]], *, url: str = "", domains: frozenset[str] = frozenset()
) -> Any:
    """Run ``use`` with an application of its own, which is closed in order afterwards."""

    async def run() -> Any:
        recorder = Recorder(url or settings.RECORDER_DATABASE_URL)
        hosts = KnownHosts(["127.0.0.1", "testserver"], lambda: domains)
        await hosts.refresh()
        try:
            return await use(Application(django_application, recorder, hosts))
        finally:
            await recorder.close(seconds=10 if not url else 0.1)

    return asyncio.run(run())


def get(*targets: str, method: str = "GET", url: str = "", **headers: str) -> list[Response]:
    async def use(application: Application) -> list[Response]:
        return [await ask(application, target, method=method, **{**READER, **headers}) for target in targets]

    found: list[Response] = with_application(use, url=url)
    return found


def edited(key: UUID) -> list[str]:
    """Links to another destination, which nobody signed."""
    signature = sign_link(key, 3, SHOP, secrets=link_secrets())
    other_key = encode_key(new_key())
    there = quote("https://evil.example/<script>", safe="")
    return [
        f"/c/{encode_key(key)}/3/{signature}?to={there}",
        f"/c/{encode_key(key)}/4/{signature}?to={there}",
        f"/c/{other_key}/3/{signature}?to={there}",
        f"/c/{encode_key(key)}/3/{'A' * 16}?to={there}",
        f"/c/{encode_key(key)}/03/{signature}?to={there}",
        f"/c/{encode_key(key)}/3/{signature}/more?to={there}",
        f"/c/?to={there}",
    ]
