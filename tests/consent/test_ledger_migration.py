"""Answers from before the chains: the migration gives each its scope, its text and its place, and can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db.migrations.state import StateApps

from common.keys import new_key
from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent, ConsentText, PreferenceKey
from consent.verification import verify_ledger
from participants.models import Participant
from tests.support.cast import make_cast
from tests.support.databases import database_beside, migrate_apps, migrate_before, migrate_to, working_in
from tests.support.world import later
from websites.models import ConsentScope

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

BEFORE = ("consent", "0006_pending_and_paused")
LEDGER = ("consent", "0007_ledger_tables")
# What a choice, its person and its scope consist of.
CONCERNED = ("accounts", "participants", "websites", "consent", "tracking")


@pytest.fixture
def before_the_chains(transactional_db: None) -> Iterator[StateApps]:
    """In a database of its own."""
    with database_beside("before_the_chains") as database, working_in(database):
        yield migrate_before(LEDGER)


def test_c5_answers_from_before_are_chained_and_the_way_back_keeps_them(
    before_the_chains: StateApps, now: datetime
) -> None:
    cast = make_cast(now)

    def create(model: str, **fields: Any) -> Any:
        manager = before_the_chains.get_model(model).objects.using("owner")
        return manager.create(organization_id=cast.bakery.pk, **fields)

    zoe = create("participants.Participant", email="zoe@a.example", email_norm="zoe@a.example")
    said = {"opens": "no", "opens_source": "person", "opens_at": later(now, hours=1)}
    create("consent.Choice", participant_id=zoe.pk, **said)
    create("consent.PreferenceKey", participant_id=zoe.pk, key=new_key())
    for hours, value, wording in ((0, "yes", "May we?"), (1, "no", "")):
        at = later(now, hours=hours)
        create(
            "consent.ChoiceEvent", participant_id=zoe.pk, kind="opens", value=value, source="person", method="test",
            happened_at=at, recorded_at=at, wording=wording, evidence={"note": "é"}, actor_id=cast.max.pk,
        )  # fmt: skip
    # Somebody whose row is gone.
    create(
        "consent.ChoiceEvent", participant_id=zoe.pk + 99, kind="clicks", value="no", source="import",
        method="import:1",
        happened_at=now, recorded_at=now, wording="May we?", evidence={},
    )  # fmt: skip

    migrate_apps(*CONCERNED)
    with tenant(cast.bakery.pk):
        assert list(verify_ledger(cast.bakery)) == []
        scope = ConsentScope.objects.get(is_default=True)
        assert Choice.objects.get().scope == PreferenceKey.objects.get().scope == scope
        mine = ChoiceEvent.objects.filter(subject=Participant.objects.get().ledger_id).order_by("seq")
        assert [(one.seq, one.value, one.scope_id, one.actor_id) for one in mine] == [
            (1, "yes", scope.pk, cast.max.pk),
            (2, "no", scope.pk, cast.max.pk),
        ]
        assert ChoiceEvent.objects.count() == 3
        assert sorted(ConsentText.objects.values_list("place", "version", "text")) == [
            ("import:1", 1, "May we?"),
            ("test", 1, "May we?"),
        ]

    old = migrate_to(BEFORE)
    events = old.get_model("consent.ChoiceEvent").objects.using("owner").order_by("id")
    assert list(events.values_list("participant_id", "value", "wording")) == [
        (zoe.pk, "yes", "May we?"),
        (zoe.pk, "no", ""),
        (0, "no", "May we?"),
    ]
