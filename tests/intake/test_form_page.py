"""The participation page through HTTP: what it takes, what it refuses, and what looking at it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign, Participation
from common.keys import encode_key, new_key
from common.tenancy import tenant
from intake import views
from intake.form_editing import withdraw_form
from intake.models import EntryForm, FieldKind, Submission
from tests.intake.forms_world import ADDRESS, FormWorld, aged, make_form_world, token_of
from tests.support.cast import Cast
from websites.models import Website

pytestmark = pytest.mark.django_db


def rows() -> dict[str, int]:
    """How often each table was written, as far as this transaction goes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables"
            " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
        )
        return dict(cursor.fetchall())


def test_an_entry_makes_a_person_a_participation_and_an_entry(form_world: FormWorld) -> None:
    first = form_world.add(FieldKind.TEXT, name="given", target="first_name")
    bread = form_world.add(
        FieldKind.CHOICE,
        name="bread",
        target="attribute",
        texts={"en": {"label": "Which bread?", "options": ["Rye", "Spelt"]}},
    )
    hidden = form_world.add(FieldKind.HIDDEN)
    response = form_world.send(
        "Lea@Home.example", **{f"q{first.pk}": " Léa ", f"q{bread.pk}": "Spelt", f"q{hidden.pk}": "fair"}
    )
    assert response.status_code == 200
    assert "Thank you" in response.content.decode()
    person = form_world.person()
    assert person is not None
    assert (person.email, person.first_name, person.locale) == ("Lea@Home.example", "Léa", "en")
    assert person.attributes == {"bread": "Spelt"}
    (entry,) = form_world.entries()
    assert (entry.answers, entry.source, entry.participant_id) == (
        {"given": "Léa", "bread": "Spelt"},
        "fair",
        person.pk,
    )
    with tenant(form_world.organization.pk):
        assert Participation.objects.get().source == "fair"


def test_every_type_of_field_is_shown_and_kept(form_world: FormWorld) -> None:
    kinds = [kind for kind in FieldKind if kind not in (FieldKind.EMAIL, FieldKind.TRACKING_CONSENT)]
    added = {kind: form_world.add(kind) for kind in kinds}
    page = form_world.open().content.decode()
    for kind in kinds:
        assert f'name="q{added[kind].pk}"' in page
    answers = {
        FieldKind.TEXT: "a",
        FieldKind.LONG_TEXT: "b\nc",
        FieldKind.CHOICE: "First answer",
        FieldKind.MULTIPLE_CHOICE: ["First answer", "Second answer"],
        FieldKind.COUNTRY: "BE",
        FieldKind.DATE: "2026-05-31",
        FieldKind.CHECKBOX: "on",
        FieldKind.HIDDEN: "x",
        FieldKind.TOPIC: "on",
    }
    assert form_world.send(**{f"q{added[kind].pk}": value for kind, value in answers.items()}).status_code == 200
    (entry,) = form_world.entries()
    assert entry.answers == {
        "text": "a",
        "long_text": "b\nc",
        "choice": "First answer",
        "multiple": ["First answer", "Second answer"],
        "country": "BE",
        "date": "2026-05-31",
        "checkbox": True,
    }
    person = form_world.person()
    assert person is not None
    assert str(person.country) == "BE"


@pytest.mark.parametrize("email", ["", "no address", "a@b", "léa@home.example"])
def test_an_address_that_nobody_can_write_to_is_refused_in_words(form_world: FormWorld, email: str) -> None:
    response = form_world.send(email)
    assert response.status_code == 422
    page = response.content.decode()
    assert 'role="alert"' in page
    assert 'aria-invalid="true"' in page
    assert form_world.entries() == []


def test_what_must_be_answered_is_asked_again_and_nothing_typed_is_lost(form_world: FormWorld) -> None:
    needed = form_world.add(FieldKind.TEXT, name="given", target="first_name", required=True)
    response = form_world.send(tracking="no")
    page = response.content.decode()
    assert response.status_code == 422
    assert f'href="#id_q{needed.pk}"' in page
    assert f'value="{ADDRESS}"' in page
    assert "checked" in page.split('value="no"')[1].split(">")[0]
    assert form_world.send(token=token_of(response), **{f"q{needed.pk}": "Léa"}).status_code == 200


def test_an_option_that_the_form_does_not_offer_is_refused(form_world: FormWorld) -> None:
    choice = form_world.add(FieldKind.CHOICE)
    assert form_world.send(**{f"q{choice.pk}": "<script>"}).status_code == 422


def test_the_same_page_sent_twice_is_one_entry(form_world: FormWorld) -> None:
    token = form_world.token()
    assert form_world.send(token=token, tracking="yes").status_code == 200
    assert form_world.send(token=token, tracking="no").status_code == 200
    assert len(form_world.entries()) == 1
    assert form_world.choice() == ("yes", "yes")


# --- Looking changes nothing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("headers", [{}, {"sec-purpose": "prefetch"}, {"user-agent": "LinkScanner/1.0"}])
def test_h2_looking_writes_no_row_and_sets_no_cookie(
    form_world: FormWorld, method: str, headers: dict[str, str]
) -> None:
    before = rows()
    response = getattr(Client(), method)(form_world.address, headers=headers)
    assert response.status_code == 200
    assert rows() == before
    assert not response.cookies
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"


def test_an_entry_sets_no_cookie_either(form_world: FormWorld) -> None:
    assert not form_world.send().cookies


# --- Bots -------------------------------------------------------------------------------------------------------------


def test_a_program_that_fills_in_everything_is_refused_and_a_person_can_send_again(form_world: FormWorld) -> None:
    response = form_world.send(more_about_this="buy now")
    assert response.status_code == 422
    assert form_world.entries() == []
    page = response.content.decode()
    assert "buy now" not in page
    assert f'value="{ADDRESS}"' in page
    assert form_world.send(token=token_of(response)).status_code == 200


def test_a_page_that_is_sent_at_once_is_shown_again(form_world: FormWorld) -> None:
    fresh = token_of(form_world.open())
    response = form_world.send(token=fresh)
    assert response.status_code == 422
    assert "very quick" in response.content.decode()
    assert form_world.entries() == []
    # The page keeps its time, so a moment later it is taken.
    assert form_world.send(token=aged(token_of(response), form_world.form.pk, timedelta(seconds=3))).status_code == 200


@pytest.mark.parametrize("token", ["", "made up", "a:b:c"])
def test_a_page_that_is_not_ours_is_shown_again_with_what_was_typed(form_world: FormWorld, token: str) -> None:
    response = form_world.send(token=token or "-", tracking="yes")
    assert response.status_code == 422
    assert form_world.entries() == []
    page = response.content.decode()
    assert f'value="{ADDRESS}"' in page
    # What was agreed to under words that we do not know is asked again.
    assert "checked" not in page


def test_a_page_that_lay_open_for_days_is_shown_again(form_world: FormWorld) -> None:
    response = form_world.send(token=form_world.token(age=timedelta(days=2)))
    assert response.status_code == 422
    assert "lay open" in response.content.decode()


def test_a_page_of_another_form_or_of_another_key_is_not_taken(form_world: FormWorld, cast: Cast) -> None:
    token = form_world.token()
    forged = signing.dumps({"f": form_world.form.pk}, key="guessed", salt="intake.participation page")
    assert form_world.send(token=forged).status_code == 422
    with tenant(cast.bakery.pk):
        Campaign.objects.update(name="One")
    other = make_form_world_of_another_campaign(cast)
    assert other.send(token=token).status_code == 422


def make_form_world_of_another_campaign(cast: Cast) -> FormWorld:
    with tenant(cast.bakery.pk):
        Website.objects.update(name="First website")
    return make_form_world(cast, timezone.now())


@pytest.fixture
def long_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as ever, counted over a day: a window of ten minutes may end between two of sixty entries."""
    for name in ("ENTRIES_OF_NETWORK", "ENTRIES_OF_ADDRESS"):
        monkeypatch.setattr(views, name, replace(getattr(views, name), seconds=86_400))


@pytest.mark.usefixtures("long_windows")
def test_too_many_entries_from_one_place_are_asked_to_wait(form_world: FormWorld) -> None:
    statuses = [form_world.send(f"p{number}@home.example").status_code for number in range(62)]
    assert statuses[:60] == [200] * 60
    assert statuses[60:] == [429] * 2
    assert "wait" in form_world.send().content.decode()


@pytest.mark.usefixtures("long_windows")
def test_too_many_entries_for_one_address_are_asked_to_wait(form_world: FormWorld) -> None:
    statuses = [form_world.send().status_code for _number in range(7)]
    assert statuses == [200] * 5 + [429] * 2


def test_a_no_is_taken_though_the_counter_is_away(form_world: FormWorld, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert form_world.send(tracking="no").status_code == 200
    assert form_world.choice() == ("no", "no")


# --- Open, closed, gone -----------------------------------------------------------------------------------------------


def test_before_it_opens_the_page_says_when(form_world: FormWorld) -> None:
    with tenant(form_world.organization.pk):
        Campaign.objects.update(opens_at=timezone.now() + timedelta(days=2))
    response = form_world.open()
    assert response.status_code == 200
    assert "not open yet" in response.content.decode()
    assert 'name="page"' not in response.content.decode()


def test_after_it_closed_nothing_is_taken(form_world: FormWorld) -> None:
    token = form_world.token()
    with tenant(form_world.organization.pk):
        Campaign.objects.update(closes_at=timezone.now() - timedelta(minutes=1))
    response = form_world.send(token=token)
    assert response.status_code == 410
    assert "closed" in response.content.decode()
    assert form_world.entries() == []
    assert form_world.person() is None


def test_a_form_that_is_not_published_is_not_found(form_world: FormWorld) -> None:
    token = form_world.token()
    withdraw_form(form_world.organization, form_world.form)
    assert form_world.open().status_code == 404
    assert form_world.send(token=token).status_code == 404


@pytest.mark.parametrize("key", ["x", "A" * 22, "B" * 22, "%00", "A" * 400])
def test_a_key_that_means_nothing_is_not_found(db: None, key: str) -> None:
    assert Client().get(f"/f/{key}").status_code == 404
    assert Client().post(f"/d/{key}").status_code == 404


def test_a_random_key_is_not_found(db: None) -> None:
    assert Client().get(f"/f/{encode_key(new_key())}").status_code == 404


# --- Frames -----------------------------------------------------------------------------------------------------------


def test_the_page_itself_stays_out_of_frames(form_world: FormWorld) -> None:
    response = form_world.open()
    assert response["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert "script-src" not in response["Content-Security-Policy"]
    assert "<script" not in response.content.decode()


def test_only_the_websites_own_pages_may_show_it_in_a_frame(form_world: FormWorld) -> None:
    form_world.set_page(frame_hosts=["https://Shop.Example.org/page", "partner.example"])
    response = form_world.open(query="?embed=1")
    assert "X-Frame-Options" not in response
    policy = response["Content-Security-Policy"]
    ancestors = next(part for part in policy.split(";") if "frame-ancestors" in part).split()
    assert ancestors == [
        "frame-ancestors",
        "bread.example",
        "www.bread.example",
        "shop.example.org",
        "partner.example",
        "www.partner.example",
    ]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_an_entry_from_inside_a_frame_is_answered_inside_the_frame(form_world: FormWorld) -> None:
    response = form_world.send(query="?embed=1")
    assert response.status_code == 200
    assert "frame-ancestors bread.example" in response["Content-Security-Policy"]


def test_a_domain_cannot_write_into_the_header(form_world: FormWorld) -> None:
    with tenant(form_world.organization.pk):
        Website.objects.update(domain="evil.example *; script-src *")
    response = form_world.open(query="?embed=1")
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"


def test_the_script_is_the_same_for_everybody(db: None) -> None:
    response = Client().get("/f/embed.js")
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "max-age" in response["Cache-Control"]
    assert not response.cookies
    assert b"document.cookie" not in response.content
    assert Client().post("/f/embed.js").status_code == 405


# --- What marketers and people type -----------------------------------------------------------------------------------


EVIL = "<script>alert(1)</script>\"'>"


def test_nothing_that_is_typed_becomes_markup(form_world: FormWorld) -> None:
    form_world.set_page(
        texts={"en": {"title": EVIL, "intro": EVIL, "button": EVIL, "exit_title": EVIL, "exit_text": EVIL}}
    )
    form_world.add(FieldKind.CHOICE, name="evil", texts={"en": {"label": EVIL, "help": EVIL, "options": [EVIL, "b"]}})
    text = form_world.add(FieldKind.TEXT)
    pages = [
        form_world.open(query=f"?source={EVIL}"),
        form_world.send("bad", **{f"q{text.pk}": EVIL}),
        form_world.send(),
    ]
    for page in pages:
        assert "<script>alert" not in page.content.decode()


def test_another_organization_cannot_be_reached_through_a_form(form_world: FormWorld, cast: Cast) -> None:
    form_world.send(tracking="yes")
    with tenant(cast.cinema.pk):
        assert not EntryForm.objects.exists()
        assert not Submission.objects.exists()
