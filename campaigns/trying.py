"""Tests of an email: the message as it would be, marked in its subject, to a few known addresses.

A test is never measured (rule S14) and makes no launch, so there is no trace of it in any report. It waits in the queue
of single messages, written already, and is forgotten there once it has left.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization
from campaigns.comparing import unsaved_mailing
from campaigns.lint import review_draft
from campaigns.models import Email, TrialAddress, TrialGroup
from campaigns.refusals import LaunchRefused
from campaigns.rendering import about_person, language_of, sender_problems
from common import jobs
from common.tenancy import tenant
from consent.grounds import Decided
from consent.rules import Decision, Level, Reason
from delivery.composing import Composer
from delivery.models import ServiceMessage
from delivery.outbox import Claimed, Person
from delivery.services import SEND_SERVICE_TASK
from delivery.templating import TemplateError
from participants.models import Participant

KIND = "test"
MARK = "Test"
_NEVER_MEASURED = Decided(Decision(Level.NONE, Level.NONE, Reason.TEST_SEND, Reason.TEST_SEND), "", None)


def send_test(organization: Organization, email: Email, group: TrialGroup, *, now: datetime, letter: str = "") -> int:
    """Send a test of an email, as it is now, to each address of a group; returns how many.

    With a ``letter`` the email is as that version of its A/B test has it (``splitting.version_of``), and says so.
    Raises LaunchRefused with every reason why the email cannot be written. Nobody has to be in its audience yet.
    """
    review = review_draft(organization, email)
    problems = review.all_problems + sender_problems(organization, email, now=now)
    if review.compiled is None or problems:
        raise LaunchRefused(problems)
    mark = f"[{MARK} {letter}]" if letter else f"[{MARK}]"
    compiled = replace(review.compiled, subject=f"{mark} {review.compiled.subject}")
    name = f"{email.name} ({letter})" if letter else email.name
    composer = Composer(unsaved_mailing(organization, email, compiled, now=now))
    with tenant(organization.pk):
        addresses = list(TrialAddress.objects.filter(organization=organization, group=group).order_by("pk"))
        try:
            written = [_write(organization, email, name, composer, one, now=now) for one in addresses]
        except (TemplateError, ValueError) as error:
            raise LaunchRefused([str(error)]) from error
        ServiceMessage.objects.bulk_create(written)
        named, details = f"email {email.pk}", {"group": group.pk, "addresses": len(written)}
        audit.record(organization, actor=None, action="sending:test", target=named, details=details, now=now)
        jobs.after_commit(SEND_SERVICE_TASK, organization_id=organization.pk)
    return len(written)


def latest_tests(organization: Organization, email: Email, *, limit: int = 10) -> list[ServiceMessage]:
    """The latest tests of an email, and what became of them."""
    found = ServiceMessage.objects.filter(organization=organization, kind=_kind(email)).order_by("-pk")
    return list(found[:limit])


def _kind(email: Email) -> str:
    return f"{KIND}:{email.pk}"


def _write(
    organization: Organization, email: Email, name: str, composer: Composer, address: TrialAddress, *, now: datetime
) -> ServiceMessage:
    claimed = Claimed(
        id=0,
        reference=uuid4(),
        # Keys that nobody has: the links of a test show their pages and change nothing.
        unsubscribe_key=uuid4(),
        preference_key=uuid4(),
        attempts=0,
        person=_person(organization, email, address),
        decided=_NEVER_MEASURED,
        decided_at=now,
        tracking_key=None,
        web_version_key=uuid4(),
        reply_key=uuid4(),
    )
    outgoing = composer.compose(claimed, now=now)
    return ServiceMessage(
        organization=organization,
        website=email.campaign.website,
        to_email=address.email,
        kind=_kind(email),
        language=language_of(email),
        subject=_("Test of “%(name)s”") % {"name": name},
        mime=outgoing.data,
        reference=claimed.reference,
        due_at=now,
        queued_at=now,
    )


def _person(organization: Organization, email: Email, address: TrialAddress) -> Person:
    """The participant with this address, else an example person at it."""
    found = Participant.objects.filter(organization=organization, email_norm=address.email_norm).first()
    about = about_person(email, found)
    attributes = found.attributes if found is not None else {}
    return Person(
        id=0,
        email=address.email,
        email_norm=address.email_norm,
        first_name=str(about["first_name"]),
        last_name=str(about["last_name"]),
        country=str(about["country"]),
        locale=str(about["locale"]),
        attributes=attributes,
    )
