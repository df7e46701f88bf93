"""Unsubscribes and bounces of an older tool."""

from __future__ import annotations

from datetime import datetime

import pytest

from common.tenancy import tenant
from consent.models import Subscription
from delivery.models import Suppression
from participants.models import Participant
from tests.intake.importing import counted, import_text
from tests.support.cast import Cast
from tests.support.world import make_participant, make_topic, make_website, subscribe_to

pytestmark = pytest.mark.django_db

FILE = """Adresse;Statut
LEFT@b.example;désabonné
angry@b.example;spam
bounced@b.example;hard bounce
later@b.example;soft bounce
left@b.example;unsubscribed
"""


def test_addresses_are_suppressed_with_their_reasons_and_subscriptions_end(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    for name in ("left", "angry", "bounced"):
        subscribe_to(cast.bakery, make_participant(cast.bakery, f"{name}@b.example", now=now), topic, now=now)
    options = {"kind": "suppressions", "mapping": {"Adresse": "email"}}
    done = import_text(cast.bakery, FILE, now=now, **options)
    assert counted(done) == {
        "suppressed": 3,
        "subscriptions_ended": 2,
        "duplicates": 1,
        "rejected": 1,
        "temporary_bounce": 1,
        "listed": 1,
    }
    with tenant(cast.bakery.pk):
        found = set(Suppression.objects.values_list("email_norm", "reason", "source"))
        assert found == {
            ("left@b.example", "unsubscribed", "people.csv"),
            ("angry@b.example", "complained", "people.csv"),
            ("bounced@b.example", "bounced", "people.csv"),
        }
        # A bounce says nothing about what the person wants.
        active = Subscription.objects.filter(unsubscribed_at__isnull=True)
        assert [one.participant.email_norm for one in active] == ["bounced@b.example"]
        # Nobody becomes a participant by having left elsewhere.
        assert Participant.objects.count() == 3
    assert counted(import_text(cast.bakery, FILE, now=now, **options))["suppressed_already"] == 3


def test_another_organizations_list_is_its_own(cast: Cast, now: datetime) -> None:
    import_text(cast.bakery, "email\nana@b.example\n", now=now, kind="suppressions")
    with tenant(cast.cinema.pk):
        assert not Suppression.objects.exists()
