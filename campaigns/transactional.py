"""One message to one person, by a call: the same decision and the same outbox as a launch, and ahead of launches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime

from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.forecasts import untracked_of
from campaigns.lint import review_draft, review_shown
from campaigns.models import Email, EmailKind, Launch
from campaigns.rendering import data_of, standing_problems
from campaigns.selectors import is_exempt_approved
from campaigns.services import CampaignRefused
from common.tenancy import tenant
from delivery.calls import Call, PersonGoneError, SaidOtherwiseError, add_call, message_of_call, open_urgent_mailing
from delivery.models import MailingState, Message, Purpose
from delivery.rendering import WEB_VERSION
from delivery.services import envelope_of, freeze_content
from participants.models import Participant

# Of all data together, as JSON: a list of what was ordered, not a document.
MOST_DATA = 20_000


class TransactionalRefused(CampaignRefused):
    """A call that sends nothing: every reason, in words for whoever made it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(self.problems))


def send_transactional(
    organization: Organization,
    email: Email,
    participant: Participant,
    *,
    now: datetime,
    data: Mapping[str, object] | None = None,
    idempotency_key: str = "",
    author: User | None = None,
) -> Message:
    """Queue an email for one person, ahead of launches.

    The email is frozen when it is first sent so, and anew when it has changed. ``data`` fills ``{{ data.… }}`` in it
    and is kept until the message has come to its end. The same ``idempotency_key`` again returns the same message and
    sends nothing. Raises TransactionalRefused for marketing, and for whatever a launch would be refused for.
    """
    call = _call(email, participant, data or {}, idempotency_key)
    with tenant(organization.pk):
        email = _current(organization, email)
        _require_own(organization, email, participant)
        try:
            if known := message_of_call(organization, call):
                return known
            while True:
                launch = _open_launch(organization, email) or _open(organization, email, author=author, now=now)
                message = add_call(organization, launch.mailing, participant, call, now=now)
                if message is not None:
                    _note(organization, email, participant, author, now=now)
                    return message
        except SaidOtherwiseError as error:
            raise TransactionalRefused([_("This idempotency key stands for another message.")]) from error
        except PersonGoneError as error:
            raise TransactionalRefused([_("This person is not one of yours.")]) from error


def _note(
    organization: Organization, email: Email, participant: Participant, author: User | None, *, now: datetime
) -> None:
    """What a member sends by hand is in the trail. What a service sends by calls is in its own books."""
    if author is not None:
        named, details = f"email {email.pk}", {"participant": participant.pk}
        audit.record(organization, actor=author, action="sending:one", target=named, details=details, now=now)


def why_not_transactional(organization: Organization, email: Email, *, now: datetime) -> list[str]:
    """Every reason why an email cannot be sent to single people; empty when it can."""
    return _problems(organization, email, now=now) + review_shown(organization, email).all_problems


def _call(email: Email, participant: Participant, data: Mapping[str, object], key: str) -> Call:
    try:
        written = json.dumps(data, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TransactionalRefused([_("The data is not what JSON can hold.")]) from error
    if len(written) > MOST_DATA:
        raise TransactionalRefused([_("The data is longer than %(most)s characters.") % {"most": MOST_DATA}])
    # A null character is valid JSON, and nothing that the database can keep.
    if "\\u0000" in written:
        raise TransactionalRefused([_("The data is not what JSON can hold.")])
    content = _digest([email.pk, participant.pk, written])
    return Call(data, _digest([key]) if key else "", content)


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _current(organization: Organization, email: Email) -> Email:
    """As it stands, whatever the caller has read."""
    emails = Email.objects.select_related("organization", "campaign__website", "topic")
    found = emails.filter(organization=organization, pk=email.pk).first()
    if found is None:
        raise TransactionalRefused([_("This email is not one of yours.")])
    return found


def _require_own(organization: Organization, email: Email, participant: Participant) -> None:
    if participant.organization_id != organization.pk:
        raise TransactionalRefused([_("This person is not one of yours.")])
    if email.purpose == Purpose.MARKETING:
        raise TransactionalRefused([_no_marketing()])
    if email.archived_at is not None:
        raise TransactionalRefused([_("The email is archived. Bring it back first.")])
    if email.campaign.archived_at is not None:
        raise TransactionalRefused([_("The campaign is archived. Bring it back first.")])


def _no_marketing() -> str:
    return _("Marketing goes to the people who subscribed to a topic, by a launch: never by a call to one person.")


def _problems(organization: Organization, email: Email, *, now: datetime) -> list[str]:
    """Beside its content."""
    if email.purpose == Purpose.MARKETING:
        return [_no_marketing()]
    if email.kind == EmailKind.CONSENT_REQUEST:
        return [_("A request for tracking consent goes to those who have not answered, by a launch.")]
    problems = standing_problems(organization, email, starts_at=now, now=now)
    if data_of(email) and WEB_VERSION in f"{email.subject} {email.preheader} {email.body} {email.text}":
        problems.append(
            _("An email with data of its own has no page in a browser, since the data is forgotten once it has left.")
        )
    return problems


# --- The mailing of an email as it is ---------------------------------------------------------------------------------


def _version_of(organization: Organization, email: Email) -> str:
    """All that is frozen with an email; whoever changes any of it gets another mailing."""
    envelope = envelope_of(
        organization,
        email.campaign.website,
        purpose=email.purpose,
        sender_name=email.sender_name,
        reply_to=email.reply_to,
        campaign_name=email.campaign.name,
    )
    written = [email.subject, email.preheader, email.body_format, email.body, email.text, email.add_utm]
    # Both go into the links for web analytics, and the country into the footer's language.
    website = [email.campaign.website.domain, str(email.campaign.website.country)]
    return _digest([*written, email.kind, str(email.purpose), asdict(envelope), *website])


def _open_launch(organization: Organization, email: Email) -> Launch | None:
    return (
        Launch.objects.filter(
            organization=organization,
            email=email,
            mailing__urgent=True,
            mailing__version=_version_of(organization, email),
            # Withdrawn and approved again, it is another mailing: the older one stays unmeasured.
            mailing__exempt_approved=is_exempt_approved(organization, email),
            mailing__exit_screen=email.kind == EmailKind.EXIT_SCREEN,
        )
        .exclude(mailing__state=MailingState.CANCELLED)
        .select_related("mailing")
        .order_by("-pk")
        .first()
    )


def _open(organization: Organization, email: Email, *, author: User | None, now: datetime) -> Launch:
    """Freeze the email as it is. Whoever calls at the same time waits, and finds it."""
    current = (
        Email.objects.select_for_update(of=("self",))
        .select_related("organization", "campaign__website", "topic")
        .get(organization=organization, pk=email.pk)
    )
    if found := _open_launch(organization, current):
        return found
    review = review_draft(organization, current)
    problems = _problems(organization, current, now=now) + review.all_problems
    if review.compiled is None or problems:
        raise TransactionalRefused(problems)
    snapshot = freeze_content(
        organization,
        current.campaign.website,
        compiled=review.compiled,
        purpose=current.purpose,
        now=now,
        sender_name=current.sender_name,
        reply_to=current.reply_to,
        campaign_name=current.campaign.name,
    )
    mailing = open_urgent_mailing(
        organization,
        snapshot,
        purpose=current.purpose,
        version=_version_of(organization, current),
        now=now,
        untracked=untracked_of(current),
        exempt_approved=is_exempt_approved(organization, current),
        # Whom the website chose to send these sends them, however they were asked for.
        exit_screen=current.kind == EmailKind.EXIT_SCREEN,
    )
    return Launch.objects.create(
        organization=organization, email=current, mailing=mailing, launched_by=author, created_at=now
    )
