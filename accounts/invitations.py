"""Asking people in by email. The key in the mail works once, for the address that it was sent to."""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import audit
from accounts.members import MembersRefused, NothingThere, confirm_address, lock_members, require_owner
from accounts.models import Invitation, Membership, Organization, Role, User
from common.jobs import after_commit
from common.mail import MailTroubleError
from common.ratelimit import Limit, within_limit
from common.tenancy import call_door, tenant

DAYS_VALID = 7
MAIL_TASK = "accounts.mail_invitation"
# Anybody can found an organization where sign-up is open: it must not become a way to write to strangers.
MAILS = Limit("invitations", most=30, seconds=3600)
# Waits between attempts to mail one; after the last attempt an owner has to see to it.
MINUTES_BETWEEN = (1, 5, 15, 60, 240)

logger = logging.getLogger(__name__)

_ATTEMPTS = ("failures", "failed_at", "given_up")


def invite(organization: Organization, email: str, *, role: str, actor: User, now: datetime) -> Invitation:
    """Ask an address in. Whether somebody signs in with it already is not said to anybody here."""
    address = email.strip().lower()
    validate_email(address)
    with tenant(organization.pk):
        lock_members(organization)
        require_owner(organization, actor)
        if role not in Role.values:
            raise MembersRefused(_("There is no such role."))
        if Membership.objects.filter(organization=organization, user__email__iexact=address).exists():
            raise MembersRefused(_("This person is a member already."))
        if Invitation.objects.filter(organization=organization, email=address).exists():
            raise MembersRefused(_("This address is invited already. You can send the invitation again."))
        _count_mail(organization, now=now)
        invitation = Invitation.objects.create(
            organization=organization,
            email=address,
            role=role,
            invited_by=actor,
            invited_at=now,
            expires_at=now + timedelta(days=DAYS_VALID),
        )
        audit.record(organization, actor=actor, action="member:invite", target=address, details={"role": role}, now=now)
        after_commit(MAIL_TASK, organization_id=organization.pk, invitation_id=invitation.pk)
    return invitation


def resend_invitation(organization: Organization, invitation_id: int, *, actor: User, now: datetime) -> None:
    """A new key, and new days to use it; the one before opens nothing any more."""
    with tenant(organization.pk):
        require_owner(organization, actor)
        invitation = _lock(organization, invitation_id)
        _count_mail(organization, now=now)
        invitation.key_hash = invitation.mailed_at = invitation.failed_at = None
        invitation.failures, invitation.given_up = 0, False
        invitation.expires_at = now + timedelta(days=DAYS_VALID)
        invitation.save(update_fields=["key_hash", "mailed_at", *_ATTEMPTS, "expires_at"])
        audit.record(organization, actor=actor, action="member:invite:resend", target=invitation.email, now=now)
        after_commit(MAIL_TASK, organization_id=organization.pk, invitation_id=invitation.pk)


def withdraw_invitation(organization: Organization, invitation_id: int, *, actor: User, now: datetime) -> None:
    with tenant(organization.pk):
        require_owner(organization, actor)
        invitation = _lock(organization, invitation_id)
        invitation.delete()
        audit.record(organization, actor=actor, action="member:invite:withdraw", target=invitation.email, now=now)


def mail_invitation(organization_id: int, invitation_id: int, *, now: datetime) -> bool:
    """Send the mail, with a key that is made here: it passes through no queue and stands in no table."""
    with tenant(organization_id):
        waiting = Invitation.objects.select_for_update(of=("self",)).select_related("organization", "invited_by")
        invitation = waiting.filter(pk=invitation_id, mailed_at=None, expires_at__gt=now).first()
        if invitation is None or not is_due(invitation, now=now):
            return False
        key = secrets.token_urlsafe(32)
        subject, text = _letter(invitation, key)
        try:
            send_mail(subject, text, None, [invitation.email])
        except (MailTroubleError, OSError) as trouble:
            _note_failure(invitation, trouble, now=now)
            return False
        invitation.key_hash, invitation.mailed_at = hash_of(key), now
        invitation.save(update_fields=["key_hash", "mailed_at"])
    return True


def is_due(invitation: Invitation, *, now: datetime) -> bool:
    """Whether it is time to mail it, for the first time or once more."""
    if invitation.mailed_at is not None or invitation.given_up:
        return False
    if invitation.failed_at is None:
        return True
    return now >= invitation.failed_at + timedelta(minutes=MINUTES_BETWEEN[invitation.failures - 1])


def _letter(invitation: Invitation, key: str) -> tuple[str, str]:
    organization = invitation.organization
    context = {
        "organization": organization.name,
        "role": invitation.get_role_display(),
        "invited_by": str(invitation.invited_by or organization.name),
        "url": settings.BASE_URL + reverse("account_invitation", args=[key]),
        "days": DAYS_VALID,
    }
    subject = _("%(organization)s invites you to Pli") % {"organization": " ".join(organization.name.split())}
    return subject, render_to_string("accounts/invitation.txt", context)


def _note_failure(invitation: Invitation, trouble: Exception, *, now: datetime) -> None:
    """A server that takes nothing for this address is asked once, one that is away a few times."""
    logger.warning("an invitation could not be mailed: %s", type(trouble).__name__)
    invitation.failures, invitation.failed_at = invitation.failures + 1, now
    refused = isinstance(trouble, MailTroubleError) and trouble.refused
    invitation.given_up = refused or invitation.failures > len(MINUTES_BETWEEN)
    invitation.save(update_fields=_ATTEMPTS)
    if invitation.given_up:
        named = invitation.email
        audit.record(invitation.organization, actor=None, action="member:invite:fail", target=named, now=now)


# --- Accepting --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation says to whoever holds its key."""

    organization_id: int
    invitation_id: int
    organization: str
    email: str
    role: str
    has_account: bool


def find_invited(key: str, *, now: datetime) -> Invited | None:
    """The invitation that a key opens, None for every other key."""
    rows = call_door("door_invitation", [hash_of(key)])
    if not rows:
        return None
    organization_id, invitation_id = rows[0]
    with tenant(organization_id):
        found = Invitation.objects.filter(pk=invitation_id, expires_at__gt=now).select_related("organization").first()
        if found is None:
            return None
        has_account = User.objects.filter(email__iexact=found.email).exists()
        return Invited(
            organization_id,
            invitation_id,
            found.organization.name,
            found.email,
            str(found.get_role_display()),
            has_account,
        )


def accept_as_new(invited: Invited, *, full_name: str, password: str, now: datetime) -> User:
    """Somebody who never signed in before. The mail was answered, so the address is confirmed."""
    validate_password(password, User(email=invited.email, full_name=full_name))
    with tenant(invited.organization_id):
        invitation = _take(invited, now=now)
        if User.objects.filter(email__iexact=invitation.email).exists():
            raise MembersRefused(_("There is an account for this address by now. Sign in to accept."))
        user = User.objects.create_user(invitation.email, password, full_name=full_name.strip())
        confirm_address(user)
        _join(invitation, user, now=now)
    return user


def accept_as(invited: Invited, user: User, *, now: datetime) -> None:
    """Somebody who is signed in, under the address that was invited and no other."""
    if user.email.lower() != invited.email:
        raise MembersRefused(_("This invitation is for another address."))
    with tenant(invited.organization_id):
        _join(_take(invited, now=now), user, now=now)


def _take(invited: Invited, *, now: datetime) -> Invitation:
    """The invitation, once: a second person with the same key waits here and finds nothing."""
    waiting = Invitation.objects.select_for_update(of=("self",)).select_related("organization")
    found = waiting.filter(pk=invited.invitation_id, expires_at__gt=now).first()
    if found is None:
        raise NothingThere(_("This invitation was used or withdrawn."))
    return found


def _join(invitation: Invitation, user: User, *, now: datetime) -> None:
    organization = invitation.organization
    Membership.objects.get_or_create(
        organization=organization, user=user, defaults={"role": invitation.role, "created_at": now}
    )
    invitation.delete()
    audit.record(
        organization,
        actor=user,
        action="member:join",
        target=user.email,
        details={"role": invitation.role},
        now=now,
    )


def hash_of(key: str) -> bytes:
    """A plain hash will do: the key holds 256 random bits, which nobody tries out."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _lock(organization: Organization, invitation_id: int) -> Invitation:
    waiting = Invitation.objects.select_for_update(of=("self",))
    found = waiting.filter(organization=organization, pk=invitation_id).first()
    if found is None:
        raise NothingThere(_("This invitation was used or withdrawn."))
    return found


def _count_mail(organization: Organization, *, now: datetime) -> None:
    if not within_limit(MAILS, str(organization.pk), now=now, when_away=False):
        raise MembersRefused(_("That were many invitations within an hour. Try again later."))
