"""What a person chooses on their preference page."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Organization
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from participants.models import Participant


def preferences_wording(participant: Participant, language: str) -> str:
    """The question of the preference page, as the person reads it and as the history keeps it."""
    with translation.override(language):
        return _(
            "May %(organization)s measure whether you open its emails and which of their links you click? "
            "It uses this to improve what it sends. You get the same emails whatever you answer."
        ) % {"organization": participant.organization.legal_name}


@transaction.atomic
def save_preferences(
    organization: Organization,
    participant: Participant,
    *,
    opens: ChoiceValue | None,
    clicks: ChoiceValue | None,
    wording: str,
    now: datetime,
) -> None:
    """Record what a person chose on the preference page, with the words that they saw."""
    record_choice(
        organization,
        participant,
        opens=opens,
        clicks=clicks,
        source=Source.PERSON,
        method="preference_page",
        happened_at=now,
        now=now,
        wording=wording,
    )
