"""Rule C11: past hits of somebody who withdraws are deleted or made anonymous, and what was counted stays."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from accounts.models import Organization
from common.tenancy import tenant
from tests.support.hits import DECIDED_AT, Copies, batch_of, recorder_connection, store
from tracking import forgetting, tasks
from tracking.models import ForgottenTotal, Hit, HitKeeping, HitKind, HitsForgotten, PastHits, TrackedMessage
from tracking.recorder import CLICK, OPEN, RECORD_HITS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def anonymise(organization: Organization) -> None:
    with tenant(organization.pk):
        HitKeeping.objects.create(organization=organization, on_withdrawal=PastHits.ANONYMISE)


def crowd(copies: Copies, size: int = forgetting.SMALLEST_CROWD) -> list[TrackedMessage]:
    """Sent copies of so many people, the first of whom opens and clicks twice."""
    made = [copies.copy() for _ in range(size)]
    first = made[0].key.hex
    for copy in made:
        store(batch_of(copy.key.hex))
    store(batch_of(first))
    store(batch_of(first, first, kind=CLICK, link_number=2))
    store(batch_of(first, kind=CLICK, link_number=3, actor=2))
    return made


def totals(copies: Copies) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    with tenant(copies.organization.pk):
        return {
            (row.kind, row.link_number): (row.human_people, row.unsure_people, row.machine_people, row.human_hits)
            for row in ForgottenTotal.objects.all()
        }


def withdraw(copies: Copies, copy: TrackedMessage, kind: str) -> None:
    tasks.delete_hits_of_participant(copies.organization.pk, copy.participant_id, kind)


def test_c11_deleted_hits_stay_counted_and_the_person_can_be_told(copies: Copies) -> None:
    first, *_others = crowd(copies)
    withdraw(copies, first, "opens")
    withdraw(copies, first, "clicks")
    assert totals(copies) == {(1, 0): (1, 0, 0, 2), (2, 0): (1, 0, 0, 2), (2, 2): (1, 0, 0, 2), (2, 3): (0, 0, 1, 0)}
    with tenant(copies.organization.pk):
        assert not Hit.objects.filter(tracked_message=first).exists()
        told = HitsForgotten.objects.order_by("kind").values_list("participant_id", "kind", "done", "hits")
        assert list(told) == [(first.participant_id, 1, "delete", 2), (first.participant_id, 2, "delete", 3)]


def test_c11_anonymous_hits_keep_content_kind_and_day_and_nothing_else(copies: Copies) -> None:
    anonymise(copies.organization)
    first, *_others = crowd(copies)
    withdraw(copies, first, "clicks")
    with tenant(copies.organization.pk):
        left = Hit.objects.filter(tracked_message=None)
        assert {(hit.kind, hit.link_number, hit.content_id) for hit in left} == {
            (2, 2, copies.content.pk), (2, 3, copies.content.pk),
        }  # fmt: skip
        assert {hit.received_at.astimezone(UTC).time() for hit in left} == {datetime.min.time()}
        assert HitsForgotten.objects.get().done == PastHits.ANONYMISE
        # The opens are another choice.
        assert Hit.objects.filter(tracked_message=first, kind=HitKind.OPEN).count() == 2
    assert totals(copies)[2, 0] == (1, 0, 0, 2)


def test_c11_a_hit_among_few_people_is_deleted_since_its_day_would_name_them(copies: Copies) -> None:
    anonymise(copies.organization)
    first, *_others = crowd(copies, size=forgetting.SMALLEST_CROWD - 1)
    withdraw(copies, first, "opens")
    with tenant(copies.organization.pk):
        assert not Hit.objects.filter(tracked_message=None).exists()
        assert HitsForgotten.objects.get().done == PastHits.DELETE


def test_c11_what_comes_late_is_deleted_and_counts_nowhere(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    anonymise(copies.organization)
    first, *_others = crowd(copies)
    asked = []
    monkeypatch.setattr(tasks.delete_hits_of_participant, "apply_async", lambda kwargs, countdown: asked.append(kwargs))
    with recorder_connection() as slow, slow.transaction():
        slow.execute(RECORD_HITS, batch_of(first.key.hex).parameters())
        withdraw(copies, first, "opens")
    tasks.delete_hits_of_participant(**asked[0])
    assert totals(copies) == {(1, 0): (1, 0, 0, 2)}
    with tenant(copies.organization.pk):
        assert not Hit.objects.filter(tracked_message=first, kind=HitKind.OPEN).exists()


def test_s6_what_an_exempt_purpose_recorded_is_added_to_no_total(copies: Copies) -> None:
    copy = copies.copy(exempt_purpose="authentication")
    store(batch_of(copy.key.hex))
    withdraw(copies, copy, "opens")
    assert totals(copies) == {}
    assert copies.hits() == []


def test_c11_a_withdrawal_in_one_scope_leaves_other_websites_alone(copies: Copies) -> None:
    copy = copies.copy()
    store(batch_of(copy.key.hex))
    other_scope = copies.website.consent_scope_id + 1
    assert forgetting.forget_hits(
        copies.organization.pk, copy.participant_id, HitKind.OPEN, scope_id=other_scope, now=timezone.now()
    ) == {PastHits.DELETE: 0, PastHits.ANONYMISE: 0}
    assert len(copies.hits()) == 1
    tasks.delete_hits_of_participant(
        copies.organization.pk, copy.participant_id, "opens", scope_id=copies.website.consent_scope_id
    )
    assert copies.hits() == []


def test_d2_a_hit_recorded_during_an_erasure_goes_once_its_statement_has_ended(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copies.copy(decided_at=DECIDED_AT)
    gone = {str(copies.content.pk): [copy.pk]}
    asked = []
    monkeypatch.setattr(tasks.delete_hits_of_copies, "apply_async", lambda kwargs, countdown: asked.append(kwargs))
    with recorder_connection() as slow, slow.transaction():
        assert slow.execute(RECORD_HITS, batch_of(copy.key.hex, kind=OPEN).parameters()).rowcount == 1
        tasks.delete_hits_of_copies(copies.organization.pk, gone)
    assert len(copies.hits()) == 1
    tasks.delete_hits_of_copies(**asked[0])
    assert copies.hits() == []
    assert len(asked) == 1
