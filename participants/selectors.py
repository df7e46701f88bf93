"""Reads of people."""

from __future__ import annotations

from participants.models import Participant

# Of so many people in an organization the console's pages may say what was counted a while ago.
CROWD = 100_000


def is_crowded(organization_id: int) -> bool:
    """Whether counting the people of an organization takes long."""
    people = Participant.objects.filter(organization=organization_id).order_by()
    return people[CROWD - 1 : CROWD].values_list("pk").exists()
