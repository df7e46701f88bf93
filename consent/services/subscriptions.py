"""Permissions to send: asked for, confirmed, paused, ended, begun again. Says nothing about measuring (rule C1).

Each act is appended to a register of its own; ``Subscription`` is what stands now, written in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Organization, User
from common.journal import Act, write_acts
from common.keys import new_key
from consent.ledger import asks_for_topic, require_asked, wording_of_topic
from consent.models import (
    Basis,
    ConsentText,
    PreferenceKey,
    Subscription,
    SubscriptionAct,
    SubscriptionEvent,
    Topic,
)
from participants.models import Participant
from websites.services import ensure_default_scope


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """How an act came about."""

    now: datetime
    source: str = ""
    consent_text: ConsentText | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    actor: User | None = None


@transaction.atomic
def subscribe(
    organization: Organization,
    participant: Participant,
    topic: Topic,
    *,
    basis: Basis,
    source: str,
    now: datetime,
    wording: str = "",
    double_opt_in: bool = False,
    consent_text: ConsentText | None = None,
    evidence: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> Subscription:
    """Permit sending the mail of a topic to a person.

    One that is subscribed already keeps how it came about. With ``double_opt_in`` nothing is sent before
    ``confirm_subscription``.
    """
    require_asked(consent_text, [asks_for_topic(topic)])
    subscription = _lock(organization, participant, topic)
    if subscription is not None and _is_active(subscription):
        return subscription
    text = consent_text or wording_of_topic(organization, topic, wording, author=actor, now=now)
    if subscription is None:
        act = SubscriptionAct.SUBSCRIBED
        subscription = Subscription(organization=organization, participant=participant, topic=topic)
    else:
        act = SubscriptionAct.RESUBSCRIBED
    subscription.basis = Basis.DOUBLE_OPT_IN if double_opt_in else basis
    subscription.source, subscription.wording = source[:120], text.text if text else wording
    subscription.subscribed_at = now
    subscription.pending_since = now if double_opt_in else None
    subscription.confirmed_at = subscription.unsubscribed_at = None
    subscription.paused_at = subscription.paused_until = None
    subscription.save()
    how = _Act(now=now, source=source, consent_text=text, evidence=evidence or {}, actor=actor)
    _append(subscription, SubscriptionAct.REQUESTED if double_opt_in else act, how)
    return subscription


@transaction.atomic
def confirm_subscription(
    organization: Organization,
    subscription: Subscription,
    *,
    now: datetime,
    source: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> bool:
    """The person showed that the address is theirs. False when nothing waited for that (any more)."""
    current = _lock(organization, subscription.participant, subscription.topic)
    if current is None or current.pending_since is None or current.unsubscribed_at is not None:
        return False
    current.pending_since, current.confirmed_at = None, now
    current.save(update_fields=["pending_since", "confirmed_at"])
    _append(current, SubscriptionAct.CONFIRMED, _Act(now=now, source=source, evidence=evidence or {}))
    return True


@transaction.atomic
def unsubscribe(
    organization: Organization,
    participant: Participant,
    topic: Topic,
    *,
    now: datetime,
    source: str = "",
    evidence: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> bool:
    """End it. False when there was nothing to end."""
    current = _lock(organization, participant, topic)
    if current is None or current.unsubscribed_at is not None:
        return False
    current.unsubscribed_at = now
    current.pending_since = current.paused_at = current.paused_until = None
    current.save(update_fields=["unsubscribed_at", "pending_since", "paused_at", "paused_until"])
    # A restored backup must not forget it (rule D3).
    subjects = Participant.objects.filter(pk=participant.pk).values_list("ledger_id", flat=True)
    write_acts(Act.UNSUBSCRIBED, organization.pk, list(subjects), at=now, topic=topic.pk)
    how = _Act(now=now, source=source, evidence=evidence or {}, actor=actor)
    _append(current, SubscriptionAct.UNSUBSCRIBED, how)
    return True


@transaction.atomic
def pause_subscription(
    organization: Organization,
    participant: Participant,
    topic: Topic,
    *,
    until: datetime | None,
    now: datetime,
    source: str = "",
    actor: User | None = None,
) -> bool:
    """Send nothing until a moment, or until the person says so. False when there is nothing that could be paused."""
    current = _lock(organization, participant, topic)
    if current is None or not _is_active(current) or (until is not None and until <= now):
        return False
    current.paused_at, current.paused_until = current.paused_at or now, until
    current.save(update_fields=["paused_at", "paused_until"])
    evidence = {"until": until.isoformat() if until else None}
    _append(current, SubscriptionAct.PAUSED, _Act(now=now, source=source, evidence=evidence, actor=actor))
    return True


@transaction.atomic
def resume_subscription(
    organization: Organization,
    participant: Participant,
    topic: Topic,
    *,
    now: datetime,
    source: str = "",
    actor: User | None = None,
) -> bool:
    """End a pause. False when there was none."""
    current = _lock(organization, participant, topic)
    if current is None or current.paused_at is None:
        return False
    current.paused_at = current.paused_until = None
    current.save(update_fields=["paused_at", "paused_until"])
    _append(current, SubscriptionAct.RESUMED, _Act(now=now, source=source, actor=actor))
    return True


def end_pauses(organization: Organization, *, now: datetime) -> int:
    """Pauses whose time has come; says how many."""
    over = Subscription.objects.filter(organization=organization, paused_until__lte=now)
    return sum(
        resume_subscription(organization, one.participant, one.topic, now=now, source="end of the pause")
        for one in over.select_related("participant", "topic")
    )


def _lock(organization: Organization, participant: Participant, topic: Topic) -> Subscription | None:
    """The subscription as it stands, held until the end of the transaction, as is a place for one that is new."""
    # Two requests at the same time must not both make it: the second one waits here.
    Participant.objects.select_for_update(of=("self",), no_key=True).only("pk").get(
        organization=organization, pk=participant.pk
    )
    return (
        Subscription.objects.select_for_update(of=("self",))
        .select_related("participant")
        .filter(organization=organization, participant=participant, topic=topic)
        .first()
    )


def _append(subscription: Subscription, act: SubscriptionAct, how: _Act) -> None:
    SubscriptionEvent.objects.create(
        organization=subscription.organization,
        subject=subscription.participant.ledger_id,
        topic_id=subscription.topic_id,
        act=act,
        basis=subscription.basis,
        source=how.source[:120],
        consent_text=how.consent_text,
        happened_at=how.now,
        recorded_at=how.now,
        evidence=dict(how.evidence),
        actor=how.actor,
    )


def _is_active(subscription: Subscription) -> bool:
    """Confirmed and not ended; perhaps paused."""
    return subscription.pending_since is None and subscription.unsubscribed_at is None


def ensure_preference_keys(
    organization: Organization, participant_ids: Sequence[int], *, scope_id: int | None = None
) -> dict[int, UUID]:
    """The key of each person's preference page in a scope, made where it is missing. A person keeps theirs.

    Without ``scope_id`` that of the organization's default scope.
    """
    if scope_id is None:
        scope_id = ensure_default_scope(organization, now=timezone.now()).pk
    known = _keys_of(organization, scope_id, participant_ids)
    missing = sorted(set(participant_ids) - known.keys())
    if not missing:
        return known
    fresh = [
        PreferenceKey(organization=organization, participant_id=one, scope_id=scope_id, key=new_key())
        for one in missing
    ]
    # Somebody else may make the same keys at the same time: theirs stand.
    PreferenceKey.objects.bulk_create(fresh, ignore_conflicts=True)
    return known | _keys_of(organization, scope_id, missing)


def _keys_of(organization: Organization, scope_id: int, participant_ids: Sequence[int]) -> dict[int, UUID]:
    keys = PreferenceKey.objects.filter(organization=organization, scope=scope_id, participant_id__in=participant_ids)
    return dict(keys.values_list("participant_id", "key"))
