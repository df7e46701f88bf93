"""Exit-screen emails: launched once, then one copy for each person at the moment that they take part."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.lint import review_draft
from campaigns.models import Email, EmailKind, Launch
from campaigns.rendering import problems_of
from campaigns.selectors import NOT_GONE_OUT
from campaigns.services import LaunchRefused
from common.tenancy import tenant
from delivery.models import Mailing, MailingState, Message
from delivery.services import add_message, create_mailing, freeze_content
from participants.models import Participant


def launch_standing(organization: Organization, email: Email, *, author: User | None, now: datetime) -> Launch:
    """Freeze an exit-screen email, so that whoever takes part from now on gets it as it is.

    Refuses with every reason at once. Later edits of the email change nothing until it is launched so again.
    """
    with tenant(organization.pk):
        current = (
            Email.objects.select_for_update(of=("self",))
            .select_related("organization", "campaign__website", "topic")
            .get(organization=organization, pk=email.pk)
        )
        review = review_draft(organization, current)
        compiled, problems = review.compiled, review.all_problems
        if current.kind != EmailKind.EXIT_SCREEN:
            problems.append(_("Only an exit-screen email answers people when they take part."))
        # Who takes part is not known yet: the audience is asked for at no moment before the campaign opens.
        opens_at = max(current.campaign.opens_at or now, now) + timedelta(seconds=1)
        problems += problems_of(organization, current, starts_at=opens_at, now=now)
        if compiled is None or problems:
            raise LaunchRefused(problems)
        snapshot = freeze_content(
            organization,
            current.campaign.website,
            compiled=compiled,
            purpose=current.purpose,
            now=now,
            sender_name=current.sender_name,
            reply_to=current.reply_to,
            campaign_name=current.campaign.name,
        )
        mailing = create_mailing(
            organization,
            snapshot,
            topic=None,
            purpose=current.purpose,
            not_before=now,
            now=now,
            exit_screen=True,
        )
        # Without anybody yet; each person who takes part opens it again.
        mailing.expanded_at, mailing.state, mailing.finished_at = now, MailingState.DONE, now
        mailing.save(update_fields=["expanded_at", "state", "finished_at"])
        audit.record(organization, actor=author, action="launch:begin", target=f"email {current.pk}", now=now)
        return Launch.objects.create(
            organization=organization, email=current, mailing=mailing, launched_by=author, created_at=now
        )


def send_standing(organization: Organization, launch: Launch, participant: Participant, *, now: datetime) -> bool:
    """Send a person who took part their copy. False when they got the email already, or it was stopped."""
    with tenant(organization.pk):
        mailing = Mailing.objects.select_for_update(of=("self",), no_key=True).get(
            organization=organization, pk=launch.mailing_id
        )
        if _has_a_copy(organization, launch, participant):
            return False
        return add_message(organization, mailing, participant, now=now)


def _has_a_copy(organization: Organization, launch: Launch, participant: Participant) -> bool:
    """Of any launch of the email: an exit-screen email goes out once to each person who takes part."""
    same_email = Launch.objects.filter(organization=organization, email=launch.email_id, mailing=OuterRef("mailing"))
    copies = Message.objects.filter(Exists(same_email), organization=organization, participant=participant)
    return copies.exclude(status__in=NOT_GONE_OUT).exists()
