"""How far a launch is while it is sent, in numbers and words, for its page and for the script that keeps it fresh."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Organization
from campaigns.models import Launch
from delivery.models import Mailing, MailingState
from delivery.selectors import Progress, progress_of

# States in which there is something to watch.
WATCHED = (MailingState.SCHEDULED, MailingState.SENDING, MailingState.PAUSED)


def progress_words(organization: Organization, launch: Launch, *, now: datetime) -> dict[str, Any]:
    """What is shown; every value is a sentence or a number as people write it, but for those that end in _number."""
    mailing = launch.mailing
    progress = progress_of(organization, mailing, now=now)
    return {
        "state": mailing.state,
        "state_label": mailing.get_state_display(),
        "reason": mailing.pause_reason or _being_written(mailing, now=now),
        "sent": _number(progress.sent),
        "left": _number(progress.left),
        "failed": _number(progress.failed),
        "unknown": _number(progress.unknown),
        "spared": _number(progress.spared),
        "pace": _pace(progress, mailing.state),
        "time_left": _time_left(progress, mailing.state),
        "total_number": progress.total,
        "done_number": progress.total - progress.left,
    }


def _being_written(mailing: Mailing, *, now: datetime) -> str:
    """Of a large launch this takes half a minute."""
    is_due = mailing.state in (MailingState.SCHEDULED, MailingState.SENDING) and mailing.not_before <= now
    return _("A copy for each person is being prepared.") if is_due and mailing.expanded_at is None else ""


def _number(value: int) -> str:
    return str(number_format(value, force_grouping=True))


def _pace(progress: Progress, state: str) -> str:
    if state != MailingState.SENDING:
        return _("nothing leaves now")
    if progress.rate_per_s is None:
        return _("known in a moment")
    return _("%(number)s a second") % {
        "number": number_format(progress.rate_per_s, 1 if progress.rate_per_s < 10 else 0)
    }


def _time_left(progress: Progress, state: str) -> str:
    if state != MailingState.SENDING or progress.seconds_left is None:
        return "–"
    minutes = round(progress.seconds_left / 60)
    if minutes < 1:
        return _("less than a minute")
    if minutes < 120:
        return ngettext("about %(n)s minute", "about %(n)s minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext("about %(n)s hour", "about %(n)s hours", hours) % {"n": hours}
