"""Secrets, keys and addresses stand in no line that a run writes, whatever goes wrong."""

from __future__ import annotations

import base64
import io
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.db import IntegrityError, connections, transaction

from accounts.models import SignInRules, User
from common.crypto import encrypt_secret
from common.tenancy import tenant
from config.logs import line_formatter
from delivery.connection_models import Connection
from tests.privacy.pages import make_home
from tests.support.cast import PASSWORD, Cast
from tests.support.servers import web_server

CREDENTIAL, CLIENT_SECRET = "a-credential-of-a-service", "a-secret-of-a-provider"


@contextmanager
def table_away(table: str) -> Iterator[None]:
    """Something that goes wrong in the midst of a request."""
    owner = connections["owner"]
    with owner.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        with owner.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def ask(base: str, path: str, headers: dict[str, str] | None = None, **sent: str) -> tuple[int, str]:
    request = urllib.request.Request(
        base + path, data=urlencode(sent).encode() if sent else None, headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_what_a_run_with_errors_writes_holds_no_secret(cast: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    home = make_home(cast, datetime.now(UTC) - timedelta(seconds=1))
    totp = str(generate_totp_secret())
    TOTP.activate(cast.ana, totp)
    with tenant(cast.bakery.pk):
        service = Connection.objects.create(
            organization=cast.bakery,
            name="Service",
            kind="esp",
            provider="brevo",
            sealed=encrypt_secret(json.dumps({"api_key": CREDENTIAL, "hook_password": CREDENTIAL})),
        )
        service.refresh_from_db()
        rules = SignInRules.objects.create(
            organization=cast.bakery,
            issuer="https://provider.example",
            client_id="pli",
            short_name="bakery",
            sealed_client_secret=encrypt_secret(CLIENT_SECRET),
        )
    basic = {"Authorization": "Basic " + base64.b64encode(f"pli:{CREDENTIAL}".encode()).decode()}
    hook = f"/hooks/{service.hook_key.hex}/"
    answers = []
    with web_server() as base:
        for table in ("consent_choice", "delivery_connection", "accounts_signinrules", "websites_website"):
            with table_away(table):
                answers += [
                    ask(base, home.preferences),
                    ask(base, home.preferences, do="leave"),
                    ask(base, hook, basic, event="opened", email=home.zoe.email),
                    ask(base, f"/accounts/oidc/{rules.provider_key}/login/"),
                ]
        with table_away("accounts_user"):
            answers.append(ask(base, home.preferences + "x", do=PASSWORD))
    written = capsys.readouterr().out + "".join(body for status, body in answers if status >= 400)
    assert sum(status == 500 for status, _body in answers) >= 5
    assert "no answer from preferences" in written, "the errors stand nowhere: nothing was looked at"
    secrets = {
        "secret key": settings.PLI_SECRET_KEYS[0],
        "password of the database": str(settings.DATABASES["default"].get("PASSWORD") or "-no password-"),
        "credential": CREDENTIAL,
        "in a header": basic["Authorization"].split()[1],
        "client secret": CLIENT_SECRET,
        "code app": totp,
        "password": PASSWORD,
        "key of preferences": home.preferences.rpartition("/")[2],
        "key of a hook": service.hook_key.hex,
        "address": home.zoe.email,
    }
    assert [name for name, secret in secrets.items() if secret in written] == []


@pytest.mark.django_db
def test_what_stood_in_a_row_is_not_written_down(cast: Cast) -> None:
    handler, said = logging.getLogger("a test"), io.StringIO()
    told, stream = "", logging.StreamHandler(said)
    stream.setFormatter(line_formatter())
    handler.addHandler(stream)
    try:
        with transaction.atomic():
            User.objects.create(email=cast.ana.email)
    except IntegrityError as error:
        told = str(error)
        handler.exception("not saved: %s", told)
    finally:
        handler.removeHandler(stream)
    assert cast.ana.email in told, "PostgreSQL does not tell: nothing to keep quiet"
    assert "duplicate key" in said.getvalue()
    assert cast.ana.email not in said.getvalue()
