"""Numbers of the process, for this machine only."""

from __future__ import annotations

import pytest
from django.test import Client


def test_this_machine_reads_the_metrics(client: Client) -> None:
    answer = client.get("/metrics", REMOTE_ADDR="::1")
    assert answer.status_code == 200
    assert b"pli_hit_answers_total" in answer.content


@pytest.mark.parametrize("address", ["192.0.2.7", "", "localhost"])
def test_nobody_else_does(client: Client, address: str) -> None:
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 404


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "via"])
def test_nor_somebody_behind_a_proxy_on_this_machine(client: Client, header: str) -> None:
    assert client.get("/metrics", headers={header: "192.0.2.7"}).status_code == 404
