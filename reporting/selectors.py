"""What the overview page shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Count, Q

from accounts.models import Organization
from campaigns.models import Launch
from consent.models import Choice
from participants.models import Participant
from reporting.figures import figures_of, read_rows
from websites.models import Website


@dataclass(frozen=True, slots=True)
class Overview:
    """The dashboard of an organization."""

    participants: int
    choices: list[tuple[str, int]]
    websites: list[Website]
    launches: list[LaunchRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LaunchRow:
    launch: Launch
    sent: int
    total: int
    opens_base: int
    clicks_base: int


def summarize(organization: Organization) -> Overview:
    return Overview(
        participants=Participant.objects.filter(organization=organization).count(),
        choices=_choice_counts(organization),
        websites=list(Website.objects.filter(organization=organization).order_by("name")),
        launches=latest_launches(organization, limit=8),
    )


def _choice_counts(organization: Organization) -> list[tuple[str, int]]:
    counts = Choice.objects.filter(organization=organization, scope__is_default=True).aggregate(
        both=Count("participant", filter=Q(opens="yes", clicks="yes")),
        one=Count("participant", filter=Q(opens="yes") ^ Q(clicks="yes")),
        no=Count("participant", filter=~Q(opens="yes") & ~Q(clicks="yes") & (Q(opens="no") | Q(clicks="no"))),
    )
    return [("both", counts["both"]), ("one", counts["one"]), ("no", counts["no"])]


def latest_launches(organization: Organization, *, limit: int) -> list[LaunchRow]:
    """Newest launches with what was sent and who could be measured."""
    launches = list(
        Launch.objects.filter(organization=organization)
        .select_related("email__campaign__website", "mailing__snapshot__tracked_content")
        .defer("mailing__snapshot__compiled", "email__body", "email__text")
        .order_by("-created_at")[:limit]
    )
    rows = read_rows(organization, launches)
    found = []
    for launch in launches:
        figures = figures_of(launch, rows)
        found.append(
            LaunchRow(launch, figures.delivery.sent, figures.delivery.audience, figures.opens.base, figures.clicks.base)
        )
    return found
