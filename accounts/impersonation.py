"""Operators inside an organization: in the place of one member, for a reason, for a while, and never unseen."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.core.mail import send_mail
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Impersonation, Membership, Organization, Role, User
from accounts.sign_on import lacks_second_factor
from common.jobs import after_commit
from common.mail import MailTroubleError
from common.tenancy import call_door, tenant

MOST_MINUTES = 60
TELL_TASK = "accounts.tell_of_impersonation"
# Where nobody can be reached, it is tried for so long.
WORTH_TELLING = timedelta(days=1)

logger = logging.getLogger(__name__)


class ImpersonationRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """It does not begin; the message is for the operator."""


def start_impersonation(
    operator: User, *, organization: str, email: str, reason: str, minutes: int, now: datetime
) -> Impersonation:
    """Begin to act in the place of the member ``email`` of the organization with this name or public id.

    Nothing is listed: whoever was asked for help was told both. A wrong one of either is answered alike.
    """
    if not (operator.is_superuser and operator.is_active):
        raise ImpersonationRefused(_("Only operators can do this."))
    if not reason.strip():
        raise ImpersonationRefused(_("Say why: the owners read it."))
    if not 1 <= minutes <= MOST_MINUTES:
        raise ImpersonationRefused(_("Choose between 1 and %(most)d minutes.") % {"most": MOST_MINUTES})
    for (organization_id,) in call_door("door_organization_named", [organization.strip()]):
        with tenant(organization_id):
            members = Membership.objects.filter(organization=organization_id, user__is_active=True)
            membership = (
                members.filter(user__email__iexact=email.strip()).select_related("user", "organization").first()
            )
            if membership is not None:
                return _start(operator, membership, reason.strip(), minutes, now=now)
    raise ImpersonationRefused(_("There is no such member in an organization of that name."))


def _start(operator: User, membership: Membership, reason: str, minutes: int, *, now: datetime) -> Impersonation:
    organization, member = membership.organization, membership.user
    if Membership.objects.filter(organization=organization, user=operator).exists():
        raise ImpersonationRefused(_("You are a member there yourself."))
    if lacks_second_factor(organization, operator):
        raise ImpersonationRefused(
            _("This organization asks everybody for a second factor. Set up your own first, under “How you sign in”.")
        )
    started = Impersonation.objects.create(
        organization=organization,
        operator=operator,
        operator_name=operator.email,
        member=member,
        member_name=member.email,
        reason=reason[:300],
        started_at=now,
        ends_at=now + timedelta(minutes=minutes),
    )
    with audit.acting_as(member, impersonator=operator):
        details = {"reason": started.reason, "minutes": minutes}
        audit.record(organization, actor=None, action="impersonation:begin", details=details, now=now)
    after_commit(TELL_TASK, organization_id=organization.pk)
    return started


def running_impersonation(operator: User, impersonation_id: int, *, now: datetime) -> Impersonation | None:
    """It, while it runs; only inside its organization's tenant."""
    if not (operator.is_superuser and operator.is_active):
        return None
    return Impersonation.objects.filter(pk=impersonation_id, operator=operator, ended_at=None, ends_at__gt=now).first()


def membership_in_place(impersonation: Impersonation) -> Membership | None:
    """The membership of the member whose place it is, None once they are gone."""
    members = Membership.objects.select_related("organization", "user")
    return members.filter(organization=impersonation.organization_id, user=impersonation.member_id).first()


def current_impersonations(organization: Organization, *, now: datetime) -> list[Impersonation]:
    """Which operators are inside at this moment."""
    running = Impersonation.objects.filter(organization=organization, ended_at=None, ends_at__gt=now)
    return list(running.order_by("started_at"))


def end_impersonation(organization: Organization, impersonation_id: int, *, actor: User, now: datetime) -> bool:
    """The operator has done, or an owner wants them out. False when there is nothing to end."""
    with tenant(organization.pk):
        running = Impersonation.objects.select_for_update(of=("self",)).filter(
            organization=organization, pk=impersonation_id, ended_at=None
        )
        if not _is_owner(organization, actor):
            running = running.filter(operator=actor)
        found = running.first()
        if found is not None:
            _end(organization, found, actor=actor, now=now)
    return found is not None


def end_overdue(organization: Organization, *, now: datetime) -> None:
    """Time is up for those; they open nothing since, and now the trail says so."""
    with tenant(organization.pk):
        overdue = Impersonation.objects.select_for_update(of=("self",)).filter(
            organization=organization, ended_at=None, ends_at__lte=now
        )
        for one in overdue:
            _end(organization, one, actor=None, now=one.ends_at)


def _end(organization: Organization, running: Impersonation, *, actor: User | None, now: datetime) -> None:
    running.ended_at = min(now, running.ends_at)
    running.save(update_fields=["ended_at"])
    operator = User.objects.filter(pk=running.operator_id).first()
    member = User.objects.filter(pk=running.member_id).first()
    details = {"operator": running.operator_name, "in_place_of": running.member_name}
    if member is not None and (actor is None or actor == operator):
        with audit.acting_as(member, impersonator=operator):
            audit.record(organization, actor=None, action="impersonation:end", details=details, now=now)
    else:
        audit.record(organization, actor=actor, action="impersonation:end", details=details, now=now)
    after_commit(TELL_TASK, organization_id=organization.pk)


def tell_of_impersonations(organization: Organization, *, now: datetime) -> int:
    """Write to the owners, and to the member in whose place it was, of each beginning and each end. Mails that left.

    One who cannot be reached keeps nobody else from being told, nor makes them be told again.
    """
    with tenant(organization.pk):
        untold = Impersonation.objects.select_for_update(of=("self",), skip_locked=True).filter(
            Q(told_of_start_at=None) | Q(told_of_end_at=None, ended_at__isnull=False), organization=organization
        )
        sent = 0
        for one in untold.order_by("pk"):
            part = "end" if one.ended_at else "start"
            done = {*one.told.get(part, ())}
            left, is_told = _tell(organization, one, done)
            sent += left
            one.told[part] = sorted(done)
            if is_told or now >= (one.ended_at or one.started_at) + WORTH_TELLING:
                one.told_of_start_at = one.told_of_start_at or now
                one.told_of_end_at = now if one.ended_at else None
            one.save(update_fields=["told", "told_of_start_at", "told_of_end_at"])
    return sent


def _tell(organization: Organization, impersonation: Impersonation, done: set[int]) -> tuple[int, bool]:
    """Tell those who are not in ``done``, which grows: how many mails left, and whether nobody is to be tried again."""
    members = Membership.objects.filter(organization=organization, user__is_active=True)
    readers = members.filter(Q(role=Role.OWNER) | Q(user=impersonation.member_id)).exclude(user__in=done)
    context = {"organization": organization, "impersonation": impersonation}
    subject = _("An operator ended their access to %(name)s") if impersonation.ended_at else None
    subject = subject or _("An operator works in %(name)s")
    text = render_to_string("accounts/impersonation.txt", context)
    sent, is_told = 0, True
    for number, address in readers.order_by("pk").values_list("user_id", "user__email"):
        try:
            send_mail(subject % {"name": " ".join(organization.name.split())}, text, None, [address])
        except (MailTroubleError, OSError) as trouble:
            logger.warning("a mail about an operator's access did not leave: %s", type(trouble).__name__)
            if not (isinstance(trouble, MailTroubleError) and trouble.refused):
                is_told = False
                continue
        else:
            sent += 1
        done.add(number)
    return sent, is_told


def _is_owner(organization: Organization, user: User) -> bool:
    return Membership.objects.filter(organization=organization, user=user, role=Role.OWNER).exists()
