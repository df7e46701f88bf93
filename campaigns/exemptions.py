"""Exempt purposes: a second person confirms that an email serves its purpose and nothing else (rule S6).

Without that the email is sent all the same, and not measured for the purpose.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, Role, User
from campaigns.models import Email, Exemption, ExemptionState
from campaigns.selectors import EXEMPT_PURPOSES, digest_of
from consent.services import PolicyRefused, role_in, why_not_second_person, why_not_tighten
from delivery.models import Mailing
from tracking.services import silence_exempt


def propose_exemption(
    organization: Organization, email: Email, *, reason: str, author: User, now: datetime
) -> Exemption:
    """An owner or a marketer says why the email serves its exempt purpose and nothing else."""
    with transaction.atomic():
        current = _lock(organization, email)
        if role_in(organization, author) not in (Role.OWNER, Role.MARKETER):
            raise PolicyRefused(_("Only an owner or a marketer can ask for it."))
        if current.purpose not in EXEMPT_PURPOSES:
            raise PolicyRefused(_("Emails of this purpose are not exempt anywhere."))
        if not reason.strip():
            raise PolicyRefused(_("Say why the email serves this purpose and nothing else."))
        # What was said of an earlier content counts no longer.
        _standing(organization, current).update(dropped_at=now, dropped_by=author)
        audit.record(organization, actor=author, action="exemption:make", target=f"email {current.pk}", now=now)
        return Exemption.objects.create(
            organization=organization,
            email=current,
            purpose=current.purpose,
            digest=digest_of(current),
            reason=reason.strip()[:500],
            proposed_by=author,
            proposed_at=now,
        )


def approve_exemption(
    organization: Organization, exemption: Exemption, *, author: User, now: datetime, note: str = ""
) -> Exemption:
    """The second person: another owner or the data protection officer. Counts for what is launched afterwards."""
    with transaction.atomic():
        current = _lock_exemption(organization, exemption)
        refusal = why_not_approve(organization, current, author, now=now, note=note)
        if refusal:
            raise PolicyRefused(refusal)
        _decide(current, ExemptionState.APPROVED, author, note, now=now)
    return current


def why_not_approve(
    organization: Organization, exemption: Exemption, author: User, *, now: datetime, note: str
) -> str | None:
    """Why this person cannot approve it now; None when they can."""
    if exemption.state != ExemptionState.OPEN or exemption.dropped_at:
        return _("This is no longer waiting.")
    if exemption.digest != digest_of(exemption.email):
        return _("This no longer fits: the email has been changed since. Ask for it again.")
    return why_not_second_person(
        organization,
        author,
        proposed_by_id=exemption.proposed_by_id,
        proposed_at=exemption.proposed_at,
        now=now,
        note=note,
    )


def decline_exemption(
    organization: Organization, exemption: Exemption, *, author: User, now: datetime, note: str = ""
) -> Exemption:
    """An owner or the data protection officer says no: the email is sent without being measured."""
    with transaction.atomic():
        current = _lock_exemption(organization, exemption)
        if role_in(organization, author) not in (Role.OWNER, Role.DPO):
            raise PolicyRefused(_("Only an owner or the data protection officer can decline it."))
        if current.state != ExemptionState.OPEN or current.dropped_at:
            raise PolicyRefused(_("This is no longer waiting."))
        _decide(current, ExemptionState.DECLINED, author, note, now=now)
    return current


def withdraw_exemption(organization: Organization, exemption: Exemption, *, author: User, now: datetime) -> Exemption:
    """Take it back; one person is enough. Nothing more is recorded of copies of the email, queued or delivered."""
    with transaction.atomic():
        current = _lock_exemption(organization, exemption)
        refusal = why_not_tighten(organization, author)
        if refusal:
            raise PolicyRefused(refusal)
        _standing(organization, current.email).update(dropped_at=now, dropped_by=author)
        approved = _mailings_under_approval(organization, current.email)
        # Workers hold the mailing while they give copies their keys: once it is ours, all that they gave are there.
        contents = list(approved.select_for_update(of=("self",)).values_list("snapshot__tracked_content_id", flat=True))
        silence_exempt(organization, contents)
        approved.update(exempt_approved=False)
        named = f"email {current.email_id}"
        audit.record(organization, actor=author, action="exemption:withdraw", target=named, now=now)
    return current


def is_measured_under_approval(organization: Organization, email: Email) -> bool:
    """Whether copies were launched under an approval that nobody withdrew, be the email another one by now."""
    return _mailings_under_approval(organization, email).exists()


def _mailings_under_approval(organization: Organization, email: Email) -> QuerySet[Mailing]:
    return Mailing.objects.filter(organization=organization, launch__email=email, exempt_approved=True)


def drop_changed_exemption(organization: Organization, email: Email, *, now: datetime) -> None:
    """An email that was changed is another one than two people saw. Copies already launched are the one they saw."""
    _standing(organization, email).exclude(digest=digest_of(email)).update(dropped_at=now)


def _standing(organization: Organization, email: Email) -> QuerySet[Exemption]:
    """What counts or waits."""
    states = [ExemptionState.OPEN, ExemptionState.APPROVED]
    return Exemption.objects.filter(organization=organization, email=email, state__in=states, dropped_at=None)


def _decide(exemption: Exemption, state: ExemptionState, author: User, note: str, *, now: datetime) -> None:
    exemption.state, exemption.decided_by, exemption.decided_at, exemption.note = state, author, now, note.strip()
    exemption.save(update_fields=["state", "decided_by", "decided_at", "note"])
    named = f"email {exemption.email_id}"
    audit.record(exemption.organization, actor=author, action=f"exemption:{state.value}", target=named, now=now)


def _lock(organization: Organization, email: Email) -> Email:
    return Email.objects.select_for_update(of=("self",)).get(organization=organization, pk=email.pk)


def _lock_exemption(organization: Organization, exemption: Exemption) -> Exemption:
    """The email first, so that nobody changes it between the look and the approval."""
    email = _lock(organization, exemption.email)
    found = Exemption.objects.get(organization=organization, email=email, pk=exemption.pk)
    found.email = email
    return found
