"""Stop measuring now, on one website (rules H1)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from consent.services.policy import PolicyRefused, refresh_permissions
from consent.services.two_people import why_not_tighten
from websites import services as websites
from websites.models import Website, WebsiteStop


def stop_measuring(
    organization: Organization, website: Website, *, author: User, reason: str, now: datetime
) -> WebsiteStop:
    """Nothing is measured from the next hit on, on mail already delivered and on queued copies too. Takes one person.

    The undo is a proposal (``ProposalKind.UNDO_STOP``) and counts for copies decided from then on.
    """
    with transaction.atomic():
        refusal = why_not_tighten(organization, author)
        if refusal is None and not reason.strip():
            refusal = _("Say why: the reason is kept with the stop.")
        if refusal:
            raise PolicyRefused(refusal)
        stop = websites.stop_measuring(organization, website, author=author, reason=reason.strip()[:500], now=now)
        refresh_permissions(organization, website, now=now)
    return stop
