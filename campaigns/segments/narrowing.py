"""What of an email's audience a launch goes to, as it was chosen: kept with the launch, whatever is edited later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Organization
from campaigns.models import Campaign, Participation, Segment
from campaigns.segments.conditions import people_in
from campaigns.segments.grammar import Definition, read_definition
from participants.models import Participant


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Only the people of a segment, only those who took part in a campaign, or both; empty: everybody."""

    definition: Definition | None = None
    segment_id: int | None = None
    segment_name: str = ""
    campaign_id: int | None = None
    campaign_name: str = ""

    @classmethod
    def of(cls, segment: Segment | None, campaign: Campaign | None) -> Narrowing:
        """To the people of a segment as it is now, and to those who took part in a campaign."""
        return cls(
            definition=read_definition(segment.definition) if segment is not None else None,
            segment_id=segment.pk if segment is not None else None,
            segment_name=segment.name if segment is not None else "",
            campaign_id=campaign.pk if campaign is not None else None,
            campaign_name=campaign.name if campaign is not None else "",
        )

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Narrowing:
        """As ``as_json`` wrote it."""
        segment, campaign = kept.get("segment", {}), kept.get("campaign", {})
        return cls(
            definition=read_definition(segment["definition"]) if segment else None,
            segment_id=segment.get("id"),
            segment_name=segment.get("name", ""),
            campaign_id=campaign.get("id"),
            campaign_name=campaign.get("name", ""),
        )

    @property
    def query(self) -> str:
        """As pages hand it on in an address; empty for everybody."""
        chosen = {"segment": self.segment_id, "only_campaign": self.campaign_id}
        return urlencode({name: number for name, number in chosen.items() if number is not None})

    def as_json(self) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        if self.definition is not None:
            kept["segment"] = {
                "id": self.segment_id,
                "name": self.segment_name,
                "definition": self.definition.as_json(),
            }
        if self.campaign_id is not None:
            kept["campaign"] = {"id": self.campaign_id, "name": self.campaign_name}
        return kept


EVERYBODY = Narrowing()


def narrow(
    organization: Organization, people: QuerySet[Participant], narrowing: Narrowing, *, now: datetime
) -> QuerySet[Participant]:
    """Of these people, those whom a launch goes to."""
    if narrowing.campaign_id is not None:
        took_part = Participation.objects.filter(participant=OuterRef("pk"), campaign=narrowing.campaign_id)
        people = people.filter(Exists(took_part))
    if narrowing.definition is not None:
        people = people.filter(pk__in=people_in(organization, narrowing.definition, now=now).order_by().values("pk"))
    return people
