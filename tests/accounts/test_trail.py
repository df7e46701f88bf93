"""The trail in the console: who reads it, what stands in it, and what never does."""

from __future__ import annotations

import ast
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.http import FileResponse
from django.test import Client
from django.utils import timezone

from accounts.admin import AuditEntryAdmin
from accounts.audit import record
from accounts.models import AuditEntry
from accounts.trail import forget_old_entries
from accounts.words import ACTIONS
from common.tenancy import tenant
from intake.exporting import start_export
from privacy.services.erasure import erase_participant
from tests.support.cast import Cast
from tests.support.world import make_participant, make_website, set_tracking
from websites.models import ConsentScope

TRAIL = "/console/accounts/auditentry/"
MARKER = "zoe-7f3a"


def reader(cast: Cast, name: str) -> Client:
    client = Client()
    client.force_login(getattr(cast, name))
    return client


@pytest.mark.django_db
def test_owners_and_the_officer_read_filter_and_export_it(cast: Cast, now: datetime) -> None:
    record(cast.bakery, actor=cast.max, action="launch:begin", target="email 7", now=now)
    record(cast.bakery, actor=cast.ana, action="people:export", target="=2+3", now=now - timedelta(days=40))
    record(cast.cinema, actor=cast.cleo, action="launch:begin", target="email 99", now=now)
    for name, status in {"ana": 200, "dana": 200, "max": 403, "ben": 403}.items():
        assert reader(cast, name).get(TRAIL).status_code == status
    dana = reader(cast, "dana")
    assert "email 99" not in dana.get(TRAIL).content.decode()
    page = dana.get(TRAIL, {"member": "max@bakery.example"}).content.decode()
    assert "email 7" in page
    assert "=2+3" not in page
    assert "email 7" not in dana.get(TRAIL, {"done": "people:export"}).content.decode()
    assert "=2+3" not in dana.get(TRAIL, {"at_from": "2026-11-22"}).content.decode()
    assert "email 7" in dana.get(TRAIL, {"at_from": "2026-11-22", "at_to": "2026-11-22"}).content.decode()
    assert "email 7" not in dana.get(TRAIL, {"at_to": "2026-11-21"}).content.decode()
    assert "email 7" in dana.get(TRAIL, {"at_to": "9999-12-31"}).content.decode()
    assert dana.get(f"{TRAIL}export/").status_code == 405
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AuditEntryAdmin, "list_per_page", 1)
        assert dana.post(f"{TRAIL}export/?p=999").status_code == 404
    file = exported(dana, "?member=ana%40bakery.example")
    assert "'=2+3" in file
    assert "email 7" not in file
    with tenant(cast.bakery.pk):
        assert AuditEntry.objects.get(action="audit:trail:export").actor == cast.dana


def exported(client: Client, query: str = "") -> str:
    answer = client.post(f"{TRAIL}export/{query}")
    assert isinstance(answer, FileResponse)
    return answer.getvalue().decode("utf-8-sig")


@pytest.mark.django_db
def test_the_file_has_every_entry_however_many_there_are(cast: Cast, now: datetime) -> None:
    with tenant(cast.bakery.pk), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_auditentry (organization_id, at, action, target, details, actor_name,"
            " impersonator_name) SELECT %s, %s, 'launch:begin', n::text, '{}', 'Max', ''"
            " FROM generate_series(1, 50001) n",
            [cast.bakery.pk, now],
        )
    lines = exported(reader(cast, "dana"), "?done=launch%3Abegin").splitlines()
    assert len(lines) == 1 + 50_001
    assert (lines[0].split(",")[0], lines[-1].split(",")[5]) == ("at", "1")


@pytest.mark.django_db
def test_changes_are_noted_and_nothing_of_a_participant_is(cast: Cast, now: datetime) -> None:
    bakery = cast.bakery
    website = make_website(bakery, cast.ana, now=now)
    set_tracking(bakery, website, "never", now=now)
    person = make_participant(bakery, f"{MARKER}@home.example", now=now, first_name=MARKER)
    client = reader(cast, "max")
    client.post(
        f"/console/participants/participant/{person.pk}/change/",
        {"email": f"{MARKER}@home.example", "first_name": f"{MARKER} the second", "country": "BE", "locale": "fr"},
    )
    with tenant(bakery.pk):
        start_export(bakery, scope=ConsentScope.objects.earliest("pk"), author=cast.ana, now=now)
    erase_participant(bakery, person, actor=cast.dana, reason=f"asked by letter, {MARKER}", now=now)
    with tenant(bakery.pk):
        entries = list(AuditEntry.objects.values())
    assert {"website:policy:change", "people:export", "person:erase"} <= {entry["action"] for entry in entries}
    assert MARKER not in str(entries)


def test_every_action_has_words() -> None:
    """By the literal ``action=`` of each call; those that a state completes are listed whole."""
    found = set()
    for app in ("accounts", "campaigns", "config", "consent", "delivery", "intake", "privacy", "websites"):
        for path in (settings.BASE_DIR / Path(app)).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "action" and isinstance(node.value, ast.Constant):
                    found.add(str(node.value.value))
    noted = {action for action in found if ":" in action}
    assert len(noted) > 20
    assert noted - set(ACTIONS) == set()


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_entries_are_kept_three_years_and_sign_ins_one(cast: Cast) -> None:
    now = timezone.now()
    for action, years in {"session:sign_in": 1, "launch:begin": 3}.items():
        for days in (-7, 7):
            at = now - timedelta(days=366 * years - days)
            record(cast.bakery, actor=cast.ana, action=action, target=f"{years} {days}", now=at)
    assert forget_old_entries(now=now) == 2
    with tenant(cast.bakery.pk):
        kept = set(AuditEntry.objects.values_list("target", flat=True))
    assert kept == {"1 7", "3 7"}
