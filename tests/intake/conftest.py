"""A participation page of Bakery, and people who said something before there was a field for it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from participants.models import Participant
    from tests.intake.forms_world import FormWorld
    from tests.support.cast import Cast
    from websites.models import ConsentScope

# Models can be imported only once Django is set up, which is after this file is read.


@pytest.fixture
def form_world(cast: Cast, now: datetime) -> FormWorld:
    from tests.intake.forms_world import make_form_world

    return make_form_world(cast, now)


@pytest.fixture
def scope(cast: Cast, now: datetime) -> ConsentScope:
    from common.tenancy import tenant
    from websites.services import ensure_default_scope

    with tenant(cast.bakery.pk):
        return ensure_default_scope(cast.bakery, now=now)


@pytest.fixture
def people(cast: Cast, now: datetime) -> dict[str, Participant]:
    """By name, with what an attribute says; one of them refused by herself."""
    from consent.rules import ChoiceValue
    from tests.support.world import choose, make_participant

    values = {"yes": "Oui", "spaced": " Oui ", "no": "Non", "maybe": "peut-être", "refuser": "Oui", "none": None}
    made = {}
    for name, value in values.items():
        attributes = {} if value is None else {"optin": value}
        made[name] = make_participant(cast.bakery, f"{name}@mail.example.org", attributes=attributes, now=now)
    choose(cast.bakery, made["refuser"], opens=ChoiceValue.NO, clicks=ChoiceValue.NO, now=now)
    return made
