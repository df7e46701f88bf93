"""An organization with one row of every model of the console, each with a marker where it has words.

A model that is registered without a row here fails ``test_matrix``.
"""

from __future__ import annotations

import zlib
from datetime import datetime

from django.db.models import Model

from accounts.models import AuditEntry, Membership, Organization, User
from campaigns.models import Campaign, Email, Segment, TrialGroup
from campaigns.services import launch_email
from common.tenancy import tenant
from consent.models import Topic
from delivery.connection_models import Connection, DkimKey, WebsiteConnection
from delivery.models import CaughtMessage, Message, ServiceMessage, Suppression, UncertainMessage
from delivery.sending_models import Alert, SendingRules
from intake.form_editing import create_form
from intake.models import ConsentMove, FormField, Import, PeopleExport
from privacy.services.requests import open_request
from tests.support.world import make_participant, make_website, subscribe_to
from websites.models import ConsentScope

type Rooms = dict[type[Model], Model]

LAYOUT = {"header": [], "samples": []}
CLOUDS = {"match": "all", "rows": [{"about": "country", "op": "in", "countries": ["BE"]}]}


def furnish(
    organization: Organization, author: User, *, colleague: User, now: datetime, marker: str, name: str = ""
) -> Rooms:
    """The rows, by model. ``name`` is used instead of the marker where a marker must be short and plain."""
    name = name or marker
    website = make_website(organization, author, now=now, name=marker)
    person = make_participant(
        organization, f"{name}@home.example", now=now, first_name=marker, last_name=marker, external_id=marker,
        attributes={"city": marker},
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
            create_form(organization, campaign, author=author, now=now),
            Import.objects.create(**common, filename=f"{marker}.csv", state="done", layout=LAYOUT),
            ConsentMove.objects.create(
                **common, origin="attribute", attribute=marker, scope=website.consent_scope, state="done"
            ),
            PeopleExport.objects.create(**common, scope=website.consent_scope, state="done"),
            CaughtMessage.objects.create(
                **common, mail_from="a@b.example", rcpt_to=f"{name}@home.example", subject=marker,
                raw=zlib.compress(f"Subject: {name}\r\n\r\n{marker}".encode()),
            ),
        ]  # fmt: skip
        found.append(FormField.objects.filter(form__campaign=campaign).earliest("position"))
    return {type(row): row for row in found}
