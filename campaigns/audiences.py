"""Writes of what narrows an audience, or tries an email out: segments and test groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from campaigns.forecasts import Forecast, forecast_segment
from campaigns.models import Campaign, Launch, Question, Segment, TrialAddress, TrialGroup
from campaigns.refusals import CampaignRefused
from campaigns.segments import Definition, SegmentError, answer_of, count_non_trackable, read_definition
from campaigns.selectors import UNFINISHED, many_people
from consent.models import Topic
from participants.rules import AddressError, parse_email
from websites.models import ConsentScope, Website

MOST_ADDRESSES = 50
NAME = 160
# The values of conditions that name a row, which must be one of the organization's.
_ROWS: dict[str, type[Model]] = {
    "campaign": Campaign,
    "launch": Launch,
    "topic": Topic,
    "scope": ConsentScope,
    "question": Question,
}


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """How many people a segment describes now, what would be measured of them, and of how many nobody can say."""

    forecast: Forecast
    # By the number of the condition.
    non_trackable: dict[int, int] = field(default_factory=dict)


def check_definition(organization: Organization, raw: Any) -> Definition:
    """A definition whose campaigns, emails, topics and scopes are the organization's own; raises SegmentError."""
    definition = read_definition(raw)
    for row in definition.rows:
        for name, model in _ROWS.items():
            number = row.values.get(name)
            own = model._default_manager.filter(organization=organization, pk=number)
            if number is not None and not own.exists():
                raise SegmentError(_("This choice is not one of those offered."))
        if row.about == "reply" and row.op == "gave":
            _question, answer = answer_of(row.values["answer"])
            asked = Question.objects.get(organization=organization, pk=row.values["question"])
            if not 1 <= answer <= len(asked.options):
                raise SegmentError(_("This choice is not one of those offered."))
    return definition


def count_segment(
    organization: Organization, website: Website, definition: Definition, *, now: datetime
) -> SegmentCount:
    """Whom a segment describes now, and what a website would measure of them."""
    predicted = forecast_segment(organization, website, definition, now=now)
    with many_people():
        hidden = {
            number: count_non_trackable(organization, row, now=now)
            for number, row in enumerate(definition.rows)
            if row.about == "engagement"
        }
    return SegmentCount(predicted, hidden)


def save_segment(
    organization: Organization, segment: Segment, raw: Any, *, author: User | None, now: datetime
) -> Segment:
    """Keep a new or changed segment. What was launched to it before stays as it was."""
    segment.name = _checked_name(segment.name)
    segment.definition = check_definition(organization, raw).as_json()
    segment.updated_at = now
    if segment.pk is None:
        segment.organization, segment.created_by, segment.created_at = organization, author, now
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        raise CampaignRefused(_("Another one has this name already.")) from error
    return segment


def delete_segment(organization: Organization, segment: Segment) -> None:
    """Forget a segment. Reports keep what was sent to it; what waits to be sent keeps its conditions."""
    Segment.objects.filter(organization=organization, pk=segment.pk).delete()


def planned_for(organization: Organization, segment: Segment) -> int:
    """How many launches to a segment wait for their time, with its conditions as they were."""
    return Launch.objects.filter(
        organization=organization, segment=segment, mailing__expanded_at__isnull=True, mailing__state__in=UNFINISHED
    ).count()


def save_test_group(
    organization: Organization, group: TrialGroup, addresses: Sequence[str], *, now: datetime
) -> TrialGroup:
    """Keep a test group and its addresses."""
    group.name = _checked_name(group.name)
    parsed = {}
    for text in addresses:
        try:
            address = parse_email(text)
        except AddressError as error:
            raise CampaignRefused(_("“%(address)s” is not an email address.") % {"address": text[:100]}) from error
        parsed[address.norm] = address.email
    if not 1 <= len(parsed) <= MOST_ADDRESSES:
        raise CampaignRefused(_("A test group has 1 to %(most)s addresses.") % {"most": MOST_ADDRESSES})
    if group.pk is None:
        group.organization, group.created_at = organization, now
    try:
        with transaction.atomic():
            group.save()
            TrialAddress.objects.filter(organization=organization, group=group).delete()
            TrialAddress.objects.bulk_create(
                TrialAddress(organization=organization, group=group, email=email, email_norm=norm)
                for norm, email in parsed.items()
            )
    except IntegrityError as error:
        raise CampaignRefused(_("Another one has this name already.")) from error
    return group


def delete_test_group(organization: Organization, group: TrialGroup) -> None:
    """Forget a test group and its addresses."""
    TrialGroup.objects.filter(organization=organization, pk=group.pk).delete()


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= NAME:
        raise CampaignRefused(_("Give it a name of at most %(most)s letters.") % {"most": NAME})
    return name
