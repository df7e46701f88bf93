"""What is measured on copies that are about to leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from consent.grounds import Decided, decisions_for
from consent.rules import Kind, Level, Reason, Untracked
from delivery.models import Mailing
from delivery.rules import needs_subscription
from tracking.services import NewTracked, SharedAddress, register_anonymous


def decisions_now(mailing: Mailing, people: Sequence[int], *, now: datetime) -> dict[int, Decided]:
    """Who is not subscribed gets no mail of a topic, so whoever gets it is."""
    decided = decisions_for(
        mailing.organization,
        mailing.website,
        people,
        purpose=mailing.purpose,
        now=now,
        exempt_approved=_is_exempt_approved(mailing),
        subscribed_mail=_is_subscribed_mail(mailing),
        untracked=Untracked(mailing.untracked) if mailing.untracked else None,
    )
    return without_totals(decided) if mailing.without_totals else decided


def without_totals(decided: dict[int, Decided]) -> dict[int, Decided]:
    """What is decided for versions of an A/B test: totals without a person are not split by version (rule S9)."""
    return {person: _uncounted(one) for person, one in decided.items()}


def _uncounted(decided: Decided) -> Decided:
    spared: dict[str, Any] = {}
    for kind, level in _levels(decided):
        if level == Level.ANONYMOUS:
            spared |= {kind.value: Level.NONE, f"{kind}_reason": Reason.VERSION_OF_A_TEST}
    return replace(decided, decision=replace(decided.decision, **spared)) if spared else decided


def _is_exempt_approved(mailing: Mailing) -> bool:
    """Asked of the table: an approval may be withdrawn while a worker has the mailing in hand (rule S6)."""
    return mailing.exempt_approved and Mailing.objects.filter(pk=mailing.pk, exempt_approved=True).exists()


def _is_subscribed_mail(mailing: Mailing) -> bool:
    return mailing.topic_id is not None and needs_subscription(mailing.purpose)


def decide_copies(mailing: Mailing, people: Sequence[int], *, now: datetime) -> tuple[dict[int, Decided], UUID | None]:
    """What is done for each copy, and the key under which the launch counts people anonymously.

    A launch has one such key. A country that began to permit totals only after its first copy has no part in it.
    """
    decided = decisions_now(mailing, people, now=now)
    countries: dict[str, set[str]] = {kind: set() for kind in Kind}
    for one in decided.values():
        for kind, level in _levels(one):
            if level == Level.ANONYMOUS:
                countries[kind].add(one.country)
    shared = register_anonymous(mailing.organization, mailing.snapshot.tracked_content, countries, decided_at=now)
    if shared is None:
        return decided, None
    return {person: _with_part_in(one, shared) for person, one in decided.items()}, shared.key


def _with_part_in(decided: Decided, shared: SharedAddress) -> Decided:
    decision = decided.decision
    for kind, level in _levels(decided):
        if level == Level.ANONYMOUS and decided.country not in shared.countries[kind]:
            later: dict[str, Any] = {kind.value: Level.NONE, f"{kind}_reason": Reason.PERMISSION_BEGAN_LATER}
            decision = replace(decision, **later)
    return replace(decided, decision=decision)


def _levels(decided: Decided) -> tuple[tuple[Kind, Level], tuple[Kind, Level]]:
    return (Kind.OPENS, decided.decision.opens), (Kind.CLICKS, decided.decision.clicks)


def has_own_key(decided: Decided) -> bool:
    """Whether something is measured that belongs to this person."""
    return any(level in (Level.INDIVIDUAL, Level.LAST_OPEN_DAY) for _kind, level in _levels(decided))


def is_counted(decided: Decided) -> bool:
    """Whether something is counted under the address that all such copies of the launch share."""
    return any(level == Level.ANONYMOUS for _kind, level in _levels(decided))


def own_part(mailing: Mailing, participant_id: int, decided: Decided) -> NewTracked:
    """What is kept of a copy beside the key of its own."""
    decision = decided.decision
    return NewTracked(
        participant_id,
        decided.country,
        decision.opens,
        decision.clicks,
        exempt_purpose=decision.exempt or "",
        subscribed=_is_subscribed_mail(mailing),
    )


def is_weakened(then: Decided, current: Decided | None) -> bool:
    """Whether anything that was decided as measured would be decided otherwise now."""
    if current is None or then.decision.exempt != current.decision.exempt:
        return True
    return any(
        before != Level.NONE and after != before
        for (_kind, before), (_same, after) in zip(_levels(then), _levels(current), strict=True)
    )
