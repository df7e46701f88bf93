"""Consent columns of a file: C6 (a person's own act outranks it) and C7 (a yes needs its provenance)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent
from consent.rules import BEGINNING, ChoiceValue
from intake.models import Import
from participants.models import Participant
from tests.intake.importing import PROVENANCE, counted, import_text, issues_of
from tests.support.cast import Cast
from tests.support.world import choose, make_participant, make_website
from tracking.services import NewTracked, register_content, register_messages

pytestmark = pytest.mark.django_db

HEADER = "email,consent_email_tracking,consent_email_opens,consent_email_clicks\n"
# The day begins where the organization is.
COLLECTED = datetime(2024, 5, 1, tzinfo=ZoneInfo("Europe/Brussels"))


def run(cast: Cast, rows: str, now: datetime, **options: Any) -> Import:
    return import_text(cast.bakery, HEADER + rows, now=now, **options)


def choice(cast: Cast, email: str = "ana@b.example") -> tuple[str, str]:
    with tenant(cast.bakery.pk):
        found = Choice.objects.filter(participant__email_norm=email).first()
    return (found.opens, found.clicks) if found else ("unknown", "unknown")


def test_c7_a_yes_with_provenance_is_recorded_with_it(cast: Cast, now: datetime) -> None:
    done = run(cast, "ana@b.example,yes,,\n", now, provenance=PROVENANCE, author=cast.max)
    assert counted(done) == {"created": 1, "choices_recorded": 2}
    assert done.provenance == PROVENANCE
    with tenant(cast.bakery.pk):
        found = Choice.objects.get()
        event = ChoiceEvent.objects.select_related("consent_text").get(kind="opens")
    assert (found.opens, found.opens_source, found.opens_at) == ("yes", "import", COLLECTED)
    # H1: the yes holds since it was recorded, not since it was given.
    assert (found.opens_yes_since, found.opens_not_no_since) == (now, BEGINNING)
    assert (event.happened_at, event.recorded_at) == (COLLECTED, now)
    assert (event.consent_text.text, event.evidence, event.method) == (
        PROVENANCE["wording"],
        {"import": done.pk},
        f"import:{done.pk}",
    )
    assert event.actor_id == cast.max.pk


def test_c7_a_yes_without_provenance_stays_unknown_and_is_listed(cast: Cast, now: datetime) -> None:
    done = run(cast, "ana@b.example,yes,,\nmax@b.example,,yes,no\n", now)
    assert counted(done) == {"created": 2, "choices_recorded": 1, "yes_without_provenance": 3, "listed": 3}
    assert choice(cast) == ("unknown", "unknown")
    assert choice(cast, "max@b.example") == ("unknown", "no")
    assert issues_of(done) == [
        (2, "consent_email_opens", "yes_without_provenance"),
        (2, "consent_email_clicks", "yes_without_provenance"),
        (3, "consent_email_opens", "yes_without_provenance"),
    ]


def test_c7_only_who_vouches_is_no_provenance(cast: Cast, now: datetime) -> None:
    done = run(cast, "ana@b.example,yes,,\n", now, provenance={"vouched_by": "Ana"})
    assert done.provenance == {}
    assert choice(cast) == ("unknown", "unknown")


def test_c7_a_column_about_both_is_listed_once(cast: Cast, now: datetime) -> None:
    done = import_text(cast.bakery, "email,consent_email_tracking\nana@b.example,yes\n", now=now)
    assert issues_of(done) == [(2, "consent_email_tracking", "yes_without_provenance")]


def test_c7_a_no_needs_no_provenance(cast: Cast, now: datetime) -> None:
    done = run(cast, "ana@b.example,nein,,\n", now)
    assert choice(cast) == ("no", "no")
    assert counted(done) == {"created": 1, "choices_recorded": 2}


@pytest.mark.parametrize("word", ["yes", "TRUE", "1", "oui", "ja", "sì", "si"])
def test_c7_words_for_yes(cast: Cast, now: datetime, word: str) -> None:
    run(cast, f"ana@b.example,{word},,\n", now, provenance=PROVENANCE)
    assert choice(cast) == ("yes", "yes")


def test_c7_an_empty_cell_changes_nothing(cast: Cast, now: datetime) -> None:
    run(cast, "ana@b.example,yes,,\n", now, provenance=PROVENANCE)
    assert counted(run(cast, "ana@b.example,,,\n", now, provenance=PROVENANCE)) == {"unchanged": 1}
    assert choice(cast) == ("yes", "yes")


def test_c7_an_unknown_word_leaves_the_choice_and_lists_the_cell(cast: Cast, now: datetime) -> None:
    done = run(cast, "ana@b.example,,yes,perhaps\n", now, provenance=PROVENANCE)
    assert choice(cast) == ("yes", "unknown")
    assert issues_of(done) == [(2, "consent_email_clicks", "consent_unreadable")]


def test_c6_a_persons_own_no_stands_against_any_file(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now)
    choose(cast.bakery, ana, now=now - timedelta(days=300), opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    done = run(cast, "ana@b.example,yes,,\n", now, provenance=PROVENANCE)
    assert choice(cast) == ("no", "no")
    assert counted(done) == {"unchanged": 1, "kept_persons_own": 2, "listed": 2}
    assert issues_of(done) == [
        (2, "consent_email_opens", "kept_persons_own"),
        (2, "consent_email_clicks", "kept_persons_own"),
    ]


def test_c6_a_newer_yes_of_the_person_stands_against_an_older_no_of_a_file(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now)
    choose(cast.bakery, ana, now=now - timedelta(days=1), opens=ChoiceValue.YES)
    done = run(cast, "ana@b.example,,no,\n", now, provenance=PROVENANCE)
    assert choice(cast) == ("yes", "unknown")
    assert done.counts["kept_persons_own"] == 1


def test_c6_a_no_of_an_earlier_file_is_not_undone_by_a_later_file(cast: Cast, now: datetime) -> None:
    run(cast, "ana@b.example,no,,\n", now)
    done = run(cast, "ana@b.example,yes,,\n", now + timedelta(days=1), provenance=PROVENANCE)
    assert choice(cast) == ("no", "no")
    assert done.counts["kept_no"] == 2


def test_c11_people_who_refuse_by_a_file_have_their_hits_deleted(
    cast: Cast, now: datetime, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = make_participant(cast.bakery, "ana@b.example", now=now)
    make_participant(cast.bakery, "max@b.example", now=now)
    website = make_website(cast.bakery, cast.ana, now=now)
    content = register_content(cast.bakery, website, [])
    copies = [NewTracked(participant_id=measured.pk, country="BE", opens="individual", clicks="individual")]
    register_messages(cast.bakery, content, copies, decided_at=now)
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("common.jobs.current_app.send_task", lambda name, kwargs, **_more: asked.append((name, kwargs)))
    with django_capture_on_commit_callbacks(execute=True):
        run(cast, "ana@b.example,,no,\nmax@b.example,no,,\nnew@b.example,no,,\n", now)
    wanted = {"organization_id": cast.bakery.pk, "participant_id": measured.pk, "kind": "opens"}
    wanted["scope_id"] = website.consent_scope_id
    assert asked == [("tracking.delete_hits_of_participant", wanted)]
    with tenant(cast.bakery.pk):
        assert Participant.objects.count() == 3
