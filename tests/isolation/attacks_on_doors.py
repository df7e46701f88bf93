"""On what lets people in: sessions, passwords, addresses, links that work once, reports of services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import QuerySet
from django.middleware.csrf import CsrfViewMiddleware
from django.test import Client, override_settings
from django.urls import NoReverseMatch, reverse

from accounts.adapters import AccountAdapter
from accounts.models import User
from common.keys import encode_key, new_key
from common.tenancy import tenant
from delivery.connection_models import Connection
from privacy.models import FreshLink
from tests.isolation.attacks import Attack, Stage, signed_in
from tests.support.cast import PASSWORD
from tests.support.crawl import public_patterns
from tracking import asgi

EVIL = "https://evil.example/"
NOBODY = "nobody@nowhere.example"


def csrf_on_every_post(stage: Stage) -> bool:
    """A page of somebody else makes a member's browser post to each address that a session opens."""
    client = signed_in(stage.cast.ana, enforce_csrf_checks=True)
    addresses = [room.own.address for room in stage.house.rooms()]
    for name in public_patterns():
        if name.startswith(("account_", "mfa_", "accounts_", "usersessions_")):
            try:
                addresses.append(reverse(name))
            except NoReverseMatch:
                continue  # its address has a key in it, which such a page does not know
    return any(client.post(address).status_code != 403 for address in addresses)


def session_fixation(stage: Stage) -> bool:
    """Ana signs in with the session that somebody else put into her browser, and knows."""
    store = SessionStore()
    store["planted"] = True
    store.create()
    planted = str(store.session_key)
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = planted
    client.post("/accounts/login/", {"login": stage.cast.ana.email, "password": PASSWORD})
    return SESSION_KEY in SessionStore(planted)


def host_header(stage: Stage) -> bool:
    """A password is asked for under another host, so that the link in the mail would lead there."""
    answer = Client().post(
        "/accounts/password/reset/", {"email": stage.cast.ana.email}, headers={"host": "evil.example"}
    )
    return answer.status_code != 400


def open_redirect_after_sign_in(stage: Stage) -> bool:
    values = {"login": stage.cast.ana.email, "password": PASSWORD, "next": EVIL}
    answer = Client().post("/accounts/login/", values)
    return bool(answer.headers.get("Location", "").startswith(EVIL))


def open_redirect_by_a_link(stage: Stage) -> bool:
    """A link of ours with another destination and a made-up signature."""
    path = f"/c/{encode_key(new_key())}/1/{'A' * 22}"
    answer, _hit = asgi.respond("GET", path, f"to={quote(EVIL, safe='')}", [])
    return answer.status == 302


def forged_report(stage: Stage) -> bool:
    """Somebody who learned the address of a hook tells of a bounce."""
    with tenant(stage.cast.bakery.pk):
        connection = Connection.objects.create(
            organization=stage.cast.bakery, name="Service", kind="esp", provider="brevo"
        )
        connection.refresh_from_db()
    body = json.dumps({"event": "hard_bounce", "email": "zoe@home.example", "message-id": "<1@x>", "ts_event": 1})
    answer = Client().post(f"/hooks/{connection.hook_key.hex}/", body, content_type="application/json")
    return answer.status_code == 200


def replayed_password_link(stage: Stage) -> bool:
    """The link of a forgotten password, found in a mailbox after it was used."""
    user = User.objects.get(pk=stage.cast.ana.pk)
    key = default_token_generator.make_token(user)
    address = f"/accounts/password/reset/key/{user_pk_to_url_str(user)}-{key}/"
    for password in ("first new passphrase", "second new passphrase"):
        Client().post(address, {"password1": password, "password2": password})
    return User.objects.get(pk=user.pk).check_password("second new passphrase")


def replayed_data_link(stage: Stage) -> bool:
    """The link to a person's own data, opened again by whoever finds it in their history."""
    address, _key, _page = stage.home.open_data(Client())
    again = Client().post(address, {"do": "open"})
    return b'name="page"' in again.content


@contextmanager
def _links_never_used() -> Iterator[None]:
    """What says that a link was used is not written."""
    update = QuerySet.update

    def forgetful(rows: QuerySet[Any], **values: Any) -> int:
        if rows.model is FreshLink:
            values.pop("opened_at", None)
        return update(rows, **values)

    with patch.object(QuerySet, "update", forgetful):
        yield


def enumeration_by_hashes(stage: Stage) -> bool:
    """Whether an address has an account shows by how many passwords are hashed."""
    tries = [{"login": email, "password": "a wrong passphrase"} for email in (stage.cast.ana.email, NOBODY)]
    return _hashes("/accounts/login/", tries[0]) != _hashes("/accounts/login/", tries[1])


def enumeration_by_signing_up(stage: Stage) -> bool:
    """The same where accounts are made."""
    with override_settings(SIGN_UP_OPEN=True):
        word = {"password1": "a long new passphrase", "password2": "a long new passphrase"}
        counts = {_hashes("/accounts/signup/", {"email": email, **word}) for email in (stage.cast.ana.email, NOBODY)}
    return len(counts) > 1


def _hashes(address: str, form: dict[str, str]) -> int:
    counted = 0
    encode = PBKDF2PasswordHasher.encode

    def counting(*args: Any, **kwargs: Any) -> str:
        nonlocal counted
        counted += 1
        return encode(*args, **kwargs)

    with patch.object(PBKDF2PasswordHasher, "encode", counting):
        Client().post(address, form)
    return counted


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    """In place of a guard."""


def _yes(*_args: Any, **_kwargs: Any) -> bool:
    return True


ATTACKS = [
    Attack(
        "CSRF on every POST", csrf_on_every_post, lambda: patch.object(CsrfViewMiddleware, "process_view", _nothing)
    ),
    Attack(
        "session fixation", session_fixation, lambda: patch.multiple(SessionBase, cycle_key=_nothing, flush=_nothing)
    ),
    Attack("host header", host_header, lambda: override_settings(ALLOWED_HOSTS=["*"])),
    Attack(
        "open redirect after signing in",
        open_redirect_after_sign_in,
        lambda: patch.object(AccountAdapter, "is_safe_url", lambda *_args: True),
    ),
    Attack("open redirect by a link", open_redirect_by_a_link, lambda: patch.object(asgi, "verify_link", _yes)),
    Attack(
        "forged report of a sending service", forged_report, lambda: patch("delivery.provider_reports._check", _nothing)
    ),
    Attack(
        "a used link of a forgotten password",
        replayed_password_link,
        lambda: patch.object(
            type(default_token_generator), "_make_hash_value", lambda _self, user, at: f"{user.pk}{at}"
        ),
    ),
    Attack("a used link to one's own data", replayed_data_link, _links_never_used),
    Attack(
        "enumeration by hashes",
        enumeration_by_hashes,
        lambda: patch.object(AuthenticationBackend, "_mitigate_timing_attack", _nothing),
    ),
    Attack("enumeration by signing up", enumeration_by_signing_up, lambda: override_settings(ACCOUNT_FORMS={})),
]
