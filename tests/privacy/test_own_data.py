"""/me/<key>: by a fresh link only, which works once; what was sent and recorded, and what a person may do with it."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timedelta

import pytest
from django.test import Client

from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import Suppression
from delivery.services import is_suppressed_hash, suppress
from participants.models import Participant
from privacy.models import FreshLink, PersonRequest
from privacy.services.erasure import erase_participant
from tests.privacy.pages import PREFETCH, Home
from tests.support.world import choose, later, make_participant

pytestmark = pytest.mark.django_db


def address_of(home: Home) -> str:
    with tenant(home.cast.bakery.pk):
        return Participant.objects.get(pk=home.zoe.pk).email


# --- The link ------------------------------------------------------------------------------------------------------


def test_h3_the_link_goes_to_the_address_and_is_shown_nowhere(client: Client, home: Home) -> None:
    page = client.post(home.preferences, {"do": "link"}).content.decode()
    mail = home.mails("fresh_link_data")[0]
    assert mail.to_email == "zoe@home.example"
    assert home.link() not in page
    with tenant(home.cast.bakery.pk):
        link = FreshLink.objects.get()
    assert link.key_hash not in home.link()
    assert home.link().removeprefix("/me/") not in link.key_hash
    assert link.expires_at - link.created_at == timedelta(hours=1)


def test_h2_fetching_the_link_neither_shows_nor_uses_it(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "link"})
    for method in (client.get, client.head):
        page = method(home.link(), headers=PREFETCH)
        assert page.status_code == 200
        assert "Fresh bread" not in page.content.decode()
        assert "zoe@home.example" not in page.content.decode()
    assert "Fresh bread for Zoe" in client.post(home.link(), {"do": "open"}).content.decode()


def test_h3_the_link_opens_once(client: Client, home: Home) -> None:
    address, _key, page = home.open_data(client)
    assert "Fresh bread for Zoe" in page.content.decode()
    again = client.post(address, {"do": "open"}).content.decode()
    assert "Fresh bread" not in again
    assert "It was opened before" in again
    assert "Fresh bread" not in client.get(address).content.decode()


def test_h3_an_hour_later_the_link_and_its_page_are_closed(client: Client, home: Home, moment: datetime) -> None:
    address, key, _page = home.open_data(client)
    client.post(home.preferences, {"do": "link"})
    unopened = home.link()
    with tenant(home.cast.bakery.pk):
        FreshLink.objects.update(expires_at=moment)
    assert "Fresh bread" not in client.post(unopened, {"do": "open"}).content.decode()
    assert "Fresh bread" not in client.post(address, {"page": key, "do": "show"}).content.decode()


@pytest.mark.parametrize("page", ["", "x", "lm394KniaoKxPhRvjYiX5Q", "é"])
def test_h3_nothing_is_done_without_the_key_of_the_page(client: Client, home: Home, page: str) -> None:
    address, _key, _page = home.open_data(client)
    for what in ("show", "delete", "export", "address", "erase", "erase_now"):
        answer = client.post(address, {"page": page, "do": what, "new_email": "new@home.example"})
        assert "Fresh bread" not in answer.content.decode(errors="replace")
    assert address_of(home) == "zoe@home.example"
    assert home.mails("fresh_link_address") == []


def test_h3_one_persons_page_key_opens_no_other_persons_link(client: Client, home: Home) -> None:
    _address, key, _page = home.open_data(client)
    client.post(home.preferences, {"do": "link"})
    assert "Fresh bread" not in client.post(home.link(), {"page": key, "do": "show"}).content.decode()


def test_h3_three_links_an_hour(client: Client, home: Home) -> None:
    for _ in range(5):
        page = client.post(home.preferences, {"do": "link"}).content.decode()
    assert "Several links were sent already" in page
    assert len(home.mails("fresh_link_data")) == 3


def test_a_used_link_sends_another_to_the_same_address(client: Client, home: Home) -> None:
    address, _key, _page = home.open_data(client)
    client.post(address, {"do": "link"})
    assert [mail.to_email for mail in home.mails("fresh_link_data")] == ["zoe@home.example"] * 2


# --- Taking data away, and having them deleted ---------------------------------------------------------------------


def test_d2_the_export_is_a_file_without_a_name_in_it(client: Client, home: Home) -> None:
    address, key, _page = home.open_data(client)
    answer = client.post(address, {"page": key, "do": "export"})
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == 'attachment; filename="my-data.zip"'
    assert "no-store" in answer["Cache-Control"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist()
    with tenant(home.cast.bakery.pk):
        assert PersonRequest.objects.get().kind == "portability"


def test_d2_erasure_takes_two_steps_and_says_what_stays(client: Client, home: Home) -> None:
    address, key, _page = home.open_data(client)
    page = client.post(address, {"page": key, "do": "erase"}).content.decode()
    assert "What stays" in page
    assert "secret key" in page
    assert address_of(home) == "zoe@home.example"
    page = client.post(address, {"page": key, "do": "erase_now"}).content.decode()
    assert "Your data have been deleted" in page
    with tenant(home.cast.bakery.pk):
        assert not Participant.objects.filter(email_norm="zoe@home.example").exists()
    for old in (address, home.preferences, home.unsubscribe):
        assert client.get(old).status_code == 404


# --- Another address -----------------------------------------------------------------------------------------------


def change_address(client: Client, home: Home, new_email: str) -> str:
    address, key, _page = home.open_data(client)
    return client.post(address, {"page": key, "do": "address", "new_email": new_email}).content.decode()


def test_h2_a_new_address_counts_when_a_button_is_pressed_there(client: Client, home: Home) -> None:
    page = change_address(client, home, "Zoe@New.example")
    assert "on its way to the new address" in page
    asked = home.mails("fresh_link_address")[0]
    assert asked.to_email == "Zoe@New.example"
    confirm = home.link("fresh_link_address")
    client.get(confirm, headers=PREFETCH)
    client.post(confirm, {"do": "open"})
    assert address_of(home) == "zoe@home.example"
    page = client.post(confirm, {"do": "confirm"}).content.decode()
    assert "Your address is changed" in page
    assert address_of(home) == "Zoe@New.example"
    assert home.subscribed() == {"Weekly news"}


def test_the_old_address_is_told_and_its_links_are_closed(client: Client, home: Home) -> None:
    address, key, _page = home.open_data(client)
    client.post(address, {"page": key, "do": "address", "new_email": "zoe@new.example"})
    client.post(home.link("fresh_link_address"), {"do": "confirm"})
    told = home.mails("address_changed")[0]
    assert told.to_email == "zoe@home.example"
    assert "z…@n….example" in told.text
    assert "zoe@new.example" not in told.text
    assert client.post(address, {"page": key, "do": "show"}).status_code == 404


def test_an_unsubscribed_person_stays_so_at_the_new_address(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "leave"})
    change_address(client, home, "zoe@new.example")
    client.post(home.link("fresh_link_address"), {"do": "confirm"})
    with tenant(home.cast.bakery.pk):
        assert Suppression.objects.filter(email_norm="zoe@new.example", reason="unsubscribed").exists()


def test_d2_at_an_address_that_was_erased_what_was_forbidden_there_holds_again(
    client: Client, home: Home, moment: datetime
) -> None:
    """The entry of the erased address is gone for good, so only its hash can still say what its person had refused."""
    bakery, refused = home.cast.bakery, "zoe@old.example"
    before = make_participant(bakery, refused, now=moment)
    choose(bakery, home.zoe, opens=ChoiceValue.YES, clicks=ChoiceValue.YES, now=moment)
    choose(bakery, before, clicks=ChoiceValue.NO, now=moment)
    with tenant(bakery.pk):
        suppress(bakery, refused, reason="complained", source="test", now=moment)
        erase_participant(bakery, before, actor=None, reason="", now=later(moment, seconds=0.5))
    change_address(client, home, refused)
    with tenant(bakery.pk):
        assert is_suppressed_hash(bakery, refused)
    assert "Your address is changed" in client.post(home.link("fresh_link_address"), {"do": "confirm"}).content.decode()
    choice = home.choice()
    assert choice is not None
    assert (choice.opens, choice.clicks) == ("yes", "no")
    with tenant(bakery.pk):
        assert not is_suppressed_hash(bakery, refused)
        assert Suppression.objects.filter(email_norm=refused, reason="complained").exists()
    assert address_of(home) == refused


def test_d2_an_unconfirmed_change_leaves_an_erased_address_out(client: Client, home: Home, moment: datetime) -> None:
    bakery, erased = home.cast.bakery, "zoe@old.example"
    with tenant(bakery.pk):
        erase_participant(bakery, make_participant(bakery, erased, now=moment), actor=None, reason="", now=moment)
    change_address(client, home, erased)
    client.get(home.link("fresh_link_address"), headers=PREFETCH)
    client.post(home.link("fresh_link_address"), {"do": "open"})
    with tenant(bakery.pk):
        assert is_suppressed_hash(bakery, erased)


def test_nobody_learns_whether_an_address_is_known(client: Client, home: Home, moment: datetime) -> None:
    make_participant(home.cast.bakery, "known@home.example", now=moment)
    assert "on its way to the new address" in change_address(client, home, "known@home.example")
    page = client.post(home.link("fresh_link_address"), {"do": "confirm"}).content.decode()
    assert "Nothing was changed" in page
    assert address_of(home) == "zoe@home.example"


@pytest.mark.parametrize("wrong", ["", "zoe", "zoe@", "a b@c.example", "zoe@home.example\nBcc: x@y.example"])
def test_what_is_no_address_changes_nothing(client: Client, home: Home, wrong: str) -> None:
    page = change_address(client, home, wrong)
    assert "no address that anybody can write to" in page
    assert home.mails("fresh_link_address") == []
