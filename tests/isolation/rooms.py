"""An organization with one row of every model of the console, each with a marker where it has words.

A model that is registered without a row here fails ``test_matrix``. Rows that have pages without being registered, such
as an invitation or a proposal, stand here too, so that each page is answered to somebody.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Model

from accounts.models import AuditEntry, Impersonation, Invitation, Membership, Organization, User
from campaigns.exemptions import propose_exemption
from campaigns.models import Campaign, Email, Launch, Question, Segment, SplitTest, TrialGroup
from campaigns.services import duplicate_email, launch_email
from campaigns.variants import Plan, Wording, launch_test, save_test
from common.tenancy import tenant
from consent.models import Topic
from consent.services import propose_change, propose_justification
from delivery.connection_models import Connection, DkimKey, WebsiteConnection
from delivery.models import CaughtMessage, Message, ServiceMessage, Suppression, UncertainMessage
from delivery.sending_models import Alert, SendingRules
from intake.exporting import run_export, start_export
from intake.form_editing import create_form
from intake.models import ConsentMove, FormField, Import
from participants.models import Participant
from privacy.models import OrganizationExport
from privacy.services.proofs import ask_to_open, seal_proof
from privacy.services.requests import open_request
from tests.support.world import make_participant, make_website, subscribe_to
from websites.models import ConsentScope, Website

type Rooms = dict[type[Model], Model]

# Part of a person's name, and of nothing else.
HERSELF = "herself"
YEARS = timedelta(days=3650)

LAYOUT = {"header": [], "samples": []}
CLOUDS = {"match": "all", "rows": [{"about": "country", "op": "in", "countries": ["BE"]}]}


def furnish(
    organization: Organization, author: User, *, colleague: User, now: datetime, marker: str, name: str = ""
) -> Rooms:
    """The rows, by model. ``name`` is used instead of the marker where a marker must be short and plain."""
    name = name or marker
    website = make_website(organization, author, now=now, name=marker)
    person = make_participant(
        organization, f"{name}@home.example", now=now, first_name=marker, last_name=f"{marker} {HERSELF}",
        external_id=marker, attributes={"city": marker},
    )  # fmt: skip
    with tenant(organization.pk):
        Organization.objects.update(legal_name=marker, legal_address=f"Rue {marker}")
        ConsentScope.objects.update(name=f"Brands {marker}")
        common = {"organization": organization}
        topic = Topic.objects.create(**common, website=website, name=marker)
        campaign = Campaign.objects.create(**common, website=website, name=marker)
        email = Email.objects.create(
            **common, campaign=campaign, name=marker, topic=topic, subject=marker, body_format="html",
            body="<p>Hello {{ first_name }}",
        )  # fmt: skip
    subscribe_to(organization, person, topic, now=now)
    with tenant(organization.pk):
        launch = launch_email(organization, email, author=author, now=now)
        Message.objects.filter(mailing=launch.mailing).delete()
        Alert.objects.create(**common, kind="test", subject=marker, text=marker)
        found = [
            Organization.objects.get(),
            Membership.objects.get(user=colleague),
            AuditEntry.objects.create(**common, at=now, action="row:change", target=marker),
            website,
            website.consent_scope,
            topic,
            campaign,
            email,
            launch,
            Segment.objects.create(**common, name=marker, definition=CLOUDS),
            TrialGroup.objects.create(**common, name=marker),
            person,
            open_request(organization, kind="access", participant=person, channel="letter", now=now, details=marker),
            create_form(organization, campaign, author=author, now=now),
            Import.objects.create(**common, filename=f"{marker}.csv", state="done", layout=LAYOUT),
            ConsentMove.objects.create(
                **common, origin="attribute", attribute=marker, scope=website.consent_scope, state="done"
            ),
        ]  # fmt: skip
        found.append(FormField.objects.filter(form__campaign=campaign).earliest("position"))
        found += _of_sending(organization, launch, person, now=now, marker=marker, name=name)
        found += _waiting(organization, author, website, person, now=now, marker=marker)
        found += _of_people(organization, author, now=now, marker=marker, name=name)
        found += _of_emails(organization, author, email, now=now, marker=marker)
        return {type(row): row for row in found}


def _of_sending(
    organization: Organization, launch: Launch, person: Participant, *, now: datetime, marker: str, name: str
) -> list[Model]:
    """Through what mail leaves, and what became of it."""
    common = {"organization": organization}
    website = launch.email.campaign.website
    return [
        # An address that is refused at once, so that pressing "try" waits for nobody.
        connection := Connection.objects.create(**common, name=marker, kind="smtp", host="127.0.0.1"),
        WebsiteConnection.objects.create(**common, website=website, connection=connection),
        DkimKey.objects.create(**common, domain=f"{name}.example", selector="s", algorithm="rsa", public_key="x"),
        Suppression.objects.create(**common, email_norm=f"{name}@gone.example", reason="bounced"),
        UncertainMessage.objects.create(**common, mailing=launch.mailing, participant=person, status="unknown"),
        ServiceMessage.objects.create(
            **common, website=website, participant=person, to_email=person.email, kind="receipt", language="en",
            subject=marker, text=marker, status="unknown", claimed_at=now,
        ),
        SendingRules.objects.create(**common),
        CaughtMessage.objects.create(
            **common, mail_from="a@b.example", rcpt_to=f"{name}@home.example", subject=marker,
            raw=zlib.compress(f"Subject: {name}\r\n\r\n{marker}".encode()),
        ),
    ]  # fmt: skip


def _of_people(organization: Organization, author: User, *, now: datetime, marker: str, name: str) -> list[Model]:
    """Who is asked in, who is in somebody's place, and the files of everybody."""
    common = {"organization": organization}
    export = start_export(organization, scope=ConsentScope.objects.earliest("pk"), author=author, now=now)
    file = default_storage.save(f"exports/{organization.pk}/all.zip", ContentFile(marker.encode()))
    return [
        run_export(organization.pk, export.pk),
        OrganizationExport.objects.create(**common, state="done", file=file, asked_by=author, asked_at=now),
        Invitation.objects.create(
            **common, email=f"{name}@invited.example", role="viewer", invited_by=author, invited_at=now,
            expires_at=now + YEARS,
        ),
        Impersonation.objects.create(
            **common, operator=author, operator_name=marker, member=author, member_name=marker, reason=marker,
            started_at=now, ends_at=now + YEARS,
        ),
    ]  # fmt: skip


def _waiting(
    organization: Organization, author: User, website: Website, person: Participant, *, now: datetime, marker: str
) -> list[Model]:
    """What a second person has to decide."""
    proof = seal_proof(organization, person, {"address": marker}, now=now)
    return [
        propose_change(
            organization, website, kind="email_tracking", wanted={"email_tracking": "by_consent"}, reason=marker,
            author=author, now=now,
        ),
        propose_justification(
            organization, website, countries=["BE"], reason=marker, ends_on=(now + YEARS).date(), author=author, now=now
        ),
        proof,
        ask_to_open(organization, proof, reason=marker, actor=author, now=now),
    ]  # fmt: skip


def _of_emails(organization: Organization, author: User, email: Email, *, now: datetime, marker: str) -> list[Model]:
    """A question, an email in two versions, and one that is measured for an exempt purpose."""
    common = {"organization": organization}
    question = Question.objects.create(**common, email=email, number=1, kind="yes_no", text=marker, options=["a", "b"])
    tested = duplicate_email(organization, email, now=now)
    save_test(organization, tested, Plan(), [Wording(), Wording(subject=f"{marker} again")], author=author, now=now)
    launch_test(organization, tested, author=author, now=now)
    Message.objects.filter(mailing__launch__email=tested).delete()
    exempt = Email.objects.create(
        **common, campaign=email.campaign, name=f"{marker} to sign in", purpose="authentication", subject=marker,
        body_format="html", body="<p>{{ data.code }}",
    )  # fmt: skip
    return [
        question,
        SplitTest.objects.get(email=tested),
        propose_exemption(organization, exempt, reason=marker, author=author, now=now),
    ]
