"""Tells the people of an organization what cannot wait until they look: by email, and under Settings > Sending.

An alert names mailings and connections, never a recipient.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Membership, Organization, Role, User
from common import jobs
from common.tenancy import tenant
from delivery.models import Mailing
from delivery.rules import without_addresses
from delivery.selectors import sending_rules
from delivery.sending_models import Alert, AlertsTo
from delivery.transports import SmtpTroubleError, TransportNotConfiguredError

logger = logging.getLogger(__name__)

ALERT_TASK = "delivery.mail_alerts"
SETTINGS_PAGE = "/console/delivery/sendingrules/"
# An alert that could not be mailed for so long is old news.
WORTH_MAILING = timedelta(days=1)
TROUBLE_SAID_ONCE_PER = timedelta(hours=1)
# The task that was asked for at the alert's own moment has had its chance by then.
BEAT_WAITS = timedelta(minutes=1)

_ROLES = {
    AlertsTo.OWNERS: (Role.OWNER,),
    AlertsTo.OWNERS_AND_MARKETERS: (Role.OWNER, Role.MARKETER),
    AlertsTo.NOBODY: (),
}


class AlertKind(StrEnum):
    """What an alert is about."""

    SPIKE = "spike"
    TROUBLE = "trouble"
    BREAKER = "breaker"
    LEAK = "leak"
    UNKNOWN = "unknown"
    TEST = "test"


def about(kind: AlertKind, number: int) -> str:
    """The name under which alerts of one mailing or connection are told apart."""
    return f"{kind}:{number}"


def alert_owners(
    organization: Organization, *, kind: str, subject: str, text: str, now: datetime, once_per: timedelta
) -> bool:
    """Tell them, unless the same was said less than ``once_per`` ago. The mail leaves once this transaction stands."""
    with tenant(organization.pk):
        with connection.cursor() as cursor:
            # Two workers that see the same trouble say it once.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext('alert'), hashtext(%s))", [f"{organization.pk} {kind}"]
            )
        lately = Alert.objects.filter(organization=organization, kind=kind, raised_at__gt=now - once_per)
        if lately.exists():
            return False
        Alert.objects.create(
            organization=organization,
            kind=kind[:60],
            subject=without_addresses(" ".join(subject.split()))[:300],
            text=without_addresses(text),
            raised_at=now,
        )
        jobs.after_commit(ALERT_TASK, organization_id=organization.pk)
    return True


def latest_alerts(organization: Organization, *, limit: int = 20) -> list[Alert]:
    """What was told, newest first."""
    with tenant(organization.pk):
        return list(Alert.objects.filter(organization=organization).order_by("-raised_at", "-pk")[:limit])


@contextmanager
def in_their_language(organization: Organization) -> Iterator[None]:
    """An alert is written once, in the language of the owner who was there first."""
    with tenant(organization.pk):
        owners = Membership.objects.filter(organization=organization, role=Role.OWNER).order_by("pk")
        locale = owners.values_list("user__locale", flat=True).first()
    known = [code for code, _name in settings.LANGUAGES]
    code = (locale or "")[:2]
    with translation.override(code if code in known else settings.LANGUAGE_CODE):
        yield


def name_of(mailing: Mailing) -> str:
    """A mailing in the words of those who made it: the campaign and the subject, as it was written."""
    compiled = mailing.snapshot.compiled
    campaign = compiled.get("envelope", {}).get("campaign") or mailing.website.name
    return f"{campaign}: {compiled.get('subject', '')}"[:150]


def tell_of_pause(mailing: Mailing, words: str, *, now: datetime) -> None:
    """A mailing of which nothing can leave until somebody changes something."""
    organization = mailing.organization
    with in_their_language(organization):
        named = {"mailing": name_of(mailing), "words": words}
        alert_owners(
            organization,
            kind=about(AlertKind.TROUBLE, mailing.pk),
            subject=_("Paused: %(mailing)s") % named,
            text=_("%(mailing)s\n\nNothing of it can be sent until somebody changes something:\n\n%(words)s") % named,
            now=now,
            once_per=TROUBLE_SAID_ONCE_PER,
        )


# --- By email ---------------------------------------------------------------------------------------------------------


def mail_alerts(organization: Organization, *, now: datetime, at_least_old: timedelta = timedelta(0)) -> int:
    """Mail what has not been mailed, to each member once. Returns how many mails left."""
    with tenant(organization.pk):
        waiting = Alert.objects.filter(organization=organization, mailed_at=None)
        alerts = list(waiting.filter(raised_at__lte=now - at_least_old).order_by("pk"))
        readers = _readers(organization) if alerts else []
    return sum(_mail(organization, alert, readers, now=now) for alert in alerts)


def _readers(organization: Organization) -> list[User]:
    roles = _ROLES[AlertsTo(sending_rules(organization).alerts_to)]
    members = Membership.objects.filter(organization=organization, role__in=roles, user__is_active=True)
    return [member.user for member in members.select_related("user").order_by("pk")]


def _mail(organization: Organization, alert: Alert, readers: list[User], *, now: datetime) -> int:
    sent = 0
    waiting = [user for user in readers if user.pk not in alert.mailed_to]
    for user in waiting:
        try:
            send_mail(f"[Pli] {alert.subject}", _letter(organization, alert), None, [user.email])
        except (SmtpTroubleError, TransportNotConfiguredError, OSError) as error:
            logger.warning("an alert could not be mailed, it is tried again: %s", type(error).__name__)
            break
        sent += 1
        alert.mailed_to.append(user.pk)
    alert.attempts += 1
    if sent == len(waiting) or alert.raised_at <= now - WORTH_MAILING:
        alert.mailed_at = now
    with tenant(organization.pk):
        alert.save(update_fields=["mailed_to", "mailed_at", "attempts"])
    return sent


def _letter(organization: Organization, alert: Alert) -> str:
    with in_their_language(organization):
        closing = _("Who gets these messages is set here: %(address)s") % {
            "address": f"{settings.BASE_URL}{SETTINGS_PAGE}"
        }
        greeting = _("From Pli, for %(organization)s.") % {"organization": organization.name}
    return f"{greeting}\n\n{alert.text}\n\n{closing}\n"
