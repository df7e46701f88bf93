"""Each page and mail of a form in each language that a form can have."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign
from common.keys import encode_key
from common.tenancy import tenant
from consent.models import ConsentText
from delivery.service_mail import send_service_messages
from intake.models import Confirmation, FieldKind
from tests.intake.forms_world import FormWorld
from tests.support.extraction import public_texts
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db

LANGUAGES = ["fr", "it", "de", "nl", "es"]


def english_left(said: str) -> list[str]:
    """The sentences of ours that somebody would have read in English."""
    return [text for _, text in public_texts() if "%" not in text and " " in text and text in unescape(said)]


def pages_of(world: FormWorld, query: str) -> list[str]:
    """The form, its refusals, its exit screen, and what stands there when it is closed or was never there."""
    box = f"q{world.add(FieldKind.TOPIC).pk}"
    answers = [
        world.open(query=query),
        world.send("nobody", query=query),
        world.send(query=query, more_about_this="x"),
        world.send(query=query, token="made up"),
        world.send(query=query, **{box: "on"}),
        Client().get(f"/f/{'A' * 22}{query}"),
    ]
    with tenant(world.organization.pk):
        Campaign.objects.update(opens_at=timezone.now() + timedelta(days=2))
        answers.append(world.open(query=query))
        Campaign.objects.update(opens_at=None, closes_at=timezone.now() - timedelta(minutes=1))
        answers.append(world.open(query=query))
    assert [answer.status_code for answer in answers] == [200, 422, 422, 422, 200, 404, 200, 410]
    return [answer.content.decode() for answer in answers]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_reads_english_between_a_form_and_the_confirmed_address(
    form_world: FormWorld, tmp_path: Path, settings, language: str
) -> None:
    form_world.set_page(languages=["en", language], double_opt_in=True)
    pages = pages_of(form_world, f"?lang={language}")
    with SmtpServer(tmp_path / "sink") as server:
        settings.SMTP_URL = server.url
        send_service_messages(form_world.organization.pk)
        (mail,) = server.messages()
    with tenant(form_world.organization.pk):
        address = f"/d/{encode_key(Confirmation.objects.get().key)}"
    # The person's language, whatever the browser says.
    pages += [Client().get(address).content.decode(), Client().post(address).content.decode()]
    for said in pages:
        assert f'<html lang="{language}"' in said
        assert english_left(said) == []
    assert english_left(mail.html + mail.text) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_beside_each_box_are_suggested_in_each_language(form_world: FormWorld, language: str) -> None:
    form_world.add(FieldKind.TOPIC)
    form_world.set_page(languages=["en", language])
    with tenant(form_world.organization.pk):
        kept = {text.place: text.text for text in ConsentText.objects.filter(language=language)}
        english = {text.place: text.text for text in ConsentText.objects.filter(language="en")}
    shared = kept.keys() & english.keys()
    assert len(shared) >= 2
    assert [place for place in shared if kept[place] == english[place]] == []


def test_a_frame_keeps_the_language_that_was_chosen_in_it(form_world: FormWorld) -> None:
    form_world.set_page(languages=["en", "fr", "de"])
    page = form_world.open(query="?lang=de&embed=1", **{"Accept-Language": "fr"}).content.decode()
    found = re.search(r'<form method="post" action="([^"]+)"', page)
    assert found is not None
    with tenant(form_world.organization.pk):
        Campaign.objects.update(closes_at=timezone.now() - timedelta(minutes=1))
    closed = Client().post(form_world.address + unescape(found[1]), headers={"Accept-Language": "fr"})
    assert closed.status_code == 410
    assert '<html lang="de" class="embedded"' in closed.content.decode()
