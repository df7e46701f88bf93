"""``manage.py import_participants``."""

from __future__ import annotations

import csv
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Campaign, Participation
from common.tenancy import tenant
from consent.models import Choice, Subscription
from delivery.models import Suppression
from intake.models import Import, ImportState
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import loosen, make_topic, make_website
from websites.models import ConsentScope

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

TEXT = "email;pays;consent_email_tracking;ville\nana@b.example;FR;oui;Lyon\nnobody;FR;;\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(TEXT)
    return path


def run(file: Path, *options: str, organization: str = "Bakery") -> str:
    out = StringIO()
    call_command("import_participants", str(file), "--organization", organization, *options, stdout=out)
    return out.getvalue()


def test_it_imports_and_prints_the_report(cast: Cast, now: datetime, file: Path) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    make_topic(cast.bakery, website)
    with tenant(cast.bakery.pk):
        Campaign.objects.create(organization=cast.bakery, website=website, name="Quiz", kind="quiz")
    provenance = ["--provenance-where=shop", "--collected-at=2024-05-01", "--wording=May we?", "--evidence=crm"]
    options = ["--topic=Daily bread/Weekly news", "--basis=opt_in", "--campaign=Quiz", "--mapping=ville="]
    report = run(file, *provenance, *options, organization=str(cast.bakery.public_id))
    for words in ("2 of 2 rows read", "1 new participant", "1 row left out", "2 answers about tracking recorded"):
        assert words in report
    with tenant(cast.bakery.pk):
        ana = Participant.objects.get()
        assert (str(ana.country), ana.attributes) == ("FR", {})
        assert Choice.objects.get().opens == "yes"
        assert (Subscription.objects.count(), Participation.objects.count()) == (1, 1)
        assert Import.objects.get().provenance["vouched_by"]


def test_without_provenance_a_yes_is_not_recorded_and_said_so(cast: Cast, file: Path) -> None:
    assert "2 yeses without provenance stay unknown" in run(file)


def test_what_is_listed_can_be_written_to_a_file(cast: Cast, file: Path, tmp_path: Path) -> None:
    run(file, f"--errors={tmp_path / 'errors.csv'}")
    lines = list(csv.reader((tmp_path / "errors.csv").read_text().splitlines()))
    assert [line[0] for line in lines] == ["row", "2", "3"]


def test_suppressions_come_the_same_way(cast: Cast, tmp_path: Path) -> None:
    path = tmp_path / "bounces.csv"
    path.write_text("email,reason\nana@b.example,bounced\n")
    assert "1 address suppressed" in run(path, "--kind=suppressions")
    with tenant(cast.bakery.pk):
        assert Suppression.objects.get().reason == "bounced"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"organization": "Butcher"}, "There is no organization 'Butcher'"),
        ({"topic": "News"}, "0 topics are called 'News'"),
        ({"campaign": "Quiz"}, "0 campaigns are called 'Quiz'"),
        ({"mapping": ["ville"]}, "COLUMN=FIELD"),
        ({"mapping": ["town=country"]}, "no column named “town”"),
        ({"mapping": ["email="]}, "No column holds the email address"),
    ],
)
def test_what_cannot_be_done_ends_with_an_error(cast: Cast, file: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("import_participants", str(file), **({"organization": "Bakery"} | options))
    with tenant(cast.bakery.pk):
        assert not Participant.objects.exists()


def test_a_broken_file_ends_with_an_error(cast: Cast, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    with pytest.raises(CommandError, match="There is no file"):
        run(path)
    path.write_bytes(b'email\n"ana@b.example\n')
    with pytest.raises(CommandError, match="quotation mark"):
        run(path)
    with tenant(cast.bakery.pk):
        assert not Import.objects.exclude(state=ImportState.UPLOADED).exists()


def test_two_organizations_of_one_name_are_told_apart_by_their_ids(cast: Cast, file: Path) -> None:
    with tenant(cast.cinema.pk):
        cast.cinema.name = "Bakery"
        cast.cinema.save(update_fields=["name"])
    with pytest.raises(CommandError, match=str(cast.cinema.public_id)):
        run(file)


def test_informed_people_and_their_scope_come_the_same_way(cast: Cast, now: datetime, tmp_path: Path) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, country="FR")
    with tenant(cast.bakery.pk):
        brand = ConsentScope.objects.create(organization=cast.bakery, name="Brand")
    loosen(cast.bakery, website, now=now, consent_scope=brand.pk)
    path = tmp_path / "people.csv"
    path.write_text("email,country\nzoe@b.example,FR\ngreta@b.example,DE\n")
    days = ["--informed-collected-at=2025-05-01", "--informed-at=2026-06-01"]
    said = ["--informed=existing", *days, "--informed-evidence=crm", "--vouched-by=Ana"]
    for options, words in (
        (said, "No website of the consent scope “Bakery” has a notice"),
        ([*said, "--informed-notice=Cheese"], "There is no notice 'Cheese'"),
        (["--consent-scope=Cheese"], "There is no consent scope 'Cheese'"),
        (["--informed-notice=Daily bread", "--consent-scope=Brand"], "this lacks: why they count as informed"),
        (
            [*said, "--informed-notice=Daily bread", "--consent-scope=Brand", "--informed-at=1 June"],
            "Write the day as 2026-05-31",
        ),
    ):
        with pytest.raises(CommandError, match=words):
            run(path, *options)
    report = run(path, *said, "--informed-notice=Daily bread/en", "--consent-scope=Brand")
    assert "1 person recorded as informed, did not refuse" in report
    assert "1 person stays unknown, since being informed does not count where they are" in report
    with tenant(cast.bakery.pk):
        choice = Choice.objects.get()
        assert (choice.opens, choice.scope_id, choice.informed_ground) == ("informed", brand.pk, "existing")
