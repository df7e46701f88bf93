"""Acts of which a page of the console is the only door. As ``acts.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.invitations import invite, resend_invitation, withdraw_invitation
from accounts.members import remove_member
from accounts.models import Membership, Organization
from campaigns.models import Campaign, Email, Segment, TrialGroup
from campaigns.replies import save_question
from campaigns.services import archive_email
from campaigns.variants import Plan, Wording, save_test
from consent.models import Topic
from delivery.connection_models import Connection, DkimKey
from delivery.models import Suppression
from delivery.sending_models import SendingRules
from intake.form_editing import add_field
from intake.models import EntryForm, FormField, Import, PeopleExport
from participants.models import Participant
from privacy.models import OrganizationExport
from tests.accounts.acts import Stage, act, other_email
from tests.accounts.acts_on_people import ACTS as ACTS

type Row = Callable[[Stage], Model]


def the(model: type[Model]) -> Row:
    return lambda s: s.row(model)


def at_console(
    action: str,
    name: str,
    row: Row,
    data: dict[str, Any] | None = None,
    *,
    by: str = "max",
    names: Callable[[Any], list[object]] | None = None,
    target: str = "",
    method: str = "post",
) -> None:
    """A page or button of a row. ``names`` gives the arguments of its address, the row's number where nothing else."""

    @act(action, by=by)
    def _press(s: Stage) -> Iterator[str]:
        client = Client()
        client.force_login(s.person(by))
        about = row(s)
        yield target or f"{about._meta.model_name} {about.pk}"
        arguments = [about.pk] if names is None else names(about)
        answer = getattr(client, method)(reverse(f"admin:{name}", args=arguments), data or {})
        assert answer.status_code in (200, 302), f"{name} answers {answer.status_code}"
        if answer.streaming:
            b"".join(answer.streaming_content)


def nothing(_row: Model) -> list[object]:
    return []


# --- Campaigns --------------------------------------------------------------------------------------------------------


def an_email(s: Stage) -> Email:
    return other_email(s)


def an_archived_email(s: Stage) -> Email:
    email = other_email(s)
    archive_email(s.bakery, email, now=s.now)
    return email


def an_email_with_a_test(s: Stage) -> Email:
    save_test(s.bakery, email := other_email(s), Plan(), [Wording(), Wording(subject="x")], author=None, now=s.now)
    return email


CLOUDS = {
    "name": "New", "match": "all", "row-0-about": "country", "row-0-op": "in", "row-0-countries": ["BE"], "save": "1",
}  # fmt: skip
EDITORS = {"name": "Editors", "addresses": "max@bread.example"}
VERSIONS = {
    "share": "50", "measure": "clicks", "confidence": "95", "least": "100", "wait_hours": "4", "otherwise": "wait",
    "default_letter": "A", "subject-A": "", "sender_name-A": "", "body-A": "", "subject-B": "Other bread",
    "sender_name-B": "", "body-B": "",
}  # fmt: skip

at_console("row:add", "campaigns_email_duplicate", an_email, target=r"email \d+")
at_console("row:archive", "campaigns_email_archive", an_email)
at_console("row:restore", "campaigns_email_restore", an_archived_email)
at_console("row:add", "campaigns_segment_add", the(Segment), CLOUDS, names=nothing, target=r"segment \d+")
at_console("row:change", "campaigns_segment_change", the(Segment), CLOUDS)
at_console("row:delete", "campaigns_segment_forget", the(Segment))
at_console("row:add", "campaigns_trialgroup_add", the(TrialGroup), EDITORS, names=nothing, target=r"trialgroup \d+")
at_console("row:change", "campaigns_trialgroup_change", the(TrialGroup), EDITORS)
at_console("row:change", "campaigns_email_questions", an_email, {"kind": "yes_no", "text": "More?"})
at_console("row:change", "campaigns_email_variants", an_email, VERSIONS)
at_console("row:change", "campaigns_email_variants_drop", an_email_with_a_test)


@act("row:change", by="max")
def _remove_question(s: Stage) -> Iterator[str]:
    client = Client()
    client.force_login(s.cast.max)
    email = other_email(s)
    question = save_question(s.bakery, email, kind="yes_no", text="More?", now=s.now)
    yield f"email {email.pk}"
    client.post(reverse("admin:campaigns_email_question_remove", args=[email.pk, question.pk]))


# --- Forms ------------------------------------------------------------------------------------------------------------


def a_question(s: Stage) -> FormField:
    return add_field(s.bakery, s.row(EntryForm), "text", author=s.cast.max, now=s.now)


def of_form(question: FormField) -> list[object]:
    return [question.form_id, question.pk]


def a_campaign(s: Stage) -> Campaign:
    return Campaign.objects.create(organization=s.bakery, website=s.row(Campaign).website, name="Other")


TOWN = {"name": "town", "target": "attribute", "label_en": "Your town", "label_fr": "Ville", "label_nl": "Stad"}

at_console("row:add", "intake_entryform_of_campaign", a_campaign, target=r"entryform \d+")
at_console("row:change", "intake_entryform_change", the(EntryForm), {"languages": ["en"]})
at_console("row:change", "intake_entryform_add_field", the(EntryForm), {"kind": "text"})
at_console("row:change", "intake_entryform_field", a_question, TOWN, names=of_form)
at_console("row:change", "intake_entryform_press", a_question, {"act": "up"}, names=of_form, target=r"entryform \d+")
at_console("form:publish", "intake_entryform_publish", the(EntryForm))
at_console("form:withdraw", "intake_entryform_withdraw", the(EntryForm))
at_console("form:entries:export", "intake_entryform_export", the(EntryForm), by="dana", method="get")


# --- People -----------------------------------------------------------------------------------------------------------


def an_export(s: Stage) -> PeopleExport:
    found: PeopleExport = s.row(PeopleExport)
    found.file.save("participants.csv", ContentFile(b"email\n"))
    return found


def a_whole_export(s: Stage) -> OrganizationExport:
    file = default_storage.save("exports/test.zip", ContentFile(b"PK"))
    return OrganizationExport.objects.create(organization=s.bakery, file=file, asked_by=s.cast.ana, asked_at=s.now)


def said_today() -> dict[str, str]:
    return {"opens": "no", "clicks": "no", "happened_on": f"{timezone.localdate() - timedelta(days=2)}"}


at_console("people:export:download", "intake_peopleexport_file", an_export, target=r"peopleexport \d+", method="get")
at_console("people:import:errors", "intake_import_errors", the(Import), by="dana", method="get")
at_console("person:dossier", "participants_participant_dossier", the(Participant), by="dana")
at_console("person:export", "privacy_personrequest_export", the(Participant), by="dana")
at_console("person:choice", "participants_participant_choice", the(Participant), said_today())
at_console(
    "organization:export:download",
    "privacy_personrequest_leave_file",
    a_whole_export,
    by="ana",
    target=r"export \d+",
    method="get",
)
at_console("row:delete", "delivery_suppression_delete", the(Suppression), {"post": "yes"}, by="dana")


# --- Settings ---------------------------------------------------------------------------------------------------------

RULES = {
    "resend": "all", "resend_hours": 6, "pauses": "on", "bounce_percent": "2.5", "bounce_least": 100,
    "complaint_percent": "0.1", "complaint_least": 1000, "alerts_to": "marketers",
}  # fmt: skip
RELAY = {
    "name": "Relay", "imap_port": 993, "warmup_first": 200, "per_domain": "", "host": "127.0.0.1", "port": 25,
    "security": "smtp", "username": "ana", "password": "secret-c2d8",
}  # fmt: skip

at_console(
    "settings:sending:change", "delivery_sendingrules_changelist", the(SendingRules), RULES, by="ana", names=nothing
)
at_console("connection:secret:make", "delivery_connection_secret", the(Connection), by="ana")
at_console("row:change", "delivery_connection_change", the(Connection), RELAY, by="ana")
at_console(
    "row:add", "delivery_dkimkey_add", the(DkimKey), {"domain": "bread.example", "algorithm": "ed25519"}, by="ana",
    names=nothing, target=r"dkimkey \d+",
)  # fmt: skip
at_console("row:change", "consent_topic_change", the(Topic), {"name": "Weekly"})


@act("row:change", by="ana")
def _change_organization(s: Stage) -> Iterator[str]:
    client = Client()
    client.force_login(s.cast.ana)
    yield f"organization {s.bakery.pk}"
    given = {"name": "Bakery", "legal_name": "Bread SA", "legal_address": "x", "timezone": "Europe/Brussels"}
    given |= {"consent_request_months": "6", "over_cap": "put_off", "smallest_crowd": "10"}
    client.post(reverse("admin:accounts_organization_change", args=[s.row(Organization).pk]), given)


# --- Members ----------------------------------------------------------------------------------------------------------


@act("member:remove", by="ana")
def _remove(s: Stage) -> Iterator[str]:
    yield r"ben@bakery\.example"
    remove_member(s.bakery, s.row(Membership).pk, actor=s.cast.ana, now=s.now)


def _on_invitation(action: str, step: Callable[..., object]) -> None:
    @act(action, by="ana")
    def _step(s: Stage) -> Iterator[str]:
        waiting = invite(s.bakery, "eve@mail.example", role="viewer", actor=s.cast.ana, now=s.now)
        yield r"eve@mail\.example"
        step(s.bakery, waiting.pk, actor=s.cast.ana, now=s.now)


_on_invitation("member:invite:resend", resend_invitation)
_on_invitation("member:invite:withdraw", withdraw_invitation)
