"""Answers that were kept as an attribute, or came without provenance, on their way into the native field (C6, C7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from django.db import OperationalError

from accounts.models import Organization
from common.tenancy import call_door, tenant
from consent.models import Choice, ChoiceEvent
from consent.rules import ChoiceValue
from consent.verification import verify_ledger
from intake import moving
from intake.imports import run_import
from intake.models import ConsentMove, ImportState, UnprovenYes
from intake.moving import (
    MovePlan,
    MoveRefused,
    add_evidence,
    attribute_values,
    continue_move,
    run_move,
    start_move,
    try_move,
)
from participants.models import Participant
from tests.campaigns.console import signed_in
from tests.intake.importing import prepare
from tests.support.cast import Cast
from tests.support.killed import Killed
from tests.support.world import choose, later, make_participant
from websites.models import ConsentScope

pytestmark = pytest.mark.django_db

PROVENANCE = {
    "where": "Shop checkout",
    "collected_at": "2026-06-01",
    "wording": "May we measure?",
    "evidence": "Contract folder 7",
    "vouched_by": "Ana",
}
MAPPING = {"Oui": "yes", "Non": "no", "peut-être": ""}


def plan(scope: ConsentScope, **changes: Any) -> MovePlan:
    return MovePlan(**{"attribute": "optin", "scope": scope, "mapping": MAPPING, "provenance": PROVENANCE, **changes})


def move(organization: Organization, wanted: MovePlan, author: Any, now: datetime) -> ConsentMove:
    with tenant(organization.pk):
        started = start_move(organization, wanted, author=author, now=now)
        return run_move(organization.pk, started.pk, clock=lambda: now)


def answers(cast: Cast) -> dict[str, tuple[str, str]]:
    with tenant(cast.bakery.pk):
        return {
            row.participant.email.partition("@")[0]: (row.opens, row.clicks)
            for row in Choice.objects.select_related("participant")
        }


def test_a_move_says_before_what_it_does_after(
    cast: Cast, scope: ConsentScope, people: dict[str, Participant], now: datetime
) -> None:
    wanted, then = plan(scope), later(now, hours=1)
    with tenant(cast.bakery.pk):
        assert attribute_values(cast.bakery, "optin") == [("Oui", 3), ("Non", 1), ("peut-être", 1)]
        before = ChoiceEvent.objects.count()
        promised = try_move(cast.bakery, wanted, author=cast.ana, now=then)
        assert ChoiceEvent.objects.count() == before
        assert not ConsentMove.objects.exists()
    assert promised == {"people": 4, "applied": 6, "kept_persons_own": 2}
    done = move(cast.bakery, wanted, cast.ana, then)
    assert (done.state, done.counts) == (ImportState.DONE, promised)
    assert answers(cast) == {
        "yes": ("yes", "yes"), "spaced": ("yes", "yes"), "no": ("no", "no"), "refuser": ("no", "no"),
    }  # fmt: skip
    with tenant(cast.bakery.pk):
        event = ChoiceEvent.objects.filter(method=f"move:{done.pk}").first()
        assert event is not None
        assert (event.source, event.evidence, event.actor) == ("import", {"move": done.pk}, cast.ana)
        assert run_move(cast.bakery.pk, done.pk, clock=lambda: then).counts == promised


def test_c6_a_move_never_turns_a_persons_no(
    cast: Cast, scope: ConsentScope, people: dict[str, Participant], now: datetime
) -> None:
    done = move(cast.bakery, plan(scope, mapping={"Oui": "yes"}), cast.ana, later(now, hours=1))
    assert done.counts["kept_persons_own"] == 2
    assert answers(cast)["refuser"] == ("no", "no")


def test_a_move_may_be_about_clicks_alone(
    cast: Cast, scope: ConsentScope, people: dict[str, Participant], now: datetime
) -> None:
    move(cast.bakery, plan(scope, opens=False), cast.ana, later(now, hours=1))
    assert answers(cast)["yes"] == ("unknown", "yes")


def test_c7_without_provenance_a_yes_stays_unknown_until_somebody_adds_the_evidence(
    cast: Cast, scope: ConsentScope, people: dict[str, Participant], now: datetime
) -> None:
    incomplete = plan(scope, provenance={**PROVENANCE, "evidence": " "})
    done = move(cast.bakery, incomplete, cast.ana, later(now, hours=1))
    assert done.counts == {"people": 4, "applied": 2, "no_provenance": 4, "kept_persons_own": 2}
    assert answers(cast) == {"no": ("no", "no"), "refuser": ("no", "no")}
    with tenant(cast.bakery.pk):
        assert {one.participant_id for one in UnprovenYes.objects.all()} == {people["yes"].pk, people["spaced"].pk}
    choose(cast.bakery, people["spaced"], opens=ChoiceValue.NO, now=later(now, hours=2))
    with tenant(cast.bakery.pk):
        with pytest.raises(MoveRefused, match="All of it is needed"):
            add_evidence(cast.bakery, done, provenance={}, author=cast.ana, now=now)
        proven = add_evidence(cast.bakery, done, provenance=PROVENANCE, author=cast.ana, now=later(now, hours=3))
        proven = run_move(cast.bakery.pk, proven.pk, clock=lambda: later(now, hours=3))
        assert not UnprovenYes.objects.exists()
        with pytest.raises(MoveRefused, match="No yes waits"):
            add_evidence(cast.bakery, done, provenance=PROVENANCE, author=cast.ana, now=now)
    assert proven.counts == {"people": 2, "applied": 3, "kept_persons_own": 1}
    assert answers(cast)["yes"] == ("yes", "yes")
    assert answers(cast)["spaced"] == ("no", "yes")


def test_c7_an_import_lists_its_unproven_yeses_too(cast: Cast, scope: ConsentScope, now: datetime) -> None:
    source = prepare(cast.bakery, "email,consent_email_tracking\nzoe@mail.example.org,yes\n", now=now)
    with tenant(cast.bakery.pk):
        done = run_import(cast.bakery.pk, source.pk, clock=lambda: now)
        assert done.counts["yes_without_provenance"] == 2
        assert [(one.opens, one.clicks, one.source_import) for one in UnprovenYes.objects.all()] == [(True, True, done)]
        proven = add_evidence(cast.bakery, done, provenance=PROVENANCE, author=cast.ana, now=later(now, hours=1))
        run_move(cast.bakery.pk, proven.pk, clock=lambda: later(now, hours=1))
    assert answers(cast) == {"zoe": ("yes", "yes")}


def test_a_plan_that_says_nothing_is_refused(cast: Cast, scope: ConsentScope, now: datetime) -> None:
    for wrong in (plan(scope, mapping={"Oui": ""}), plan(scope, opens=False, clicks=False)):
        with tenant(cast.bakery.pk), pytest.raises(MoveRefused):
            start_move(cast.bakery, wrong, author=cast.ana, now=now)


# --- Cut short --------------------------------------------------------------------------------------------------------


@pytest.fixture
def stop_in_chunk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Chunks of two people; one of them writes everything, and does not get to its end."""
    real = moving.record_choices
    monkeypatch.setattr(moving, "CHUNK", 2)

    def stop(number: int, error: BaseException) -> None:
        chunks = count(1)

        def record(*args: Any, **options: Any) -> Any:
            verdicts = real(*args, **options)
            if next(chunks) == number:
                raise error
            return verdicts

        monkeypatch.setattr(moving, "record_choices", record)

    return stop


def begin(cast: Cast, scope: ConsentScope, now: datetime, people: int = 7) -> ConsentMove:
    for number in range(people):
        make_participant(cast.bakery, f"p{number}@mail.example.org", attributes={"optin": "Oui"}, now=now)
    with tenant(cast.bakery.pk):
        return start_move(cast.bakery, plan(scope), author=cast.ana, now=now)


def require_whole(cast: Cast, done: ConsentMove, people: int = 7) -> None:
    assert (done.state, done.message) == (ImportState.DONE, "")
    assert done.counts == {"people": people, "applied": 2 * people}
    assert answers(cast) == dict.fromkeys((f"p{number}" for number in range(people)), ("yes", "yes"))
    with tenant(cast.bakery.pk):
        # Each once: opens and clicks.
        assert ChoiceEvent.objects.count() == 2 * people
        assert [*verify_ledger(cast.bakery)] == []


def test_a_move_that_was_killed_goes_on_after_its_last_chunk(
    cast: Cast, scope: ConsentScope, stop_in_chunk: Callable[[int, BaseException], None], now: datetime
) -> None:
    started = begin(cast, scope, now)
    stop_in_chunk(2, Killed())
    with pytest.raises(Killed):
        run_move(cast.bakery.pk, started.pk, clock=lambda: now)
    with tenant(cast.bakery.pk):
        started.refresh_from_db()
        assert (started.state, started.counts) == (ImportState.RUNNING, {"people": 2, "applied": 4})
        assert ChoiceEvent.objects.count() == 4
    soon, later_on = later(now, seconds=30), later(now, minutes=2)
    assert run_move(cast.bakery.pk, started.pk, clock=lambda: soon).state == ImportState.RUNNING
    assert (cast.bakery.pk, started.pk) in call_door("door_waiting_moves", [later_on])
    require_whole(cast, run_move(cast.bakery.pk, started.pk, clock=lambda: later_on))
    assert call_door("door_waiting_moves", [later(now, days=1)]) == []


def test_a_move_that_fails_says_so_and_goes_on_when_it_is_asked_to(
    cast: Cast, scope: ConsentScope, stop_in_chunk: Callable[[int, BaseException], None], now: datetime
) -> None:
    started = begin(cast, scope, now)
    stop_in_chunk(3, RuntimeError())
    with pytest.raises(RuntimeError):
        run_move(cast.bakery.pk, started.pk, clock=lambda: now)
    # It is not tried again by itself.
    assert call_door("door_waiting_moves", [later(now, days=1)]) == []
    address = f"/console/intake/consentmove/{started.pk}/"
    page = signed_in(cast.max).get(f"{address}change/").content.decode()
    assert "An error of ours stopped the move." in page
    assert "<dt>People</dt><dd>4</dd>" in page
    assert "Go on with" not in signed_in(cast.dana).get(f"{address}change/").content.decode()
    assert signed_in(cast.dana).post(f"{address}continue/").status_code == 403
    assert signed_in(cast.cleo).post(f"{address}continue/").status_code == 404
    assert "The move goes on." in signed_in(cast.max).post(f"{address}continue/", follow=True).content.decode()
    done = run_move(cast.bakery.pk, started.pk, clock=lambda: later(now, minutes=2))
    require_whole(cast, done)
    with tenant(cast.bakery.pk), pytest.raises(MoveRefused, match="cannot go on"):
        continue_move(cast.bakery, done, now=now)


def test_a_move_waits_for_a_database_that_is_away(
    cast: Cast, scope: ConsentScope, stop_in_chunk: Callable[[int, BaseException], None], now: datetime
) -> None:
    started = begin(cast, scope, now)
    stop_in_chunk(1, OperationalError())
    with pytest.raises(OperationalError):
        run_move(cast.bakery.pk, started.pk, clock=lambda: now)
    require_whole(cast, run_move(cast.bakery.pk, started.pk, clock=lambda: later(now, minutes=2)))


# --- The pages --------------------------------------------------------------------------------------------------------

ADD = "/console/intake/consentmove/add/"
FORM = {"attribute": "optin", "about": "both", "value_0": "yes", "value_1": "no", "value_2": "", **PROVENANCE}


def test_the_pages_lead_from_an_attribute_to_its_report(
    cast: Cast, scope: ConsentScope, people: dict[str, Participant]
) -> None:
    client = signed_in(cast.max)
    assert "<option>optin</option>" in client.get(ADD).content.decode()
    page = client.get(ADD, {"attribute": "optin"}).content.decode()
    assert "peut-être" in page
    form = {**FORM, "scope": scope.pk}
    tried = client.post(ADD, {**form, "try": "1"}).content.decode()
    assert "What it would do" in tried
    assert '<span class="campaigns-count">6</span> <span>Applied.</span>' in tried
    assert answers(cast) == {"refuser": ("no", "no")}
    refused = client.post(ADD, {**form, "value_0": "", "value_1": "", "start": "1"})
    assert refused.status_code == 422
    assert "at least one value" in refused.content.decode()
    started = client.post(ADD, {**form, "evidence": "", "start": "1"})
    with tenant(cast.bakery.pk):
        move_ = ConsentMove.objects.get()
        run_move(cast.bakery.pk, move_.pk)
    report = client.get(started["Location"]).content.decode()
    assert "2 people said yes, but nobody said how." in report
    listed = client.get("/console/intake/consentmove/unproven/").content.decode()
    evidence = f"/console/intake/consentmove/unproven/move/{move_.pk}/"
    assert f'href="{evidence}"' in listed
    assert client.post(evidence, {**PROVENANCE, "wording": ""}).status_code == 422
    assert client.post(evidence, PROVENANCE).status_code == 302
    with tenant(cast.bakery.pk):
        run_move(cast.bakery.pk, ConsentMove.objects.latest("pk").pk)
    assert answers(cast)["yes"] == ("yes", "yes")


def test_viewers_see_none_of_it(cast: Cast, scope: ConsentScope, people: dict[str, Participant]) -> None:
    client = signed_in(cast.ben)
    for page in ("consentmove/", "consentmove/add/", "consentmove/unproven/", "peopleexport/"):
        assert client.get(f"/console/intake/{page}").status_code == 403
    assert client.post("/console/intake/peopleexport/start/", {"scope": scope.pk}).status_code == 403
