"""Secrets, keys and addresses stand in no line that a run writes, whatever goes wrong."""

from __future__ import annotations

import base64
import io
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import redis
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from celery import current_app, shared_task
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connections, transaction

from accounts.models import SignInRules, User
from common.crypto import encrypt_secret
from common.tenancy import tenant
from config.logs import line_formatter
from config.services import beat_command
from delivery.connection_models import Connection
from tests.privacy.pages import make_home
from tests.support.cast import PASSWORD, Cast
from tests.support.servers import celery_worker, process, web_server
from tests.support.wait import wait_until

# As beat asks for them, and one that a form asks for.
TASKS = ("accounts.look_after_members", "delivery.watch_connections", "delivery.send_due_service_messages")
INVITATION = "accounts.mail_invitation"
COMMANDS = (
    ("rotate_secrets",), ("verify_ledger",), ("apply_retention",), ("replay_journal",), ("rebuild_reports", "--all"),
    ("enforce_country_rules",), ("export_anchors", "--organization", "Bakery"),
)  # fmt: skip
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


def ask_workers(cast: Cast) -> None:
    """Have a worker do what fails, and wait until it has."""
    for name in TASKS:
        current_app.send_task(name)
    current_app.send_task(INVITATION, kwargs={"organization_id": cast.bakery.pk, "invitation_id": 1})

    def begun() -> bool:
        # Between a queue and the hands of a worker a task stands nowhere for a moment.
        workers = current_app.control.inspect(timeout=1.0).stats() or {}
        return {*TASKS, INVITATION} <= {name for one in workers.values() for name in one["total"]}

    with redis.Redis.from_url(settings.REDIS_URL) as broker:

        def left() -> list[int]:
            # What a worker is at stands in the last one until it is done.
            return [int(count) for count in (broker.llen("celery"), broker.llen("urgent"), broker.hlen("unacked"))]

        wait_until(lambda: begun() and not any(left()), what="the worker to have tried everything")


def ask(base: str, path: str, headers: dict[str, str] | None = None, **sent: str) -> tuple[int, str]:
    request = urllib.request.Request(
        base + path, data=urlencode(sent).encode() if sent else None, headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def with_secrets(cast: Cast) -> tuple[Connection, SignInRules]:
    """What others gave an organization to keep."""
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
    return service, rules


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_what_a_run_with_errors_writes_holds_no_secret(
    cast: Cast, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = make_home(cast, datetime.now(UTC) - timedelta(seconds=1))
    totp = str(generate_totp_secret())
    TOTP.activate(cast.ana, totp)
    service, rules = with_secrets(cast)
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
    failing = ("accounts_invitation", "delivery_connection", "delivery_servicemessage")
    with ExitStack() as stack:
        for table in failing:
            stack.enter_context(table_away(table))
        stack.enter_context(process(beat_command(tmp_path)))
        stack.enter_context(celery_worker())
        ask_workers(cast)
    for command in COMMANDS:
        call_command(*command)
    output = capsys.readouterr()
    written = output.out + output.err + "".join(body for status, body in answers if status >= 400)
    assert sum(status == 500 for status, _body in answers) >= 5
    assert "no answer from preferences" in written, "the errors stand nowhere: nothing was looked at"
    assert written.count("failed: ProgrammingError") >= len(failing), "no task failed: nothing was looked at"
    assert "is starting" in written
    assert "Sealed again" in written
    secrets = {
        "secret key": settings.PLI_SECRET_KEYS[0],
        "password of the database": str(settings.DATABASES["default"].get("PASSWORD") or "-no password-"),
        "password of Valkey": urlsplit(settings.REDIS_URL).password or "-no password-",
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


@shared_task(name="tests.fails")
def fails(word: str) -> None:
    raise ValueError(f"no mailbox for {word}")


@pytest.mark.django_db
def test_a_task_that_fails_says_where_and_never_what(cast: Cast) -> None:
    said = io.StringIO()
    stream = logging.StreamHandler(said)
    stream.setFormatter(line_formatter())
    logging.getLogger().addHandler(stream)
    try:
        result = fails.apply(kwargs={"word": cast.ana.email})
    finally:
        logging.getLogger().removeHandler(stream)
    assert cast.ana.email in str(result.result)
    assert "task tests.fails failed: ValueError" in said.getvalue()
    assert "test_logs.py" in said.getvalue()
    assert cast.ana.email not in said.getvalue()
