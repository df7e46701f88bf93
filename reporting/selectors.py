"""What the overview page shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count

from accounts.models import Organization
from campaigns.models import Launch
from common.seldom import SeldomCounts
from consent.models import Choice
from consent.rules import ChoiceValue
from participants.models import Participant
from participants.selectors import is_crowded
from reporting.figures import figures_of, read_rows
from websites.models import ConsentScope, Website


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


@dataclass(frozen=True, slots=True)
class PeopleCounts:
    participants: int
    choices: list[tuple[str, int]]


def summarize(organization: Organization) -> Overview:
    people = people_counts.one(organization.pk, organization.pk)
    return Overview(
        participants=people.participants,
        choices=people.choices,
        websites=list(Website.objects.filter(organization=organization).order_by("name")),
        launches=latest_launches(organization, limit=8),
    )


def _count_people(organization_id: int, _numbers: Sequence[int]) -> dict[int, PeopleCounts]:
    participants = Participant.objects.filter(organization=organization_id).count()
    return {organization_id: PeopleCounts(participants, _choice_counts(organization_id))}


people_counts = SeldomCounts(
    "reporting.selectors.people_counts",
    _count_people,
    kind=PeopleCounts,
    is_large=lambda organization_id, people: is_crowded(organization_id),
)


def _choice_counts(organization_id: int) -> list[tuple[str, int]]:
    """People with an answer in the organization's own scope: yes to both kinds, to one of them, or no."""
    scope = (
        ConsentScope.objects.filter(organization=organization_id, is_default=True).values_list("pk", flat=True).first()
    )
    answers = Choice.objects.filter(organization=organization_id, scope=scope).order_by().values_list("opens", "clicks")
    counts: Counter[str] = Counter()
    for opens, clicks, people in answers.annotate(people=Count("*")):
        yeses = [opens, clicks].count(ChoiceValue.YES)
        if yeses or ChoiceValue.NO in (opens, clicks):
            counts[("no", "one", "both")[yeses]] += people
    return [(kind, counts[kind]) for kind in ("both", "one", "no")]


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
