"""Work that time asks for."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from accounts.models import Organization
from common.tenancy import call_door, tenant
from consent.selectors import is_outdated
from consent.services import end_pauses, refresh_permissions
from consent.services.sealing import is_due, newest_event, seal_up_to
from websites.models import Website


@shared_task(name="consent.refresh_all_permissions")
def refresh_all_permissions() -> int:
    """Resolve every website anew, for cells of the rule table that begin on a day. Says how many websites there are."""
    websites = call_door("door_websites")
    for organization_id, website_id in websites:
        with tenant(organization_id):
            website = Website.objects.select_related("organization").filter(pk=website_id).first()
            if website:
                refresh_permissions(website.organization, website, now=timezone.now())
    return len(websites)


@shared_task(name="consent.apply_ended_justifications")
def apply_ended_justifications() -> int:
    """Websites whose legal justification has ended go back to asking for a yes (rules S7). Says how many they are.

    Hits and messages know by themselves when it ended; until this has run, nothing but a yes counts on such a website.
    """
    applied = 0
    for organization_id, website_id in call_door("door_justified_websites"):
        with tenant(organization_id):
            organization = Organization.objects.get(pk=organization_id)
            website = Website.objects.filter(organization=organization, pk=website_id).first()
            now = timezone.now()
            if website and is_outdated(organization, website, now=now):
                refresh_permissions(organization, website, now=now)
                applied += 1
    return applied


@shared_task(name="consent.seal_ledger")
def seal_ledger(organization_id: int) -> int:
    """Seal what was chosen since the last seal, unless that was just now: then the schedule does. Says how many."""
    return _seal(organization_id, at_once=False)


@shared_task(name="consent.seal_all_ledgers")
def seal_all_ledgers() -> int:
    """Seal the consent history of every organization in which something was chosen. Says how many anchors it took."""
    return sum(_seal(organization_id, at_once=True) for (organization_id,) in call_door("door_unsealed_ledgers"))


def _seal(organization_id: int, *, at_once: bool) -> int:
    now = timezone.now()
    # A transaction of its own: whoever comes to write waits for its end.
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        newest = newest_event(organization, now=now) if at_once or is_due(organization, now=now) else None
    if newest is None:
        return 0
    with tenant(organization_id):
        return seal_up_to(organization, newest, now=now)


@shared_task(name="consent.end_pauses")
def end_ended_pauses() -> int:
    """Subscriptions that were paused until now go on. Says how many."""
    ended = 0
    now = timezone.now()
    for (organization_id,) in call_door("door_ended_pauses", [now]):
        with tenant(organization_id):
            ended += end_pauses(Organization.objects.get(pk=organization_id), now=now)
    return ended
