"""Permissions to send, and the keys of people's preference pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Organization
from common.keys import new_key
from consent.models import Basis, PreferenceKey, Subscription, Topic
from participants.models import Participant


def subscribe(
    organization: Organization,
    participant: Participant,
    topic: Topic,
    *,
    basis: Basis,
    source: str,
    now: datetime,
    wording: str = "",
) -> Subscription:
    """Permit sending the mail of a topic to a person. One that is subscribed already keeps how it came about."""
    with transaction.atomic():
        subscription, created = Subscription.objects.select_for_update(of=("self",)).get_or_create(
            organization=organization,
            participant=participant,
            topic=topic,
            defaults={"basis": basis, "source": source, "wording": wording, "subscribed_at": now},
        )
        if not created and subscription.unsubscribed_at is not None:
            subscription.basis, subscription.source, subscription.wording = basis, source, wording
            subscription.subscribed_at, subscription.unsubscribed_at = now, None
            subscription.save(update_fields=["basis", "source", "wording", "subscribed_at", "unsubscribed_at"])
    return subscription


def unsubscribe(organization: Organization, participant: Participant, topic: Topic, *, now: datetime) -> bool:
    """End it. False when there was nothing to end; says nothing about measuring (rules C1)."""
    active = Subscription.objects.filter(
        organization=organization, participant=participant, topic=topic, unsubscribed_at__isnull=True
    )
    return active.update(unsubscribed_at=now) > 0


def ensure_preference_keys(organization: Organization, participant_ids: Sequence[int]) -> dict[int, UUID]:
    """The key of each person's preference page, made where it is missing. A person keeps theirs."""
    known = _keys_of(organization, participant_ids)
    missing = sorted(set(participant_ids) - known.keys())
    if not missing:
        return known
    fresh = [PreferenceKey(organization=organization, participant_id=one, key=new_key()) for one in missing]
    # Somebody else may make the same keys at the same time: theirs stand.
    PreferenceKey.objects.bulk_create(fresh, ignore_conflicts=True)
    return known | _keys_of(organization, missing)


def _keys_of(organization: Organization, participant_ids: Sequence[int]) -> dict[int, UUID]:
    return dict(
        PreferenceKey.objects.filter(organization=organization, participant_id__in=participant_ids).values_list(
            "participant_id", "key"
        )
    )
