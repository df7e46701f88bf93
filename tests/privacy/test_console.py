"""The officer's pages: who may see them, and that their buttons do what they say (rules D2, D4, U4, U6)."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import timedelta

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.tenancy import tenant
from consent.models import Subscription
from consent.rules import ChoiceValue
from delivery.models import ServiceMessage
from participants.models import Participant
from privacy import tasks
from privacy.models import InactivityCheck, InactivityRule, Keeping, KeepingRun, PersonRequest, ProofOpening
from privacy.services.requests import open_request
from tests.support.cast import Cast
from tests.support.world import choose, make_participant, make_topic, make_website, subscribe_to
from tracking.models import HitKeeping
from websites.models import Website

pytestmark = pytest.mark.django_db

PAGES = ("changelist", "add", "retention", "inactivity", "proofs", "leave")


def address(name: str, *args: object) -> str:
    return reverse(f"admin:privacy_personrequest_{name}", args=args)


@pytest.fixture
def person(cast: Cast) -> Participant:
    return make_participant(cast.bakery, "jane@home.example", now=timezone.now(), first_name="=Jane")


@pytest.fixture
def website(cast: Cast) -> Website:
    return make_website(cast.bakery, cast.ana, now=timezone.now())


@pytest.fixture
def dana(cast: Cast, client: Client) -> Client:
    client.force_login(cast.dana)
    return client


def refresh(cast: Cast, row: Model) -> None:
    with tenant(cast.bakery.pk):
        row.refresh_from_db()


def texts(response: object) -> str:
    return re.sub(r"\s+", " ", response.content.decode())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("who", "allowed"), [("ana", True), ("dana", True), ("max", False), ("ben", False)])
def test_d4_only_owners_and_the_officer_see_these_pages(
    cast: Cast, person: Participant, website: Website, client: Client, who: str, allowed: bool
) -> None:
    client.force_login(getattr(cast, who))
    pages = [address(name) for name in PAGES] + [address("inactivity_rule", website.pk), address("erase", person.pk)]
    assert {client.get(page).status_code for page in pages} == ({200} if allowed else {403})
    assert client.post(address("export", person.pk)).status_code == (200 if allowed else 403)
    shown = texts(client.get(reverse("admin:index")))
    assert (address("retention") in shown) == allowed
    erase = client.post(address("erase", person.pk), {"typed": person.email, "reason": "x"})
    assert erase.status_code == (302 if allowed else 403)
    with tenant(cast.bakery.pk):
        assert Participant.objects.exists() != allowed


def test_d2_the_export_holds_the_words_that_the_person_saw_and_no_formula(
    cast: Cast, person: Participant, website: Website, dana: Client
) -> None:
    choose(cast.bakery, person, opens=ChoiceValue.NO, now=timezone.now())
    subscribe_to(cast.bakery, person, make_topic(cast.bakery, website), now=timezone.now())
    response = dana.post(address("export", person.pk))
    assert "no-store" in response["Cache-Control"]
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        data = json.loads(archive.read("data.json"))
        assert "choice_history.csv" in archive.namelist()
        assert "'=Jane" in archive.read("person.csv").decode()
        assert "choice_history" in archive.read("README.txt").decode()
    assert data["person"]["first_name"] == "=Jane"
    (chosen,) = data["choice_history"]
    assert (chosen["kind"], chosen["value"], chosen["wording"]) == ("opens", "no", "May we measure?")
    assert [row["topic_name"] for row in data["subscriptions"]] == ["Weekly news"]
    assert dana.get(address("export", person.pk)).status_code == 405


def test_d2_nobody_is_erased_by_a_slip_of_the_hand(cast: Cast, person: Participant, dana: Client) -> None:
    page = dana.post(address("erase", person.pk), {"typed": "john@home.example", "reason": "x"})
    assert page.status_code == 422
    assert "not the address of this person" in texts(page)


def test_d4_a_request_is_noted_extended_once_and_answered_within_its_clock(
    cast: Cast, person: Participant, dana: Client
) -> None:
    given = {
        "kind": "access",
        "channel": "letter",
        "received_on": "2026-01-31",
        "email": person.email,
        "details": "All.",
    }
    dana.post(address("add"), given)
    with tenant(cast.bakery.pk):
        request = PersonRequest.objects.get()
    received, due, whose = str(request.received_on), str(request.due_on), request.participant_id
    assert (received, due, whose) == ("2026-01-31", "2026-02-28", person.pk)
    assert "overdue" in texts(dana.get(reverse("admin:index")))
    page = texts(dana.post(address("extend", request.pk), {"reason": "many files"}, follow=True))
    assert "can no longer be extended" in page
    page = texts(dana.post(address("answer", request.pk), {"answer": "Sent by post.", "evidence": "L-7"}, follow=True))
    assert "Sent by post." in page
    refresh(cast, request)
    assert (request.state, request.answered_by_id, request.evidence) == ("answered", cast.dana.pk, "L-7")
    assert "overdue" not in texts(dana.get(reverse("admin:index")))


def test_d4_an_extension_is_for_two_months_with_a_reason(cast: Cast, person: Participant, dana: Client) -> None:
    with tenant(cast.bakery.pk):
        request = open_request(
            cast.bakery, kind="access", participant=person, channel="page", now=timezone.now() - timedelta(days=20)
        )
    dana.post(address("extend", request.pk), {"reason": ""})
    dana.post(address("extend", request.pk), {"reason": "many files"})
    dana.post(address("extend", request.pk), {"reason": "again"})
    due_before = request.due_on
    refresh(cast, request)
    assert 58 <= (request.due_on - due_before).days <= 62
    assert request.extension_reason == "many files"


def test_u4_limits_are_set_counted_first_and_reported(cast: Cast, person: Participant, dana: Client) -> None:
    with tenant(cast.bakery.pk):
        Participant.objects.update(created_at=timezone.now() - timedelta(days=2000))
    limits = {
        "hits_months": "26", "on_withdrawal": "anonymise", "participants_months": "36", "participations_months": "",
        "requests_months": "36", "proofs_months": "60", "service_messages_days": "90", "imports_days": "30",
        "mailbox_days": "30",
    }  # fmt: skip
    assert dana.post(address("retention"), limits).status_code == 422
    assert dana.post(address("retention"), limits | {"hits_months": "13"}).status_code == 302
    with tenant(cast.bakery.pk):
        assert Keeping.objects.get().participants_months == 36
        keeping = HitKeeping.objects.get()
        assert (keeping.months, keeping.on_withdrawal) == (13, "anonymise")
    page = texts(dana.post(address("retention"), {"count": "1"}, follow=True))
    assert "1 participant" in page
    assert "only counted" in page
    with tenant(cast.bakery.pk):
        assert KeepingRun.objects.get().started_by == cast.dana
        assert Participant.objects.exists()


def test_d2_a_proof_is_opened_by_owner_and_officer_together(cast: Cast, person: Participant, client: Client) -> None:
    choose(cast.bakery, person, opens=ChoiceValue.YES, now=timezone.now())
    client.force_login(cast.dana)
    client.post(address("erase", person.pk), {"typed": person.email, "reason": "letter 9"})
    assert "No proof" in texts(client.post(address("proofs"), {"address": "john@home.example"}))
    found = texts(client.post(address("proofs"), {"address": "JANE@home.example"}))
    asked = re.search(r'action="(/console/[^"]*/proofs/\d+/ask/)"', found)
    assert asked
    client.post(asked[1], {"reason": ""})
    client.post(asked[1], {"reason": "a court asks"})
    with tenant(cast.bakery.pk):
        opening = ProofOpening.objects.get()
    own = texts(client.get(address("proofs")))
    assert ">Decline<" in own
    assert ">Agree<" not in own
    for act in ("agree", "read"):
        client.post(address("proof_decide", opening.pk, act))
    refresh(cast, opening)
    assert (opening.agreed_at, opening.readings) == (None, [])
    client.force_login(cast.ana)
    assert ">Agree<" in texts(client.get(address("proofs")))
    client.post(address("proof_decide", opening.pk, "agree"))
    assert ">Read<" in texts(client.get(address("proofs")))
    proof = client.post(address("proof_decide", opening.pk, "read")).json()
    assert proof["email"] == "jane@home.example"
    assert proof["choice_history"][0]["wording"] == "May we measure?"
    assert "May we measure?" in json.dumps(proof["dossier"])
    assert "signature" in json.dumps(proof["dossier"])
    refresh(cast, opening)
    assert (opening.agreed_by, len(opening.readings), opening.reason) == (cast.ana, 1, "a court asks")


# --- Inactivity (U6) ------------------------------------------------------------------------------------------------


@pytest.fixture
def silent(cast: Cast, website: Website, person: Participant) -> Participant:
    long_ago = timezone.now() - timedelta(days=1500)
    with tenant(cast.bakery.pk):
        Participant.objects.update(created_at=long_ago)
    subscribe_to(cast.bakery, person, make_topic(cast.bakery, website), now=long_ago)
    return person


def switch_on(dana: Client, website: Website) -> None:
    page = address("inactivity_rule", website.pk)
    dana.post(page, {"months": "24", "answer_days": "30"})
    assert "1 person would be asked now" in texts(dana.get(page))
    dana.post(page, {"switch": "on"})


def test_u6_nobody_is_asked_before_the_counts_were_seen_and_the_rule_is_on(
    cast: Cast, website: Website, silent: Participant, dana: Client
) -> None:
    dana.post(address("inactivity_rule", website.pk), {"months": "24", "answer_days": "30"})
    assert tasks.apply_inactivity_rules() == 0
    switch_on(dana, website)
    assert tasks.apply_inactivity_rules() == 1
    assert tasks.apply_inactivity_rules() == 0
    with tenant(cast.bakery.pk):
        mail = ServiceMessage.objects.get()
        assert (mail.to_email, mail.kind) == (silent.email, "inactivity")


def test_u6_a_button_that_posts_keeps_the_mail_coming_and_a_look_changes_nothing(
    cast: Cast, website: Website, silent: Participant, dana: Client
) -> None:
    switch_on(dana, website)
    tasks.apply_inactivity_rules()
    with tenant(cast.bakery.pk):
        link = re.search(r"http\S+(/s/\S+)", ServiceMessage.objects.get().text)
    assert link
    nobody = Client()
    assert nobody.get(link[1]).status_code == 200
    with tenant(cast.bakery.pk):
        assert InactivityCheck.objects.get().stayed_at is None
    assert nobody.post(link[1]).status_code == 200
    with tenant(cast.bakery.pk):
        check = InactivityCheck.objects.get()
        assert check.stayed_at is not None
        InactivityCheck.objects.update(answer_by=timezone.now() - timedelta(days=1))
    assert tasks.apply_inactivity_rules() == 0
    with tenant(cast.bakery.pk):
        assert Subscription.objects.get().unsubscribed_at is None


def test_u6_who_does_not_answer_gets_no_more_mail_and_whoever_did_something_stays(
    cast: Cast, website: Website, silent: Participant, dana: Client
) -> None:
    active = make_participant(cast.bakery, "john@home.example", now=timezone.now() - timedelta(days=1500))
    with tenant(cast.bakery.pk):
        topic = Subscription.objects.get().topic
    subscribe_to(cast.bakery, active, topic, now=timezone.now() - timedelta(days=1500))
    page = address("inactivity_rule", website.pk)
    dana.post(page, {"months": "24", "answer_days": "30"})
    dana.post(page, {"switch": "on"})
    assert tasks.apply_inactivity_rules() == 2
    choose(cast.bakery, active, opens=ChoiceValue.NO, now=timezone.now())
    with tenant(cast.bakery.pk):
        ServiceMessage.objects.filter(kind="inactivity").update(status="sent")
        InactivityCheck.objects.update(answer_by=timezone.now() - timedelta(days=1))
    tasks.apply_inactivity_rules()
    with tenant(cast.bakery.pk):
        ended = Subscription.objects.filter(unsubscribed_at__isnull=False)
        assert list(ended.values_list("participant", flat=True)) == [silent.pk]
        assert InactivityRule.objects.get().checks.filter(ended_at__isnull=False).count() == 1
