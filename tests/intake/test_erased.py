"""Rule D2: nobody but the person brings an erased person back."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from common.tenancy import tenant
from delivery.models import SuppressedHash, Suppression
from delivery.services import is_suppressed_hash, suppress
from intake.services import ParticipantRefused, save_participant
from participants.models import Participant
from privacy.services.erasure import erase_participant
from tests.intake.importing import counted, import_text, issues_of
from tests.support.cast import Cast
from tests.support.world import make_participant

pytestmark = pytest.mark.django_db

JANE = "jane@home.example"


@pytest.fixture
def erased(cast: Cast, now: datetime) -> None:
    jane = make_participant(cast.bakery, JANE, now=now)
    with tenant(cast.bakery.pk):
        erase_participant(cast.bakery, jane, actor=cast.dana, reason="asked by letter", now=now)


def people(cast: Cast) -> list[str]:
    with tenant(cast.bakery.pk):
        return list(Participant.objects.order_by("email_norm").values_list("email_norm", flat=True))


@pytest.mark.usefixtures("erased")
def test_d2_an_import_leaves_an_erased_person_out_and_counts_them(cast: Cast, now: datetime) -> None:
    first = import_text(cast.bakery, "email\nJane@Home.example\nanna@b.example\nzoe@b.example\n", now=now)
    assert counted(first) == {"created": 2, "erased": 1}
    assert people(cast) == ["anna@b.example", "zoe@b.example"]
    assert issues_of(first) == []
    again = import_text(
        cast.bakery, "email,country\njane@home.example,FR\nanna@b.example,FR\nnew@b.example,BE\n", now=now
    )
    assert counted(again) == {"created": 1, "updated": 1, "moved": 1, "erased": 1}
    assert people(cast) == ["anna@b.example", "new@b.example", "zoe@b.example"]


@pytest.mark.usefixtures("erased")
def test_d2_another_organization_is_not_bound_by_it(cast: Cast, now: datetime) -> None:
    assert counted(import_text(cast.cinema, f"email\n{JANE}\n", now=now)) == {"created": 1}


@pytest.mark.usefixtures("erased")
def test_d2_a_list_of_unsubscribes_does_not_write_the_address_down_again(cast: Cast, now: datetime) -> None:
    source = import_text(
        cast.bakery, f"email,reason\n{JANE},complained\nanna@b.example,bounced\n", now=now, kind="suppressions"
    )
    assert counted(source) == {"suppressed": 1, "erased": 1}
    with tenant(cast.bakery.pk):
        assert Suppression.objects.get().email_norm == "anna@b.example"
        assert SuppressedHash.objects.get().reasons == ["complained"]


@pytest.mark.usefixtures("erased")
def test_d2_news_of_mail_that_was_under_way_does_not_write_the_address_down_again(cast: Cast, now: datetime) -> None:
    assert not suppress(cast.bakery, JANE, reason="bounced", source="provider", now=now)
    with tenant(cast.bakery.pk):
        assert not Suppression.objects.exists()
        assert SuppressedHash.objects.get().reasons == ["bounced"]
        assert is_suppressed_hash(cast.bakery, JANE)


@pytest.mark.usefixtures("erased")
def test_d2_a_member_cannot_add_an_erased_person(cast: Cast, now: datetime, client: Client) -> None:
    with tenant(cast.bakery.pk), pytest.raises(ParticipantRefused):
        save_participant(cast.bakery, Participant(), email=JANE.upper(), now=now)
    client.force_login(cast.ana)
    page = client.post(reverse("admin:participants_participant_add"), {"email": JANE})
    assert "was erased" in page.content.decode()
    page = client.post(reverse("admin:delivery_suppression_add"), {"email": JANE, "reason": "bounced"})
    assert "was erased" in page.content.decode()
    assert people(cast) == []


def test_d2_the_console_writes_no_address_into_the_log_of_django(cast: Cast, client: Client) -> None:
    client.force_login(cast.ana)
    client.post(reverse("admin:delivery_suppression_add"), {"email": "gone@b.example", "reason": "bounced"})
    with tenant(cast.bakery.pk):
        row = Suppression.objects.get()
    client.post(reverse("admin:delivery_suppression_delete", args=[row.pk]), {"post": "yes"})
    client.post(reverse("admin:participants_participant_add"), {"email": "anna@b.example"})
    with tenant(cast.bakery.pk):
        assert not Suppression.objects.exists()
    assert not LogEntry.objects.exists()
