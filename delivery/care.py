"""What beat looks after while nobody watches: messages in doubt, connections that stay broken, alerts to be mailed."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Organization
from common.tenancy import tenant
from delivery.alerts import BEAT_WAITS, AlertKind, about, alert_owners, in_their_language, mail_alerts
from delivery.connection_models import Connection
from delivery.lost import give_up_lost_of_stopped
from delivery.unknown import resend_by_setting, unknown_messages
from delivery.unknown_service import resend_service_by_setting, unknown_service_messages

# News of a message in doubt usually comes sooner.
DOUBT_IS_LONG = timedelta(hours=1)
DOUBT_SAID_ONCE_PER = timedelta(days=1)
BROKEN_IS_LONG = timedelta(minutes=15)
BROKEN_SAID_ONCE_PER = timedelta(hours=6)


def look_after_sending(organization_id: int, *, now: datetime) -> None:
    """One round for one organization."""
    with tenant(organization_id):
        organization = Organization.objects.filter(pk=organization_id).first()
    if organization is None:
        return
    give_up_lost_of_stopped(organization, now=now)
    resend_by_setting(organization, now=now)
    resend_service_by_setting(organization, now=now)
    _tell_of_doubt(organization, now=now)
    _tell_of_broken(organization, now=now)
    mail_alerts(organization, now=now, at_least_old=BEAT_WAITS)


def _tell_of_doubt(organization: Organization, *, now: datetime) -> None:
    with tenant(organization.pk):
        since, yesterday = now - DOUBT_IS_LONG, now - DOUBT_IS_LONG - DOUBT_SAID_ONCE_PER
        waiting = unknown_messages(organization).filter(uncertain_at__lte=since)
        single = unknown_service_messages(organization).filter(claimed_at__lte=since)
        # Those that were told of yesterday and still wait are not news.
        if not (
            waiting.filter(uncertain_at__gt=yesterday).exists() or single.filter(claimed_at__gt=yesterday).exists()
        ):
            return
        number = waiting.count() + single.count()
    with in_their_language(organization):
        text = ngettext(
            "%(number)s message may have been sent: the connection broke before the mail server answered, or the "
            "program that sent it ended. It is not sent again until somebody decides.",
            "%(number)s messages may have been sent: the connection broke before the mail server answered, or the "
            "program that sent them ended. They are not sent again until somebody decides.",
            number,
        ) % {"number": number_format(number, force_grouping=True)}
        alert_owners(
            organization,
            kind=AlertKind.UNKNOWN,
            subject=_("Messages that may have been sent wait for you"),
            text=text,
            now=now,
            once_per=DOUBT_SAID_ONCE_PER,
        )


def _tell_of_broken(organization: Organization, *, now: datetime) -> None:
    with tenant(organization.pk):
        broken = list(
            Connection.objects.filter(organization=organization, broken_since__lte=now - BROKEN_IS_LONG).order_by("pk")
        )
    for connection in broken:
        with in_their_language(organization):
            named = {"connection": connection.name, "words": connection.broken_words}
            alert_owners(
                organization,
                kind=about(AlertKind.BREAKER, connection.pk),
                subject=_("Connection out of order: %(connection)s") % named,
                text=_(
                    "%(connection)s has been out of order for more than a quarter of an hour. It is tried again from "
                    "time to time. The mail server said:\n\n%(words)s"
                )
                % named,
                now=now,
                once_per=BROKEN_SAID_ONCE_PER,
            )
