"""The way that a mailing's messages take, and what is done where none is open."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from delivery.alerts import tell_of_pause
from delivery.connections import NoWayError, Way, note_failure, way_for
from delivery.models import Mailing
from delivery.services import note_trouble, pause_mailing
from delivery.throttle import quota_left
from delivery.transports import SmtpTroubleError

URGENT_CONNECTIONS = 2


def connections_of(mailing: Mailing, way: Way) -> int:
    """Few people wait for what is urgent, and servers count connections: most are left to launches."""
    most = int(settings.SMTP_CONNECTIONS)
    if way.is_probe:
        return 1
    return min(URGENT_CONNECTIONS, most) if mailing.urgent else most


def quota_of(mailing: Mailing, way: Way, *, now: datetime) -> int | None:
    if way.connection is None:
        return None
    return quota_left(way.connection, today=now.date(), urgent=mailing.urgent)


def way_of(mailing: Mailing, *, now: datetime) -> Way:
    """The way that the mailing's website takes, if it takes anything now."""
    way = way_for(mailing.organization, mailing.website, now=now)
    if way.connection is not None and quota_of(mailing, way, now=now) == 0:
        words = _("%(connection)s warms up and has taken what it may take today; the others leave tomorrow.")
        raise NoWayError(words % {"connection": way.connection.name}, lasting=False)
    return way


def give_up(mailing: Mailing, way: Way, trouble: SmtpTroubleError, *, now: datetime) -> bool:
    """Count the trouble, and say why nothing leaves. True when another way can be tried at once."""
    is_broken = note_failure(way.connection, trouble.words, lasting=trouble.lasting, now=now)
    lasting = trouble.lasting and not way.has_other
    say_why_nothing_leaves(mailing, trouble.words, lasting=lasting, now=now)
    return is_broken and way.has_other


def say_why_nothing_leaves(mailing: Mailing, words: str, *, lasting: bool, now: datetime) -> None:
    """A trouble that lasts pauses the mailing; another one is shown while beat tries again."""
    if lasting:
        pause_mailing(mailing.organization, mailing, now=now, reason=words)
        tell_of_pause(mailing, words, now=now)
    else:
        note_trouble(mailing, words)
