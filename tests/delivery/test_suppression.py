"""Console > Suppressed addresses: seen and added by those who may, removed with care."""

from __future__ import annotations

import pytest
from django.test import Client

from common.tenancy import tenant
from delivery.models import Suppression
from delivery.services import suppress
from tests.support.cast import Cast

LIST = "/console/delivery/suppression/"


@pytest.fixture
def row(cast: Cast, now) -> Suppression:
    suppress(cast.bakery, "lea@example.org", reason="complained", source="test", now=now)
    with tenant(cast.bakery.pk):
        return Suppression.objects.get()


def rows(cast: Cast) -> list[tuple[str, str]]:
    with tenant(cast.bakery.pk):
        return list(Suppression.objects.order_by("id").values_list("email_norm", "reason"))


def test_an_address_is_found_however_it_is_written_but_only_whole(client: Client, cast: Cast, row: Suppression) -> None:
    client.force_login(cast.max)
    assert "lea@example.org" in client.get(LIST, {"q": " Lea@Example.ORG "}).content.decode()
    assert "lea@example.org" not in client.get(LIST, {"q": "lea"}).content.decode()


def test_a_member_adds_an_address_once(client: Client, cast: Cast) -> None:
    client.force_login(cast.max)
    for _time in range(2):
        answer = client.post(LIST + "add/", {"email": " Max@BÜCHER.example ", "reason": "unsubscribed"})
        assert answer.status_code == 302
    assert rows(cast) == [("max@xn--bcher-kva.example", "unsubscribed")]


def test_something_that_is_no_address_is_refused(client: Client, cast: Cast) -> None:
    client.force_login(cast.max)
    answer = client.post(LIST + "add/", {"email": "a@b\r\nBcc: c@d.example", "reason": "bounced"})
    assert answer.status_code == 200
    assert rows(cast) == []


@pytest.mark.parametrize(("who", "status"), [("ana", 302), ("dana", 302), ("max", 403), ("ben", 403), ("cleo", 404)])
def test_owner_and_dpo_remove_an_address_after_a_warning(
    client: Client, cast: Cast, row: Suppression, who: str, status: int
) -> None:
    client.force_login(getattr(cast, who))
    address = f"{LIST}{row.pk}/delete/"
    if who in ("ana", "dana"):
        assert "unless they asked for it" in client.get(address).content.decode()
    assert client.post(address, {"post": "yes"}).status_code == status
    removed = who in ("ana", "dana")
    assert rows(cast) == ([] if removed else [("lea@example.org", "complained")])


def test_a_reason_is_never_rewritten(client: Client, cast: Cast, row: Suppression) -> None:
    client.force_login(cast.ana)
    client.post(f"{LIST}{row.pk}/change/", {"email": "x@example.org", "reason": "bounced"})
    assert rows(cast) == [("lea@example.org", "complained")]
