"""What Celery does for hits: their months, old batches away, and the hits of people who withdrew."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db import OperationalError, connections
from django.utils import timezone

from common.tenancy import call_door
from tracking import forgetting
from tracking.models import HitKind

MONTHS_AHEAD = 3
KINDS = {"opens": HitKind.OPEN, "clicks": HitKind.CLICK}
SECOND_LOOK_SECONDS = 1
REFUSALS_LOOKED_AT = timedelta(days=1)


@shared_task(name="tracking.make_hit_months")
def make_hit_months() -> None:
    """Make the partitions of the months of hits, and forget batches that nobody can repeat any more.

    Last month too: on its first day a month begins with hits of the evening before.
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT tracking_make_hit_month((now() + make_interval(months => m))::date)"
            " FROM generate_series(-1, %s) AS m",
            [MONTHS_AHEAD],
        )
        cursor.execute("DELETE FROM tracking_hitbatch WHERE stored_at < now() - interval '1 day'")


@shared_task(name="tracking.drop_old_hit_months")
def drop_old_hit_months() -> list[str]:
    """Drop months of hits that are over for everybody (rule U4). A lock that is not to be had is tried for tomorrow."""
    try:
        return forgetting.drop_old_hit_months(now=timezone.now())
    except OperationalError:
        return []


@shared_task(name="tracking.delete_hits_of_refusals")
def delete_hits_of_refusals() -> int:
    """Look again at who refused lately: what a lost broker or a killed worker left undone is done here (C11).

    Returns how many hits were still there.
    """
    now = timezone.now()
    since = now - REFUSALS_LOOKED_AT
    organizations = call_door("door_refusals", [since])
    return sum(forgetting.forget_hits_of_refusals(number, since=since, now=now) for (number,) in organizations)


@shared_task(name="tracking.delete_hits_of_participant")
def delete_hits_of_participant(
    organization_id: int,
    participant_id: int,
    kind: str,
    scope_id: int | None = None,
    waiting_for: list[str] | None = None,
) -> None:
    """Do with the opens or clicks of somebody who withdrew as the organization set, and again for what came late.

    ``scope_id`` leaves the websites of other consent scopes out. A statement that looked before the withdrawal was
    committed may store its hits after it. Those that ran when this task first looked are waited for: the task puts
    itself back until they have ended. What they stored is deleted: it was never to be.
    """
    running = forgetting.running_hit_writers()
    if waiting_for is None:
        # Seen before deleting: whoever is not among them has either ended, and is deleted now, or sees the withdrawal.
        forgetting.forget_hits(organization_id, participant_id, KINDS[kind], scope_id=scope_id, now=timezone.now())
        still_running = running
    else:
        still_running = running & set(waiting_for)
        if not still_running:
            forgetting.delete_late_hits(organization_id, participant_id, KINDS[kind], scope_id=scope_id)
    if still_running:
        again = {"organization_id": organization_id, "participant_id": participant_id, "kind": kind}
        delete_hits_of_participant.apply_async(
            kwargs=again | {"scope_id": scope_id, "waiting_for": sorted(still_running)},
            countdown=SECOND_LOOK_SECONDS,
        )


@shared_task(name="tracking.delete_hits_of_copies")
def delete_hits_of_copies(
    organization_id: int, copies: dict[str, list[int]], waiting_for: list[str] | None = None
) -> None:
    """Delete what statements that ran during an erasure stored for sent copies that are gone, once these have ended.

    ``copies``: numbers of tracked messages, by the number of their content.
    """
    running = forgetting.running_hit_writers()
    still_running = running if waiting_for is None else running & set(waiting_for)
    forgetting.delete_hits_of_copies(organization_id, copies)
    if still_running:
        delete_hits_of_copies.apply_async(
            kwargs={
                "organization_id": organization_id,
                "copies": copies,
                "waiting_for": sorted(still_running),
            },
            countdown=SECOND_LOOK_SECONDS,
        )
