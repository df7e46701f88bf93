"""Celery: sending, in short runs so that other work gets its turn and a stopping worker is not waited for long."""

from __future__ import annotations

from functools import partial

from celery import shared_task
from django.utils import timezone

from accounts.models import Organization
from common.jobs import one_by_one
from common.tenancy import call_door, tenant
from delivery import alerts, care, pushing_changes, returns, sending, service_mail
from delivery.models import Mailing
from delivery.selectors import needs_sender
from delivery.services import SEND_SERVICE_TASK, SEND_TASK, ask_to_send

RUN_SECONDS = 5.0
# Beat asks every five seconds; one connection that is slow must not keep the others waiting for long.
TELL_SECONDS = 4.0


@shared_task(name=SEND_TASK)
def send_mailing(*, organization_id: int, mailing_id: int) -> None:
    """One run; the next one is asked for as long as there is more to do and nobody else is at it."""
    if sending.send_mailing(organization_id, mailing_id, stop_after=RUN_SECONDS).more_due:
        _ask_if_needed(organization_id, mailing_id)


@shared_task(name="delivery.send_due_mailings")
def send_due_mailings() -> None:
    """Find mailings whose time has come, or that a lost worker or broker left behind."""
    one_by_one(call_door("door_due_mailings", [timezone.now()]), _ask_if_needed)


@shared_task(name=SEND_SERVICE_TASK)
def send_service_messages(*, organization_id: int) -> None:
    """What an organization owes to single people: confirmations, fresh links, receipts."""
    service_mail.send_service_messages(organization_id, stop_after=RUN_SECONDS)


@shared_task(name="delivery.send_due_service_messages")
def send_due_service_messages() -> None:
    """Find what is to be tried again, and what a lost worker or broker left behind."""
    send = partial(service_mail.send_service_messages, stop_after=RUN_SECONDS)
    one_by_one(call_door("door_due_service_messages", [timezone.now()]), send)


@shared_task(name="delivery.watch_connections")
def watch_connections() -> None:
    """Read the mailboxes of connections, and send each one's daily canary (rule S11)."""
    one_by_one(call_door("door_watched_connections"), returns.watch)


@shared_task(name=alerts.ALERT_TASK)
def mail_alerts(*, organization_id: int) -> None:
    """Tell an organization's people what has just happened."""
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
    alerts.mail_alerts(organization, now=timezone.now())


@shared_task(name="delivery.look_after_sending")
def look_after_sending() -> None:
    """Messages in doubt, connections that stay broken, alerts that could not be mailed."""
    now = timezone.now()
    one_by_one(call_door("door_sending_troubles", [now]), partial(care.look_after_sending, now=now))


@shared_task(name="delivery.tell_outside_senders")
def tell_outside_senders() -> None:
    """What changed about people whom outside senders know from us."""
    one_by_one(call_door("door_outside_senders"), partial(pushing_changes.tell_changes, stop_after=TELL_SECONDS))


def _ask_if_needed(organization_id: int, mailing_id: int) -> None:
    with tenant(organization_id):
        mailing = Mailing.objects.filter(pk=mailing_id, expanded_at__isnull=False).first()
        if mailing is not None and needs_sender(mailing, now=timezone.now()):
            ask_to_send(mailing)
