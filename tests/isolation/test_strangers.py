"""Every page of the console, from the registry: a stranger finds nothing, nobody is sent to sign in.

A newly registered model or page without a row here fails.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from datetime import datetime

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from accounts.models import AuditEntry, Membership, Organization
from campaigns.models import Campaign, Email, Launch, Segment, TrialGroup
from campaigns.services import launch_email
from common.tenancy import tenant
from consent.models import Topic
from delivery.connection_models import Connection, DkimKey, WebsiteConnection
from delivery.models import CaughtMessage, Message, Suppression, UncertainMessage
from delivery.sending_models import Alert, SendingRules
from intake.form_editing import create_form
from intake.models import ConsentMove, Import, PeopleExport
from participants.models import Participant
from privacy.services.requests import open_request
from tests.support.cast import Cast
from tests.support.world import make_participant, make_website, subscribe_to
from websites.models import ConsentScope, Website

pytestmark = pytest.mark.django_db

MARKER = "bakery-secret-7f3a"
LAYOUT = {"header": [], "samples": []}


@pytest.fixture
def rows(cast: Cast, now: datetime) -> dict[type[Model], Model]:
    """One row of Bakery for every model of the console, each with the marker where it has words."""
    bakery = cast.bakery
    website = make_website(bakery, cast.ana, now=now, name=MARKER)
    person = make_participant(bakery, f"{MARKER}@home.example", now=now, first_name=MARKER)
    with tenant(bakery.pk):
        Organization.objects.update(name=f"Bakery {MARKER}")
        ConsentScope.objects.update(name=f"Brands {MARKER}")
        common = {"organization": bakery}
        topic = Topic.objects.create(**common, website=website, name=MARKER)
        campaign = Campaign.objects.create(**common, website=website, name=MARKER)
        email = Email.objects.create(
            **common,
            campaign=campaign,
            name=MARKER,
            topic=topic,
            subject=MARKER,
            body_format="html",
            body=f"<p>{MARKER}",
        )
    subscribe_to(bakery, person, topic, now=now)
    with tenant(bakery.pk):
        launch = launch_email(bakery, email, author=cast.ana, now=now)
        found = [
            Organization.objects.get(),
            Membership.objects.get(user=cast.ben),
            AuditEntry.objects.create(**common, at=now, action="row:change", target=MARKER),
            website,
            website.consent_scope,
            topic,
            campaign,
            email,
            launch,
            Segment.objects.create(
                **common,
                name=MARKER,
                definition={"match": "all", "rows": [{"about": "country", "op": "in", "countries": ["BE"]}]},
            ),
            TrialGroup.objects.create(**common, name=MARKER),
            person,
            open_request(bakery, kind="access", participant=person, channel="letter", now=now, details=MARKER),
            connection := Connection.objects.create(**common, name=MARKER, kind="smtp", host="mail.example"),
            WebsiteConnection.objects.create(**common, website=website, connection=connection),
            DkimKey.objects.create(**common, domain=f"{MARKER}.example", selector="s", algorithm="rsa", public_key="x"),
            Suppression.objects.create(**common, email_norm=f"{MARKER}@gone.example", reason="bounced"),
            _in_doubt(bakery, launch),
            _rules_and_alert(bakery),
            create_form(bakery, campaign, author=cast.ana, now=now),
            Import.objects.create(**common, filename=f"{MARKER}.csv", state="done", layout=LAYOUT),
            ConsentMove.objects.create(
                **common, origin="attribute", attribute=MARKER, scope=website.consent_scope, state="done"
            ),
            PeopleExport.objects.create(**common, scope=website.consent_scope, state="done"),
            CaughtMessage.objects.create(
                **common, mail_from="a@b.example", rcpt_to=f"{MARKER}@home.example", subject=MARKER,
                raw=zlib.compress(f"Subject: {MARKER}\r\n\r\n{MARKER}".encode()),
            ),
        ]  # fmt: skip
    return {type(row): row for row in found}


def _in_doubt(organization: Organization, launch: Launch) -> Model:
    person = Participant.objects.get()
    Message.objects.filter(mailing=launch.mailing).delete()
    return UncertainMessage.objects.create(
        organization=organization, mailing=launch.mailing, participant=person, status="unknown"
    )


def _rules_and_alert(organization: Organization) -> Model:
    Alert.objects.create(organization=organization, kind="test", subject=MARKER, text=MARKER)
    return SendingRules.objects.create(organization=organization)


def console_pages(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from console_pages(pattern.url_patterns)
        elif pattern.name:
            yield pattern


def addresses(rows: dict[type[Model], Model]) -> Iterator[tuple[str, bool]]:
    """Every address of the console, and whether it names a row of Bakery."""
    assert get_resolver().url_patterns, "the addresses find the console's pages"
    by_prefix = {f"{model._meta.app_label}_{model._meta.model_name}_": row for model, row in rows.items()}
    for pattern in console_pages(admin.site.urls[0]):
        arguments = re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))
        row = next((row for prefix, row in by_prefix.items() if str(pattern.name).startswith(prefix)), None)
        if str(pattern.name) == "reporting_launch":
            row = rows[Launch]
        if pattern.name == "logout":
            continue  # whoever goes there sees the sign-in page everywhere else
        if not arguments:
            yield reverse(f"admin:{pattern.name}"), False
        elif row is not None:
            values = [str(row.pk), *(["measured"] if len(arguments) > 1 else [])]
            try:
                yield reverse(f"admin:{pattern.name}", args=values), True
            except NoReverseMatch:
                # A second argument that is a number: any will do, the first one is a stranger's already.
                yield reverse(f"admin:{pattern.name}", args=[str(row.pk), "1"]), True


def test_every_model_of_the_console_has_a_row_here(rows: dict[type[Model], Model]) -> None:
    assert get_resolver().url_patterns, "the addresses find the console's pages"
    assert set(admin.site._registry) <= set(rows)
    assert len(admin.site._registry) > 20


def test_a_stranger_finds_nothing_anywhere(cast: Cast, rows: dict[type[Model], Model]) -> None:
    client = Client()
    client.force_login(cast.cleo)
    problems = []
    visited = 0
    for address, names_a_row in addresses(rows):
        for method in (client.get, client.post):
            response = method(address)
            visited += 1
            body = b"" if response.streaming else response.content
            if MARKER.encode() in body:
                problems.append(f"{address} shows Bakery's words")
            if names_a_row and response.status_code not in (403, 404, 405):
                problems.append(f"{address} answers {response.status_code}")
    assert not problems, "\n".join(problems)
    assert visited > 80


def test_the_marker_would_be_seen(cast: Cast, rows: dict[type[Model], Model]) -> None:
    """The search above can fail: whom the rows belong to, sees them."""
    client = Client()
    client.force_login(cast.ana)
    shown = {address for address, _ in addresses(rows) if MARKER.encode() in client.get(address).content}
    assert {
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in rows
    } - shown <= {
        reverse("admin:accounts_membership_changelist"),
        # The register names nobody; the page of a request does.
        reverse("admin:privacy_personrequest_changelist"),
    }


def test_nobody_is_sent_to_sign_in(rows: dict[type[Model], Model]) -> None:
    for address, _names_a_row in addresses(rows):
        response = Client().get(address)
        assert response.status_code in (302, 404), address
        assert MARKER.encode() not in response.content


def test_a_person_without_organization_sees_no_console(cast: Cast, rows: dict[type[Model], Model]) -> None:
    with tenant(cast.cinema.pk):
        Membership.objects.filter(user=cast.cleo).delete()
    client = Client()
    client.force_login(cast.cleo)
    for model in (Website, Participant, Import):
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(address).status_code != 200
