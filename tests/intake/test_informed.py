"""A file of people who were informed and did not refuse: the wizard, and who is recorded (C8, C10)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent, Notice
from consent.rules import ChoiceValue
from consent.services import publish_notice
from intake.imports import run as run_module
from intake.imports import run_import
from intake.models import Import, ImportState
from intake.readers.rows import read_chunks
from intake.services import cancel_import, continue_import
from tests.intake.importing import PROVENANCE, counted, import_text, issues_of, prepare
from tests.support.cast import Cast
from tests.support.world import choose, loosen, make_participant, make_website
from websites.models import ConsentScope, Website

pytestmark = pytest.mark.django_db

SAID = {
    "ground": "existing",
    "collected_at": "2025-05-01",
    "informed_at": "2026-06-01",
    "evidence": "crm, mailing 12",
    "vouched_by": "Ana",
}
IMPORTS = "/console/intake/import/"
NO = ChoiceValue.NO


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now, country="FR")


def notice_of(website: Website) -> Notice:
    with tenant(website.organization_id):
        return Notice.objects.select_related("website").get(website=website, language="en")


def choices(cast: Cast) -> dict[str, tuple[str, str]]:
    with tenant(cast.bakery.pk):
        return {
            choice.participant.email.partition("@")[0]: (choice.opens, choice.clicks)
            for choice in Choice.objects.select_related("participant")
        }


def test_c10_people_without_an_answer_are_recorded_where_the_table_counts_it(
    cast: Cast, website: Website, now: datetime
) -> None:
    refused = make_participant(cast.bakery, "refused@b.example", now=now, country="FR")
    choose(cast.bakery, refused, now=now, opens=NO)
    rows = (
        "email,country,consent_email_tracking\n"
        "zoe@b.example,FR,\nnico@b.example,,\ngreta@b.example,DE,\nurs@b.example,CH,\nitalo@b.example,IT,\n"
        "noemie@b.example,FR,no\nyves@b.example,FR,yes\nodd@b.example,FR,perhaps\nrefused@b.example,FR,\n"
    )
    done = import_text(cast.bakery, rows, now=now, author=cast.max, informed=SAID, informed_notice=notice_of(website))
    assert choices(cast) == {
        "zoe": ("informed", "informed"),
        "urs": ("informed", "informed"),
        "italo": ("informed", "informed"),
        "refused": ("no", "informed"),
        "noemie": ("no", "no"),
    }
    expected = {"informed": 4, "informed_not_allowed": 2, "yes_without_provenance": 2, "consent_unreadable": 1}
    assert expected.items() <= counted(done).items()
    assert {row: issue for row, _column, issue in issues_of(done)} == {
        3: "informed_not_allowed",
        4: "informed_not_allowed",
        8: "yes_without_provenance",
        9: "consent_unreadable",
    }
    with tenant(cast.bakery.pk):
        event = ChoiceEvent.objects.filter(value="informed").first()
        assert event is not None
        assert (event.source, event.method, event.actor_id) == ("import", f"import:{done.pk}", cast.max.pk)
        told = event.evidence["informed"]
    assert (event.evidence["import"], told["ground"], told["informed_at"]) == (
        done.pk,
        "existing",
        "2026-05-31T22:00:00.000000Z",
    )
    assert told["notice"]["id"] == notice_of(website).pk


def test_c10_where_the_limits_are_earlier_people_stay_unknown(cast: Cast, now: datetime) -> None:
    """A Swiss website knows no such day; whoever is in France or Italy brings theirs (rule S5)."""
    website = make_website(cast.bakery, cast.ana, now=now, country="CH")
    said = SAID | {"collected_at": "2026-04-20", "informed_at": "2026-06-01"}
    done = import_text(
        cast.bakery, "email,country\nurs@b.example,CH\nzoe@b.example,FR\nitalo@b.example,IT\n", now=now,
        informed=said, informed_notice=notice_of(website),
    )  # fmt: skip
    assert choices(cast) == dict.fromkeys(("urs", "italo"), ("informed", "informed"))
    assert counted(done)["informed_too_late"] == 1
    assert issues_of(done) == [(3, "email", "informed_too_late")]


def test_c10_a_second_import_of_the_same_changes_nothing(cast: Cast, website: Website, now: datetime) -> None:
    text, options = "email,country\nzoe@b.example,FR\n", {"informed": SAID, "informed_notice": notice_of(website)}
    import_text(cast.bakery, text, now=now, **options)
    again = import_text(cast.bakery, text, now=now, **options)
    assert counted(again) == {"unchanged": 1, "informed_already": 1}
    with tenant(cast.bakery.pk):
        assert ChoiceEvent.objects.count() == 2


def test_c8_answers_belong_to_the_scope_that_was_chosen(cast: Cast, website: Website, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        brand = ConsentScope.objects.create(organization=cast.bakery, name="Brand")
    loosen(cast.bakery, website, now=now, consent_scope=brand.pk)
    rows = "email,country,consent_email_tracking\nzoe@b.example,FR,\nyves@b.example,FR,yes\nmia@b.example,FR,no\n"
    import_text(
        cast.bakery, rows, now=now, scope=brand, provenance=PROVENANCE, informed=SAID,
        informed_notice=notice_of(website),
    )  # fmt: skip
    assert choices(cast) == {"zoe": ("informed",) * 2, "yves": ("yes",) * 2, "mia": ("no",) * 2}
    with tenant(cast.bakery.pk):
        assert set(Choice.objects.values_list("scope", flat=True)) == {brand.pk}
        assert set(ChoiceEvent.objects.values_list("scope", flat=True)) == {brand.pk}


def test_c10_professionals_need_a_website_for_them(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, country="CH")
    loosen(cast.bakery, website, now=now, for_professionals=True)
    import_text(
        cast.bakery, "email,country\nurs@b.example,CH\nzoe@b.example,FR\n", now=now,
        informed=SAID | {"ground": "professional"}, informed_notice=notice_of(website),
    )  # fmt: skip
    assert choices(cast) == {"urs": ("informed", "informed")}
    with tenant(cast.bakery.pk):
        assert Choice.objects.get().informed_ground == "professional"


def test_a_run_that_goes_on_does_the_same(
    cast: Cast, website: Website, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "read_chunks", partial(read_chunks, size=2))
    text = "email,country\n" + "".join(f"p{number}@b.example,FR\n" for number in range(6))
    source = prepare(cast.bakery, text, now=now, informed=SAID, informed_notice=notice_of(website))

    def stop(current: Import) -> None:
        with tenant(cast.bakery.pk):
            cancel_import(cast.bakery, current, now=now)

    stopped = run_import(cast.bakery.pk, source.pk, clock=lambda: now, progress=stop)
    assert stopped.state == ImportState.CANCELLED
    assert 0 < len(choices(cast)) < 6
    with tenant(cast.bakery.pk):
        continue_import(cast.bakery, stopped, now=now)
    done = run_import(cast.bakery.pk, source.pk, clock=lambda: now)
    assert done.state == ImportState.DONE
    assert choices(cast) == {f"p{number}": ("informed", "informed") for number in range(6)}
    assert done.counts["informed"] == 6


# --- The wizard -------------------------------------------------------------------------------------------------------


def begin(cast: Cast, rows: bytes = b"email,country\nzoe@b.example,FR\n") -> tuple[Client, str]:
    client = Client()
    client.force_login(cast.max)
    response = client.post(
        f"{IMPORTS}add/", {"kind": "participants", "file": SimpleUploadedFile("people.csv", rows, "text/csv")}
    )
    return client, response["Location"]


def answers(website: Website | None, **changes: Any) -> dict[str, Any]:
    said = {f"informed_{part}": text for part, text in SAID.items()}
    notice = {"informed_notice": notice_of(website).pk} if website else {}
    return {"column_0": "email", "column_1": "country", **said, **notice, **changes}


def test_the_wizard_asks_and_shows_what_was_said(cast: Cast, website: Website, now: datetime) -> None:
    client, page = begin(cast)
    text = client.get(page).content.decode()
    for words in ("Were they informed, and did not refuse?", "Daily bread, English, version 1", "never shown as a yes"):
        assert words in text
    # One scope is no choice.
    assert "Where the tracking consent belongs" not in text
    assert client.post(page, answers(website))["Location"] == page
    with tenant(cast.bakery.pk):
        source = Import.objects.get()
    assert (source.informed, source.informed_notice_id) == (SAID, notice_of(website).pk)
    run_import(cast.bakery.pk, source.pk)
    text = client.get(page).content.decode()
    for words in ("1 person recorded as informed, did not refuse", "crm, mailing 12", "May 1, 2025", "June 1, 2026"):
        assert words in text
    assert choices(cast) == {"zoe": ("informed", "informed")}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"informed_informed_at": "2025-04-30"}, "cannot have been informed before their addresses came in"),
        ({"informed_informed_at": "2030-01-01"}, "This day is yet to come"),
        ({"informed_notice": ""}, "Say by which notice these people were informed"),
        ({"informed_evidence": " "}, "this lacks: where the evidence can be looked up"),
        ({"informed_collected_at": ""}, "this lacks: the day on which the addresses came in"),
        ({"informed_collected_at": "soon"}, "Enter a valid date"),
        ({"informed_ground": "professional"}, "“Daily bread” is not a website for professionals"),
        (
            {"informed_collected_at": "2026-04-14"},
            "In France people count as informed only when their addresses came in before April 14, 2026 and they were "
            "informed by July 14, 2026.",
        ),
        ({"informed_informed_at": "2026-07-15"}, "informed by July 14, 2026"),
    ],
)
def test_the_wizard_says_what_is_wrong_where_it_is(
    cast: Cast, website: Website, changes: dict[str, str], words: str
) -> None:
    client, page = begin(cast)
    response = client.post(page, answers(website, **changes))
    assert response.status_code == 422
    assert words in response.content.decode()
    with tenant(cast.bakery.pk):
        assert Import.objects.get().state == ImportState.UPLOADED


def test_without_a_notice_nobody_was_informed(cast: Cast, now: datetime) -> None:
    make_website(cast.bakery, cast.ana, now=now, country="FR", notice=False)
    client, page = begin(cast)
    response = client.post(page, answers(None))
    assert "has a notice. Publish the one that people got first." in response.content.decode()


def test_the_notice_must_be_of_the_scope_and_tell_of_both(cast: Cast, website: Website, now: datetime) -> None:
    client, page = begin(cast)
    with tenant(cast.bakery.pk):
        brand = ConsentScope.objects.create(organization=cast.bakery, name="Brand")
        opens_only = publish_notice(
            cast.bakery, website, language="fr", text="x", url="https://bread.example/", author=cast.ana, now=now,
            covers=["opens"],
        )  # fmt: skip
    assert "Where the tracking consent belongs" in client.get(page).content.decode()
    elsewhere = client.post(page, answers(website, scope=brand.pk)).content.decode()
    assert "“Daily bread”, which is not in the consent scope “Brand”" in elsewhere
    half = client.post(page, answers(None, informed_notice=opens_only.pk)).content.decode()
    assert "does not tell people of opens and clicks" in half


def test_c10_in_germany_being_informed_is_never_enough(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, country="DE")
    client, page = begin(cast)
    response = client.post(page, answers(website))
    assert (
        "In Germany, where “Daily bread” is, being informed does not stand in for a yes." in response.content.decode()
    )


def test_the_scope_of_our_own_export_is_chosen_beforehand(cast: Cast, website: Website) -> None:
    with tenant(cast.bakery.pk):
        brand = ConsentScope.objects.create(organization=cast.bakery, name="Brand")
    client, page = begin(cast, b"email,consent_scope,consent_email_opens\nzoe@b.example,Brand,no\n")
    assert f'<option value="{brand.pk}" selected>Brand</option>' in client.get(page).content.decode()
