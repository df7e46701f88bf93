"""What Celery does for members: mail that somebody waits for, and what ends by itself."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from accounts import impersonation, invitations, trail
from accounts.models import Invitation, Organization, User
from common.jobs import after_commit
from common.tenancy import call_door, tenant

NOTE_FAILED_TASK = "accounts.note_failed_sign_in"


@shared_task(name=invitations.MAIL_TASK)
def mail_invitation(organization_id: int, invitation_id: int) -> None:
    """Send one invitation, with a fresh key."""
    invitations.mail_invitation(organization_id, invitation_id, now=timezone.now())


@shared_task(name=impersonation.TELL_TASK)
def tell_of_impersonation(organization_id: int) -> None:
    """Write to owners that an operator came in or left."""
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
    impersonation.tell_of_impersonations(organization, now=timezone.now())


@shared_task(name=NOTE_FAILED_TASK)
def note_failed_sign_in(user_id: int) -> None:
    """Note it in the trails of whoever it was tried for. Asked for in any case, so that it takes as long for nobody."""
    user = User.objects.filter(pk=user_id).first()
    if user is not None:
        trail.record_everywhere(user, "session:sign_in:fail", now=timezone.now())


@shared_task(name="accounts.look_after_members")
def look_after_members() -> None:
    """Invitations that were not mailed or are too old, accesses of operators whose time is up or that were not told."""
    now = timezone.now()
    for (organization_id,) in call_door("door_members_to_look_after", [now]):
        with tenant(organization_id):
            organization = Organization.objects.get(pk=organization_id)
            Invitation.objects.filter(organization=organization, expires_at__lte=now).delete()
            for one in Invitation.objects.filter(organization=organization, mailed_at=None):
                if invitations.is_due(one, now=now):
                    after_commit(invitations.MAIL_TASK, organization_id=organization_id, invitation_id=one.pk)
            impersonation.end_overdue(organization, now=now)
            after_commit(impersonation.TELL_TASK, organization_id=organization_id)


@shared_task(name="accounts.forget_old")
def forget_old() -> None:
    """Every night: entries of audit trails that were kept long enough, accounts that nobody confirmed."""
    now = timezone.now()
    trail.forget_old_entries(now=now)
    trail.forget_unconfirmed_accounts(now=now)
