"""The demonstration organization: made by the product's own services, the same everywhere, and whole."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Membership, Organization
from campaigns.models import Campaign, Email, Launch, Participation
from common.tenancy import tenant
from config.seed.people import CROWDS, rows_of
from config.seed.places import NEWSLETTER, OFFICER, OWNER, PLACES, STORIES
from consent.models import Choice, LegalJustification, PolicyProposal, Subscription
from delivery.models import ContentSnapshot, Message, Suppression
from delivery.rendering import CompiledEmail
from intake.models import Import
from participants.models import Participant
from tracking.markup import scan_tags
from websites.models import EmailTrackingVersion, Website

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
MODELS = (
    Website,
    Campaign,
    Email,
    Participant,
    Subscription,
    Choice,
    Participation,
    Launch,
    Message,
    Suppression,
    Import,
)


def seed(**options: Any) -> str:
    out = StringIO()
    call_command("seed", stdout=out, **options)
    return out.getvalue()


def demo_file() -> Path:
    return Path(settings.PLI_HOME) / "demo.json"


def organization() -> Organization:
    (number,) = Organization.objects.using("owner").values_list("pk", flat=True)
    with tenant(number):
        return Organization.objects.get()


@pytest.fixture(autouse=True)
def _no_sign_in_of_before() -> None:
    demo_file().unlink(missing_ok=True)


def check_newsletter(frozen: CompiledEmail) -> None:
    """A real one: many links, described images, three languages, and nobody else's servers."""
    html = "".join(frozen.html_parts)
    assert len(frozen.links) >= 30
    assert len({link.destination for link in frozen.links}) >= 30
    hosts = {link.destination.split("/")[2].split(".", 1)[1] for link in frozen.links}
    assert hosts <= {"example.org", "example.com", "example.net"}
    images = [tag for tag in scan_tags(html) if tag.name == "img" and not tag.closes]
    assert len(images) >= 10
    for image in images:
        alt, source = image.attribute("alt"), image.attribute("src")
        assert alt is not None
        assert alt.value
        assert source is not None
        assert source.value.startswith(f"{settings.BASE_URL}/static/demo/")
        assert (Path(settings.BASE_DIR) / "static/demo" / source.value.rpartition("/")[2]).exists()
    for words in ("Le temps du feu lent", "Raise your own starter", "Seit Allerheiligen backen wir"):
        assert words in html
    assert "fonts.googleapis" not in html


def test_it_fills_in_websites_people_campaigns_and_one_launch() -> None:
    seed()
    bakery = organization()
    with tenant(bakery.pk):
        settings_of = {website.country.code: website.email_tracking for website in Website.objects.all()}
        assert settings_of == {"FR": "never", "BE": "always", "IT": "by_consent", "DE": "by_consent"}
        assert Participant.objects.count() == 5_000
        assert Campaign.objects.count() == len(STORIES) == 3
        assert {source.state for source in Import.objects.all()} == {"done"}
        assert all(source.counts.get("rejected", 0) == 0 for source in Import.objects.all())
        justification = LegalJustification.objects.get()
        assert justification.proposed_by != justification.confirmed_by
        assert EmailTrackingVersion.objects.count() == 4 + 3
        # Every loosening took two people, and one waits for the second.
        loosened = EmailTrackingVersion.objects.exclude(source="created")
        assert {(one.proposed_by.email, one.author.email) for one in loosened} == {(OWNER.email, OFFICER.email)}
        assert PolicyProposal.objects.get(state="open").wanted == {"opens_fallback": "anonymous"}
        # What was said, by whom, is mixed: opens and clicks apart, and many never answered.
        answers = set(Choice.objects.values_list("opens", "clicks"))
        assert {("yes", "yes"), ("no", "no"), ("yes", "no"), ("no", "yes"), ("yes", "unknown")} <= answers
        assert 3_000 < Choice.objects.count() < 4_000
        assert Message.objects.filter(status="queued").count() == 1_600 - Suppression.objects.count() == 1_576
        assert set(Membership.objects.values_list("role", flat=True)) == {"owner", "dpo", "marketer"}
        check_newsletter(CompiledEmail.from_dict(ContentSnapshot.objects.get().compiled))


def check_sign_in() -> None:
    """Kept where only its owner reads it, and it opens the door."""
    demo = json.loads(demo_file().read_text())
    assert stat.S_IMODE(demo_file().stat().st_mode) == 0o600
    assert demo["email"] == OWNER.email
    assert Client().login(email=demo["email"], password=demo["password"])


def test_again_it_changes_nothing_and_a_lost_sign_in_is_made_anew() -> None:
    seed()
    check_sign_in()
    bakery = organization()

    def counts() -> list[int]:
        with tenant(bakery.pk):
            return [model._default_manager.count() for model in MODELS]

    before, sign_in = counts(), demo_file().read_text()
    seed()
    assert counts() == before
    assert demo_file().read_text() == sign_in
    demo_file().unlink()
    seed()
    assert counts() == before
    assert demo_file().read_text() != sign_in
    check_sign_in()


def test_cut_short_it_goes_on_where_it_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut:
        cut.setattr("config.seed.demo.launch_email", lambda *args, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            seed()
    assert not demo_file().exists()
    seed()
    with tenant(organization().pk):
        assert Launch.objects.count() == 1
        assert Participant.objects.count() == 5_000
    assert demo_file().exists()


def test_with_a_mail_server_of_the_operator_nothing_is_sent_unasked(settings: Any) -> None:
    settings.SMTP_URL = "smtp://mail.example:25"
    assert "nothing was sent to people who do not exist" in seed()
    with tenant(organization().pk):
        assert not Launch.objects.exists()


def test_an_import_that_runs_elsewhere_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.seed.demo.run_import", lambda *_ids: _Running())
    with pytest.raises(CommandError, match="is running"):
        seed()
    assert not demo_file().exists()


class _Running:
    state, message, rows_done = "running", "", 0


def test_the_people_are_the_same_everywhere_and_have_no_mail_server() -> None:
    people = [row for crowd in CROWDS for row in rows_of(crowd)]
    assert people == [row for crowd in CROWDS for row in rows_of(crowd)]
    assert len({row[0] for row in people}) == len(people) == 5_000
    for row in people:
        assert row[0].split("@")[1].split(".", 1)[1] in {"example.org", "example.com", "example.net"}
    assert {place.crowd for place in PLACES} == {crowd.name for crowd in CROWDS} >= {NEWSLETTER.crowd}
