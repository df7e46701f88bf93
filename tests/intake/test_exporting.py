"""The file of an organization's participants: there and back, who may have it, and what stops it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent
from consent.rules import ChoiceValue
from consent.selectors import consent_columns
from intake import exporting
from intake.exporting import ExportRefused, retry_export, run_export, start_export
from intake.imports import run_import
from intake.models import ImportState, PeopleExport
from participants.models import Participant
from privacy.services.erasure import erase_participant
from tests.campaigns.console import signed_in
from tests.intake.importing import prepare
from tests.support.cast import Cast
from tests.support.world import choose, later, make_participant
from websites.models import ConsentScope

pytestmark = pytest.mark.django_db

YES, NO = ChoiceValue.YES, ChoiceValue.NO


def test_what_was_exported_is_imported_again_and_changes_no_choice(
    cast: Cast, scope: ConsentScope, now: datetime
) -> None:
    both = [(YES, YES), (NO, NO), (YES, NO), (NO, YES), (YES, None), (None, NO), (None, None)]
    for number, (opens, clicks) in enumerate(both):
        person = make_participant(
            cast.bakery, f"p{number}@mail.example.org", country="BE", attributes={"city": "=Liège", "age": 7}, now=now
        )
        if opens or clicks:
            choose(cast.bakery, person, opens=opens, clicks=clicks, now=now)

    def known() -> list[dict[str, str]]:
        with tenant(cast.bakery.pk):
            choices = {row.participant_id: row for row in Choice.objects.all()}
            return [consent_columns(choices.get(one.pk)) for one in Participant.objects.order_by("email")]

    before = known()
    with tenant(cast.bakery.pk):
        export = run_export(
            cast.bakery.pk, start_export(cast.bakery, scope=scope, author=cast.ana, now=now).pk, clock=lambda: now
        )
        with export.file.open("rb") as file:
            text = file.read().decode("utf-8-sig")
        events = ChoiceEvent.objects.count()
    assert (export.state, export.rows) == (ImportState.DONE, 7)
    header, first, *_more = text.splitlines()
    assert header.endswith("consent_email_tracking,consent_email_opens,consent_email_clicks,consent_scope")
    assert "'=Liège" in first
    source = prepare(cast.bakery, text, now=later(now, hours=1))
    assert source.mapping["consent_scope"] == ""
    with tenant(cast.bakery.pk):
        run_import(cast.bakery.pk, source.pk, clock=lambda: later(now, hours=1))
    assert known() == before
    with tenant(cast.bakery.pk):
        # A no that is said again gets a later date; nothing else is written.
        assert {event.value for event in ChoiceEvent.objects.order_by("pk")[events:]} <= {"no"}


def test_an_export_is_asked_for_and_fetched(cast: Cast, scope: ConsentScope, people: dict[str, Participant]) -> None:
    client = signed_in(cast.max)
    assert client.post("/console/intake/peopleexport/start/", {"scope": scope.pk}).status_code == 302
    with tenant(cast.bakery.pk):
        export = run_export(cast.bakery.pk, PeopleExport.objects.get().pk)
    address = f"/console/intake/peopleexport/{export.pk}/participants.csv/"
    assert address in client.get("/console/intake/peopleexport/").content.decode()
    answer = client.get(address)
    assert answer["Content-Disposition"] == 'attachment; filename="participants.csv"'
    assert b"yes@mail.example.org" in b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    officer = signed_in(cast.dana)
    assert officer.post("/console/intake/peopleexport/start/", {"scope": scope.pk}).status_code == 302
    stranger = signed_in(cast.cleo)
    assert stranger.get(address).status_code == 404
    assert stranger.post("/console/intake/peopleexport/start/", {"scope": scope.pk}).status_code == 404


def test_an_export_that_fails_says_so_and_is_tried_again(
    cast: Cast, scope: ConsentScope, people: dict[str, Participant], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, pages = signed_in(cast.max), "/console/intake/peopleexport/"
    with tenant(cast.bakery.pk):
        export = start_export(cast.bakery, scope=scope, author=cast.max, now=now)
    # What nobody foresaw.
    with monkeypatch.context() as broken:
        broken.setattr(exporting, "safe_cell", None)
        with pytest.raises(TypeError):
            run_export(cast.bakery.pk, export.pk)
    shown = client.get(pages).content.decode()
    assert "An error of ours stopped the file" in shown
    assert f"{pages}{export.pk}/retry/" in shown
    assert signed_in(cast.ben).post(f"{pages}{export.pk}/retry/").status_code == 404
    assert client.post(f"{pages}{export.pk}/retry/")["Location"] == pages
    assert run_export(cast.bakery.pk, export.pk).state == ImportState.DONE
    assert "An error of ours" not in client.get(pages).content.decode()
    with tenant(cast.bakery.pk), pytest.raises(ExportRefused, match="not stopped by an error"):
        retry_export(cast.bakery, export, now=now)


def test_d2_an_export_that_is_written_while_somebody_is_erased_begins_anew(
    cast: Cast, scope: ConsentScope, people: dict[str, Participant], now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        export = start_export(cast.bakery, scope=scope, author=cast.max, now=now)
    moments = iter([now, now])

    def clock() -> datetime:
        """Between its beginning and its end, somebody goes."""
        moment = next(moments)
        if len(erased) < 1 and PeopleExport.objects.filter(state="running").exists():
            erased.append(erase_participant(cast.bakery, people["none"], actor=cast.dana, reason="", now=now))
        return moment

    erased: list[Any] = []
    with tenant(cast.bakery.pk):
        assert run_export(cast.bakery.pk, export.pk, clock=clock).state == ImportState.QUEUED
        assert len(erased) == 1
        again = run_export(cast.bakery.pk, export.pk, clock=lambda: now)
        with again.file.open("rb") as file:
            assert b"none@" not in file.read()
    assert (again.state, again.rows) == (ImportState.DONE, 5)
