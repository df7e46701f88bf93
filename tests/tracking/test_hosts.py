"""Which hosts are served what: recipients' programs come by tracking domains, which show nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import DatabaseError

from common.tenancy import tenant
from config.asgi import Application
from config.hosts import KnownHosts
from tests.support.asgi import ask
from tests.support.hits import Copies
from tests.tracking.asking import link_of, pixel_of, with_application
from tracking.doors import tracking_domains

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def test_an_unknown_host_is_refused_everywhere_but_at_the_health_check(copies: Copies) -> None:
    key = copies.copy().key

    async def use(application: Application) -> list[int]:
        targets = (pixel_of(key), link_of(key), "/", "/healthz")
        return [(await ask(application, target, host="evil.example")).status for target in targets]

    assert with_application(use) == [400, 400, 400, 200]
    assert copies.hits() == []


def test_a_tracking_domain_serves_pixels_and_redirects_and_no_console(copies: Copies) -> None:
    key = copies.copy().key

    async def use(application: Application) -> list[int]:
        targets = (pixel_of(key), link_of(key), "/console/")
        return [(await ask(application, target, host="Links.Bread.example:443")).status for target in targets]

    assert with_application(use, domains=frozenset({"links.bread.example"})) == [200, 302, 400]


def test_tracking_domains_stay_known_while_the_database_is_away() -> None:
    answers: list[Any] = [frozenset({"links.bread.example"}), DatabaseError(), frozenset()]

    def load() -> frozenset[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return frozenset(answer)

    async def three_looks() -> list[bool]:
        hosts = KnownHosts(["127.0.0.1"], load)
        found = [hosts.serves_hits(b"never-read.example")]
        for _ in range(3):
            await hosts.refresh()
            found.append(hosts.serves_hits(b"links.bread.example"))
        return found

    assert asyncio.run(three_looks()) == [True, True, True, False]


def test_the_tracking_domains_of_all_websites_are_known_by_their_door(copies: Copies) -> None:
    with tenant(copies.organization.pk):
        copies.website.tracking_domain = "Links.Bread.example"
        copies.website.save(update_fields=["tracking_domain"])
    assert tracking_domains() == {"links.bread.example"}
