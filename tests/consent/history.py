"""Answers to write a consent history with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import Organization
from consent.rules import ChoiceValue, Kind, Source, Verdict
from consent.services import record_choice
from consent.services.sealing import newest_event, seal_up_to
from participants.models import Participant
from tests.support.world import later, make_participant
from websites.models import ConsentScope
from websites.services import ensure_default_scope

YES, NO = ChoiceValue.YES, ChoiceValue.NO


def choose(bakery: Organization, person: Participant, *, now: datetime, **fields: Any) -> dict[Kind, Verdict]:
    defaults = {
        "opens": None, "clicks": None, "source": Source.PERSON, "method": "preference_page", "happened_at": now,
        "wording": "May we measure?",
    }  # fmt: skip
    return record_choice(bakery, person, now=now, **{**defaults, **fields})


def seal(bakery: Organization, *, now: datetime) -> int:
    newest = newest_event(bakery, now=now)
    return seal_up_to(bakery, newest, now=now) if newest else 0


def write_history(bakery: Organization, zoe: Participant, now: datetime) -> None:
    """Some answers of three people, in two scopes and two seals."""
    ensure_default_scope(bakery, now=now)
    brand = ConsentScope.objects.create(organization=bakery, name="Cakes")
    others = [make_participant(bakery, f"p{number}@home.example", now=now) for number in range(3)]
    choose(bakery, zoe, now=now, opens=YES, clicks=YES)
    choose(bakery, others[0], now=now, opens=NO)
    choose(bakery, zoe, now=later(now, hours=1), clicks=NO)
    seal(bakery, now=later(now, hours=2))
    choose(bakery, zoe, now=later(now, hours=3), opens=YES, scope=brand, wording="And Cakes?")
    choose(bakery, others[1], now=later(now, hours=3), clicks=YES, anonymous=NO)
    choose(bakery, others[2], now=later(now, hours=4), opens=NO)
    seal(bakery, now=later(now, hours=5))
