"""The link of a forgotten password: looking keeps it, the form uses it up."""

from __future__ import annotations

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db
NEW = "a different horse, battery and staple"


@pytest.fixture
def address(cast: Cast) -> str:
    key = default_token_generator.make_token(cast.ana)
    return reverse("account_reset_password_from_key", args=[user_pk_to_url_str(cast.ana), key])


def test_h2_looking_makes_no_session_and_the_form_sets_the_password_once(address: str, cast: Cast) -> None:
    client = Client()
    for _time in range(2):
        page = client.get(address)
        assert page.status_code == 200
        assert 'name="password1"' in page.content.decode()
        assert "no-store" in page["Cache-Control"]
        assert page["Referrer-Policy"] == "same-origin"
    assert not Session.objects.exists()
    assert client.post(address, {"password1": NEW, "password2": NEW}).status_code == 302
    assert User.objects.get(pk=cast.ana.pk).check_password(NEW)
    assert 'name="password1"' not in client.get(address).content.decode()


def test_a_wrong_key_sets_nothing(address: str, cast: Cast) -> None:
    wrong = address[:-2] + "x/"
    assert 'name="password1"' not in Client().get(wrong).content.decode()
    Client().post(wrong, {"password1": NEW, "password2": NEW})
    assert not User.objects.get(pk=cast.ana.pk).check_password(NEW)


def test_somebody_else_who_is_signed_in_stays_so_by_looking(address: str, cast: Cast) -> None:
    client = Client()
    client.force_login(cast.max)
    client.get(address)
    assert client.session["_auth_user_id"] == str(cast.max.pk)
    client.post(address, {"password1": NEW, "password2": NEW})
    assert "_auth_user_id" not in client.session
