"""How it stands with an outside sender: how many people it knows, and what could not be said to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import Connection
from delivery.models import Message, MessageStatus
from delivery.outside_models import OutsidePerson

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """What a member wants to know."""

    # Told about at least one email of theirs.
    people: int
    # Of whom something is to be said, or is being said just now.
    waiting: int
    handed_over: int
    # Those for whom somebody has to do something, or who have been tried in vain: newest first, and how many in all.
    changes: Sequence[OutsidePerson]
    unsaid: int
    messages: Sequence[Message]
    refused: int


def standing_of(organization: Organization, sender: Connection, *, now: datetime) -> Standing:
    """Counts, and what could not be said with the endpoint's words."""
    with tenant(organization.pk):
        people = OutsidePerson.objects.filter(organization=organization, connection=sender)
        stuck = people.filter(Q(failed_at__isnull=False) | Q(attempts__gt=0)).select_related("participant", "website")
        sent = Message.objects.filter(organization=organization, connection=sender)
        failed = sent.filter(status=MessageStatus.FAILED)
        return Standing(
            people=people.count(),
            waiting=people.filter(due_at__isnull=False).count(),
            handed_over=sent.filter(status=MessageStatus.SENT).count(),
            changes=list(stuck.order_by("-pk")[:SHOWN]),
            unsaid=stuck.count(),
            messages=list(failed.select_related("participant", "mailing__website").order_by("-pk")[:SHOWN]),
            refused=failed.count(),
        )
