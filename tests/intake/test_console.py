"""People > Imports and People > Participants in the console: who may do what, and what the pages say."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent
from consent.rules import BEGINNING, ChoiceValue
from intake.imports import run_import
from intake.models import Import, ImportState
from participants.models import Participant
from tests.intake.importing import PROVENANCE, import_text, prepare
from tests.support.cast import Cast
from tests.support.world import choose, make_participant, make_topic, make_website, subscribe_to
from tracking.models import TrackedMessage
from tracking.services import NewTracked, register_content, register_messages

pytestmark = pytest.mark.django_db

IMPORTS = "/console/intake/import/"
PEOPLE = "/console/participants/participant/"
FILE = b"E-mail;Pays;consent_email_tracking;Ville\nana@b.example;FR;yes;Lyon\n=evil@b.example;BE;;\nnobody;;;\n"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def upload(client: Client, content: bytes = FILE, kind: str = "participants") -> HttpResponse:
    file = SimpleUploadedFile("people.csv", content, content_type="text/csv")
    return client.post(f"{IMPORTS}add/", {"kind": kind, "file": file})


def latest(cast: Cast) -> Import:
    with tenant(cast.bakery.pk):
        return Import.objects.get()


def plan_data(source: Import, **changes: Any) -> dict[str, Any]:
    columns = {f"column_{number}": source.mapping[column] for number, column in enumerate(source.layout["header"])}
    return columns | {"topic": "", "basis": "", "campaign": "", **changes}


# --- Imports --------------------------------------------------------------------------------------------------------


def test_a_member_uploads_plans_and_watches_an_import(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    client = signed_in(cast.max)
    assert "Import people" in client.get(f"{IMPORTS}add/").content.decode()
    response = upload(client)
    source = latest(cast)
    page = reverse("admin:intake_import_change", args=[source.pk])
    assert (response.status_code, response["Location"]) == (302, page)

    text = client.get(page).content.decode()
    for words in ("people.csv", "UTF-8", "semicolon", "3 rows", "Ville", "Lyon", "Attribute “Ville”", "Weekly news"):
        assert words in text
    data = plan_data(source, topic=topic.pk, basis="opt_in", subscription_source="shop", **PROVENANCE)
    assert client.post(page, data)["Location"] == page
    assert latest(cast).state == ImportState.QUEUED
    assert "Waiting" in client.get(page).content.decode()

    run_import(cast.bakery.pk, source.pk)
    text = client.get(page).content.decode()
    for words in ("Done", "2 new participants", "1 row left out", "2 subscriptions made", "shop.example", "Ana"):
        assert words in text
    progress = client.get(reverse("admin:intake_import_progress", args=[source.pk])).json()
    assert (progress["finished"], progress["percent"], progress["rows_done"]) == (True, 100, 3)
    with tenant(cast.bakery.pk):
        choice = Choice.objects.get()
        assert (choice.opens, choice.opens_source) == ("yes", "import")
        assert ChoiceEvent.objects.filter(actor=cast.max).count() == 2


def test_the_error_file_is_numbered_and_runs_nothing(cast: Cast, now: datetime) -> None:
    text = "email,country\nana@b.example,=cmd|' /C calc'!A0\nnobody,FR\n"
    done = import_text(cast.bakery, text, now=now)
    response = signed_in(cast.max).get(reverse("admin:intake_import_errors", args=[done.pk]))
    assert response["Content-Disposition"] == f'attachment; filename="import-{done.pk}-errors.csv"'
    lines = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert lines[0] == ["row", "column", "value", "what is wrong"]
    assert lines[1][:3] == ["2", "country", "'=cmd|' /C calc'!A0"]
    assert lines[2] == ["3", "email", "nobody", "The email address has no @."]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "The file is empty."), (b"PK\x03\x04", "Save it as CSV"), (b"name\nAna\n", "No column")],
)
def test_a_broken_file_is_refused_where_it_was_uploaded(cast: Cast, content: bytes, words: str) -> None:
    client = signed_in(cast.max)
    response = upload(client, content)
    if response.status_code == 302:
        source = latest(cast)
        response = client.post(response["Location"], plan_data(source))  # type: ignore[assignment]
        assert latest(cast).state == ImportState.UPLOADED
    else:
        with tenant(cast.bakery.pk):
            assert not Import.objects.exists()
    assert response.status_code == 422
    assert words in response.content.decode()


def test_a_plan_that_lacks_something_is_refused_in_words(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    client = signed_in(cast.max)
    page = upload(client)["Location"]
    source = latest(cast)
    for changes, words in (
        ({"topic": topic.pk}, "on what basis"),
        ({"where": "shop"}, "its provenance lacks"),
        ({"column_1": "email"}, "that another column holds already"),
        ({"column_1": "shoe_size"}, "Select a valid choice"),
        ({"topic": 999_999}, "Select a valid choice"),
    ):
        response = client.post(page, plan_data(source, **changes))
        assert response.status_code == 422
        assert words in response.content.decode()
    assert latest(cast).state == ImportState.UPLOADED


def test_a_list_of_suppressed_addresses_asks_for_nothing_else(cast: Cast) -> None:
    client = signed_in(cast.max)
    page = upload(client, b"email,reason\nana@b.example,spam\n", kind="suppressions")["Location"]
    text = client.get(page).content.decode()
    assert "What they get" not in text
    assert client.post(page, plan_data(latest(cast))).status_code == 302
    assert latest(cast).state == ImportState.QUEUED


def test_cancelling_and_going_on_are_buttons(cast: Cast, now: datetime) -> None:
    source = prepare(cast.bakery, FILE, now=now)
    client = signed_in(cast.max)
    cancel = reverse("admin:intake_import_cancel", args=[source.pk])
    assert client.get(cancel).status_code == 405
    assert client.post(cancel).status_code == 302
    assert latest(cast).state == ImportState.CANCELLED
    response = client.post(reverse("admin:intake_import_continue", args=[source.pk]))
    assert "cannot go on" in said(response)


# --- Who may --------------------------------------------------------------------------------------------------------


def pages(source: Import, person: Participant) -> list[str]:
    return [
        IMPORTS,
        f"{IMPORTS}add/",
        *(reverse(f"admin:intake_import_{name}", args=[source.pk]) for name in ("change", "progress", "errors")),
        PEOPLE,
        f"{PEOPLE}{person.pk}/change/",
        f"{PEOPLE}{person.pk}/choice/",
    ]


def test_viewers_see_no_persons_and_strangers_learn_nothing(cast: Cast, now: datetime) -> None:
    source = import_text(cast.bakery, FILE, now=now)
    with tenant(cast.bakery.pk):
        person = Participant.objects.get(email_norm="ana@b.example")
    viewer, stranger = signed_in(cast.ben), signed_in(cast.cleo)
    for page in pages(source, person):
        assert viewer.get(page).status_code == 403, page
        answer = stranger.get(page)
        assert answer.status_code == (404 if str(person.pk) in page or str(source.pk) in page else 200), page
        assert b"ana@b.example" not in answer.content
    for name in ("cancel", "continue"):
        button = reverse(f"admin:intake_import_{name}", args=[source.pk])
        assert viewer.post(button).status_code == 403
        assert stranger.post(button).status_code == 404
        # The data protection officer looks on.
        assert signed_in(cast.dana).post(button).status_code == 403
    assert signed_in(cast.dana).get(f"{IMPORTS}add/").status_code == 403
    assert signed_in(cast.dana).get(pages(source, person)[2]).status_code == 200


# --- Participants ---------------------------------------------------------------------------------------------------


def form_data(**changes: Any) -> dict[str, Any]:
    return {
        "email": "ana@b.example",
        "country": "BE",
        "locale": "fr",
        "first_name": "Ana",
        "last_name": "",
        "external_id": "",
        "attributes-name": ["city", ""],
        "attributes-value": ["Gent", ""],
        **changes,
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ANA@b.example", ["ana@b.example"]),
        ("an", ["ana@b.example", "anton@b.example"]),
        ("X7", ["max@b.example"]),
        ("b.example", []),
        ("%", []),
    ],
)
def test_people_are_found_by_address_beginning_and_own_id(
    cast: Cast, now: datetime, text: str, found: list[str]
) -> None:
    for email, fields in (("ana@b.example", {}), ("anton@b.example", {}), ("max@b.example", {"external_id": "X7"})):
        make_participant(cast.bakery, email, now=now, **fields)
    make_participant(cast.cinema, "ana@cinema.example", now=now)
    page = signed_in(cast.max).get(PEOPLE, {"q": text})
    assert [one.email for one in page.context["cl"].result_list] == found


def test_people_are_filtered_by_choice_country_and_topic(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    ana = make_participant(cast.bakery, "ana@b.example", now=now, country="FR")
    max_ = make_participant(cast.bakery, "max@b.example", now=now)
    choose(cast.bakery, ana, now=now, opens=ChoiceValue.NO)
    subscribe_to(cast.bakery, max_, topic, now=now)
    client = signed_in(cast.max)
    for query, found in (
        ({"opens": "no"}, ["ana@b.example"]),
        ({"opens": "unknown"}, ["max@b.example"]),
        ({"clicks": "unknown"}, ["ana@b.example", "max@b.example"]),
        ({"country": "FR"}, ["ana@b.example"]),
        ({"country": "ZZ"}, ["max@b.example"]),
        ({"topic": topic.pk}, ["max@b.example"]),
    ):
        page = client.get(PEOPLE, query)
        assert [one.email for one in page.context["cl"].result_list] == found, query


def test_a_person_is_added_and_changed_and_the_address_compared_anew(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.max)
    assert client.post(f"{PEOPLE}add/", form_data(email="Ana@B.example")).status_code == 302
    with tenant(cast.bakery.pk):
        ana = Participant.objects.get()
    assert (ana.email, ana.email_norm, ana.attributes) == ("Ana@B.example", "ana@b.example", {"city": "Gent"})
    page = f"{PEOPLE}{ana.pk}/change/"
    assert client.post(page, form_data(email="ANNA@b.example", locale="nl_be")).status_code == 302
    with tenant(cast.bakery.pk):
        ana.refresh_from_db()
    assert (ana.email_norm, ana.locale) == ("anna@b.example", "nl-BE")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"email": "max@b.example"}, "Another participant has this email address."),
        ({"email": "nobody"}, "has no @"),
        ({"locale": "klingon!"}, "such as fr or fr-BE"),
        ({"attributes-value": ["Gent", "Lier"]}, "Give “Lier” a name"),
        ({"attributes-name": ["city", "city"]}, "Two attributes are named “city”"),
    ],
)
def test_a_change_that_cannot_be_is_refused_at_its_field(
    cast: Cast, now: datetime, changes: dict[str, str], words: str
) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now)
    make_participant(cast.bakery, "max@b.example", now=now)
    response = signed_in(cast.max).post(f"{PEOPLE}{ana.pk}/change/", form_data(**changes))
    assert response.status_code == 200
    assert words in response.content.decode()


def test_moving_a_person_lowers_the_copies_that_the_new_country_does_not_permit(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now, country="CH")
    content = register_content(cast.bakery, make_website(cast.bakery, cast.ana, now=now), [])
    copies = [NewTracked(participant_id=ana.pk, country="CH", opens="individual", clicks="individual")]
    register_messages(cast.bakery, content, copies, decided_at=now)
    assert signed_in(cast.max).post(f"{PEOPLE}{ana.pk}/change/", form_data(country="FR")).status_code == 302
    with tenant(cast.bakery.pk):
        copy = TrackedMessage.objects.get()
        assert (copy.country, copy.opens, copy.clicks) == ("FR", "none", "none")
        assert Choice.objects.get(participant=ana).opens_not_no_since > BEGINNING


def test_the_page_of_a_person_says_what_was_decided_and_why(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    topic = make_topic(cast.bakery, website)
    done = import_text(
        cast.bakery,
        "email,consent_email_tracking\nana@b.example,yes\n",
        now=now,
        provenance=PROVENANCE,
        author=cast.max,
    )
    with tenant(cast.bakery.pk):
        ana = Participant.objects.get()
    subscribe_to(cast.bakery, ana, topic, now=now)
    text = signed_in(cast.dana).get(f"{PEOPLE}{ana.pk}/change/").content.decode()
    for words in (
        "Consent history",
        "May we measure opens and clicks?",
        "an import",
        f"/console/intake/import/{done.pk}/change/",
        "Not measured: the website is set to Never track.",
        "Daily bread · Weekly news",
    ):
        assert words in text


@pytest.mark.parametrize("member", ["ana", "max", "dana"])
def test_members_record_a_no_at_any_time(cast: Cast, now: datetime, member: str) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now)
    choose(cast.bakery, ana, now=now, opens=ChoiceValue.YES)
    client = signed_in(getattr(cast, member))
    response = client.post(f"{PEOPLE}{ana.pk}/choice/", {"opens": "no", "clicks": "", "happened_on": "2024-11-20"})
    assert response.status_code == 302
    with tenant(cast.bakery.pk):
        assert Choice.objects.get(participant=ana).opens == "no"
        assert ChoiceEvent.objects.get(source="member").actor_id == getattr(cast, member).pk


def test_c6_a_yes_by_a_member_needs_evidence_and_never_undoes_the_persons_no(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now)
    page = f"{PEOPLE}{ana.pk}/choice/"
    client = signed_in(cast.max)
    bare = {"opens": "yes", "clicks": "", "happened_on": "2024-11-20"}
    assert client.post(page, bare).status_code == 422
    whole = bare | {"wording": "May we?", "evidence": "letter of 20 November 2024"}
    assert client.post(page, whole).status_code == 302
    with tenant(cast.bakery.pk):
        assert Choice.objects.get(participant=ana).opens == "yes"
        assert ChoiceEvent.objects.get().evidence == {"note": "letter of 20 November 2024"}
    choose(cast.bakery, ana, now=now, opens=ChoiceValue.NO)
    assert "own choice stands" in said(client.post(page, whole))
    with tenant(cast.bakery.pk):
        assert Choice.objects.get(participant=ana).opens == "no"


def test_nothing_chosen_and_days_to_come_are_refused(cast: Cast, now: datetime) -> None:
    ana = make_participant(cast.bakery, "ana@b.example", now=now)
    client = signed_in(cast.max)
    for data in ({"happened_on": "2024-11-20"}, {"opens": "no", "happened_on": "2126-01-01"}):
        assert client.post(f"{PEOPLE}{ana.pk}/choice/", data).status_code == 422
