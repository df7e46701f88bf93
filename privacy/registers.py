"""Reads of what an organization owes people: requests, retention, sealed proofs, inactivity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from accounts.models import Organization
from participants.models import Participant
from privacy.models import Keeping, KeepingRun, PersonRequest, RequestChannel, RequestKind, RequestState
from privacy.rules import is_due_soon, is_overdue


def keeping_of(organization: Organization) -> Keeping:
    """How long the organization keeps what is about people, or what holds without a word of it."""
    found = Keeping.objects.filter(organization=organization).first()
    return found or Keeping(organization=organization)


@dataclass(frozen=True, slots=True)
class OpenRequests:
    """How many requests wait for an answer, and how late it is."""

    total: int
    due_soon: int
    overdue: int


def open_requests(organization: Organization, *, today: date) -> OpenRequests:
    waiting = PersonRequest.objects.filter(organization=organization, state=RequestState.OPEN)
    days = list(waiting.values_list("due_on", flat=True))
    return OpenRequests(
        total=len(days),
        due_soon=sum(is_due_soon(day, today) for day in days),
        overdue=sum(is_overdue(day, today) for day in days),
    )


def keeping_runs(organization: Organization, *, limit: int = 30) -> list[KeepingRun]:
    """The latest times that retention was carried out or counted."""
    return list(KeepingRun.objects.filter(organization=organization).select_related("started_by")[:limit])


def latest_counts(organization: Organization) -> Mapping[str, int]:
    """What the last dry run found, if it was one."""
    run = KeepingRun.objects.filter(organization=organization, only_counted=True).first()
    return dict(run.counts) if run else {}


def requests_of(organization: Organization, participant: Participant) -> list[PersonRequest]:
    """What a person asked for, latest first; downloads of their page are no questions."""
    asked = PersonRequest.objects.filter(organization=organization, participant=participant)
    downloads = Q(kind=RequestKind.PORTABILITY, channel=RequestChannel.PAGE)
    return list(asked.exclude(downloads).order_by("-received_on", "-id"))
