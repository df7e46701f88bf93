"""A sent copy in a browser: the same words, nothing measured, and gone with the person."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from common.keys import encode_key
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.models import Message
from privacy.services.erasure import erase_participant
from tests.delivery.world import HTML, World, by_name
from tests.support.hits import fingerprint
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

LINKED = HTML.replace("</body>", '<a href="{{ web_version_url }}">In your browser</a></body>')


def sent_page(world: World, server: SmtpServer, name: str = "yes") -> str:
    """Send a measured copy; where its page is."""
    mailing = world.mailing([world.person(name, choice=ChoiceValue.YES)], html=LINKED)
    world.send(mailing, minutes=1)
    found = re.search(r'href="https://pli\.example(/w/[\w-]{22})"', by_name(server)[name].html)
    assert found is not None
    return found[1]


def test_the_page_says_the_same_as_the_mail_and_measures_nothing(
    world: World, server: SmtpServer, client: Client
) -> None:
    address = sent_page(world, server)
    mail, page = by_name(server)["yes"].html.replace("\r\n", "\n"), client.get(address).content.decode()
    assert "/o/" in mail
    assert "/c/" in mail
    assert "Bonjour Yes," in page
    assert "/o/" not in page
    assert "/c/" not in page
    # Links that a mail program counts through us lead straight there; those of the person stay theirs.
    plain = re.sub(r"https://pli\.example/c/[^\"]*", "LINK", re.sub(r"<img src=\"https://pli[^>]*>", "", mail))
    assert plain.strip() == re.sub(r"https://bread\.example/(?:rye|boule)[^\"]*", "LINK", page).strip()
    assert page.count('href="https://bread.example/rye?a=1&amp;b=2"') == 1
    for letter in ("u", "p", "w"):
        assert f"https://pli.example/{letter}/" in page


def test_looking_leaves_nothing_and_the_page_may_do_nothing(world: World, server: SmtpServer, client: Client) -> None:
    address = sent_page(world, server)
    before = fingerprint()
    for headers in ({}, {"Purpose": "prefetch"}, {"User-Agent": "Googlebot/2.1"}):
        for response in (client.get(address, headers=headers), client.head(address, headers=headers)):
            assert response.status_code == 200
            assert not response.cookies
            assert "no-store" in response["Cache-Control"]
            assert response["Referrer-Policy"] == "no-referrer"
            assert "noindex" in response["X-Robots-Tag"]
            policy = response["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src" not in policy
            assert "form-action 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
            assert "style-src 'unsafe-inline'" in policy
    assert client.post(address).status_code == 405
    assert fingerprint() == before


def test_d2_the_page_is_gone_with_the_person(world: World, server: SmtpServer, client: Client) -> None:
    address = sent_page(world, server)
    organization = world.cast.bakery
    with tenant(organization.pk):
        person = Message.objects.get(participant__email="yes@example.org").participant
    assert person is not None
    erase_participant(organization, person, actor=world.cast.ana, reason="asked", now=world.time)
    for path, words in (
        (address, "This link no longer works"),
        (f"{address}?lang=fr", "Ce lien ne fonctionne plus"),
        ("/w/AAAAAAAAAAAAAAAAAAAAAA", "This link no longer works"),
        ("/w/nothing", "This link no longer works"),
    ):
        response = client.get(path)
        assert response.status_code == 404
        assert words in response.content.decode()
        assert "style-src 'self'" in response["Content-Security-Policy"]
        assert response["Referrer-Policy"] == "no-referrer"
    with tenant(organization.pk):
        assert not Message.objects.filter(web_version_key__isnull=False).exists()


def test_six_languages(client: Client) -> None:
    titles = {
        re.findall(r"<h1>(.*?)</h1>", client.get(f"/w/unknown?lang={code}").content.decode())[0]
        for code in ("en", "fr", "de", "it", "nl", "es")
    }
    assert len(titles) == 6


def test_h3_a_key_opens_its_own_copy_and_no_other_page(world: World, server: SmtpServer, client: Client) -> None:
    address = sent_page(world, server)
    key = address.removeprefix("/w/")
    for letter in ("u", "p", "me", "s"):
        assert "This link no longer works" in client.get(f"/{letter}/{key}").content.decode()
    with tenant(world.cast.bakery.pk):
        message = Message.objects.get(participant__email="yes@example.org")
    assert len({message.reference, message.unsubscribe_key, message.web_version_key}) == 3


def test_no_key_is_made_where_nothing_leads_to_the_page(world: World, server: SmtpServer) -> None:
    world.send(world.mailing([world.person("silent")]), minutes=1)
    with tenant(world.cast.bakery.pk):
        assert list(Message.objects.values_list("web_version_key", flat=True)) == [None]


def test_h3_a_copy_that_is_made_again_has_another_page(world: World, server: SmtpServer, client: Client) -> None:
    server.behave(refuse={"again@example.org": "451 Later"})
    mailing = world.mailing([world.person("again")], html=LINKED)
    world.send(mailing, minutes=1)
    first = world.rows(mailing)["again"].web_version_key
    server.behave()
    world.time += timedelta(minutes=5)
    world.send(mailing)
    second = world.rows(mailing)["again"].web_version_key
    assert first != second
    assert first is not None
    assert second is not None
    assert client.get(f"/w/{encode_key(first)}").status_code == 404
    assert f"/w/{encode_key(second)}" in by_name(server)["again"].html
