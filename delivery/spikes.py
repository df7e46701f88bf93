"""Pauses a launch of which too many copies bounce, or are reported as unwanted.

Going on would cost the sender's name with mail providers. Somebody looks first, and resumes; what they saw is accepted,
and only what comes on top of it can pause the mailing again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.models import Organization
from common.tenancy import tenant
from delivery.alerts import AlertKind, about, alert_owners, in_their_language, name_of
from delivery.connection_models import News
from delivery.models import Mailing, MailingState, Message, MessageStatus
from delivery.rules import is_spike
from delivery.selectors import progress_of, sending_rules
from delivery.services import MailingRefused, pause_mailing

SAID_ONCE_PER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of copies: all that left or never will, those that reached nobody, those that were unwanted."""

    settled: int = 0
    undelivered: int = 0
    complaints: int = 0
    # Those that can still be kept from leaving.
    left: int = 0

    def since(self, accepted: dict[str, int]) -> Fate:
        return Fate(
            self.settled - accepted.get("settled", 0),
            self.undelivered - accepted.get("undelivered", 0),
            self.complaints - accepted.get("complaints", 0),
            self.left,
        )


def look_for_spike(organization: Organization, mailing_id: int, *, now: datetime) -> bool:
    """Pause the mailing if its copies fare badly, and tell the owners. True when it was paused now."""
    mailing = _mailing(organization, mailing_id)
    if mailing is None or mailing.state == MailingState.PAUSED:
        return False  # nothing leaves; it is looked at again when somebody has resumed it
    rules = sending_rules(organization)
    fate = fate_of(organization, mailing, now=now)
    if mailing.spiked_at is not None:
        _accept(mailing, fate)
    fresh = fate.since(mailing.accepted)
    too_many = (
        is_spike(fresh.undelivered, fresh.settled, percent=rules.bounce_percent, least=rules.bounce_least),
        is_spike(fresh.complaints, fresh.settled, percent=rules.complaint_percent, least=rules.complaint_least),
    )
    if not any(too_many):
        return False
    with in_their_language(organization):
        words = _words(fresh, undelivered=too_many[0])
    paused = rules.pauses and fresh.left > 0 and _pause(organization, mailing, words, now=now)
    _tell(organization, mailing, words, paused=paused, now=now)
    return paused


def fate_of(organization: Organization, mailing: Mailing, *, now: datetime) -> Fate:
    progress = progress_of(organization, mailing, now=now)
    with tenant(organization.pk):
        bad = Message.objects.filter(mailing=mailing, news__in=(News.HARD_BOUNCE, News.COMPLAINED))
        by_news = dict(bad.exclude(status=MessageStatus.FAILED).values_list("news").annotate(n=Count("pk")).order_by())
    return Fate(
        settled=progress.sent + progress.failed + progress.unknown,
        undelivered=progress.failed + by_news.get(News.HARD_BOUNCE, 0),
        complaints=by_news.get(News.COMPLAINED, 0),
        left=progress.left,
    )


def _mailing(organization: Organization, mailing_id: int) -> Mailing | None:
    """Mail that single people wait for is never held back for what happened to others."""
    with tenant(organization.pk):
        return (
            Mailing.objects.filter(organization=organization, pk=mailing_id, urgent=False)
            .select_related("snapshot", "website")
            .first()
        )


def _accept(mailing: Mailing, fate: Fate) -> None:
    """Somebody resumed it, and knew."""
    mailing.spiked_at = None
    mailing.accepted = {
        "settled": fate.settled, "undelivered": fate.undelivered, "complaints": fate.complaints
    }  # fmt: skip
    with tenant(mailing.organization_id):
        mailing.save(update_fields=["spiked_at", "accepted"])


def _pause(organization: Organization, mailing: Mailing, words: str, *, now: datetime) -> bool:
    if mailing.state != MailingState.SENDING:
        return False
    try:
        with tenant(organization.pk):
            pause_mailing(organization, mailing, now=now, reason=words)
            Mailing.objects.filter(pk=mailing.pk).update(spiked_at=now)
    except MailingRefused:
        return False  # the last copy has just left
    return True


def _words(fate: Fate, *, undelivered: bool) -> str:
    if undelivered:
        return _("Too many copies reach nobody: %(bad)s of %(of)s (%(percent)s %%).") % _numbers(
            fate.undelivered, fate.settled
        )
    return _("Too many copies are reported as unwanted: %(bad)s of %(of)s (%(percent)s %%).") % _numbers(
        fate.complaints, fate.settled
    )


def _numbers(bad: int, of: int) -> dict[str, str]:
    return {
        "bad": number_format(bad, force_grouping=True),
        "of": number_format(of, force_grouping=True),
        "percent": number_format(100 * bad / of, 1 if bad * 100 >= of else 2),
    }


def _tell(organization: Organization, mailing: Mailing, words: str, *, paused: bool, now: datetime) -> None:
    with in_their_language(organization):
        if paused:
            subject = _("Paused: %(mailing)s")
            advice = _("Pli paused it. Look at what mail servers said on its report, then resume or cancel it there.")
        else:
            subject = _("Many copies fare badly: %(mailing)s")
            advice = _("It was not paused: nothing of it is being sent now, or your settings say so.")
        named = {"mailing": name_of(mailing)}
        alert_owners(
            organization,
            kind=about(AlertKind.SPIKE, mailing.pk) + (":paused" if paused else ""),
            subject=subject % named,
            text=f"{name_of(mailing)}\n\n{words}\n{advice}",
            now=now,
            once_per=timedelta(0) if paused else SAID_ONCE_PER,
        )
