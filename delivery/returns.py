"""Mail that comes back to a connection: bounces, complaints, and the leak guard's messages."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.utils import timezone

from accounts.models import Organization
from common.tenancy import call_door, tenant
from delivery.bounces import read_bounce
from delivery.connection_models import Connection
from delivery.connections import secrets_of
from delivery.leak_guard import judge_arrival, keep_guard
from delivery.news import take_reports
from delivery.provider_reports import Report
from delivery.transports.imap import ImapAccount, MailboxTroubleError, read_mailbox


def take_mail(organization: Organization, connection: Connection | None, raw: bytes, *, now: datetime) -> bool:
    """Whether a mail was one of ours to know: a canary or a report about a message."""
    if connection is not None and judge_arrival(organization, connection, raw, now=now) is not None:
        return True
    report = _report(raw, now=now)
    if report is None:
        return False
    take_reports(organization, connection, [report], now=now)
    return True


def take_bounce(raw: bytes, *, now: datetime) -> bool:
    """A report that was handed to the command: the message itself says whose it is."""
    report = _report(raw, now=now)
    if report is None:
        return False
    for organization_id, _message_id in call_door("door_message_reference", [report.reference]):
        with tenant(organization_id):
            organization = Organization.objects.get(pk=organization_id)
        take_reports(organization, None, [report], now=now)
        return True
    return False


def _report(raw: bytes, *, now: datetime) -> Report | None:
    bounce = read_bounce(raw)
    if bounce is None:
        return None
    identity = hashlib.sha256(f"{bounce.reference}{bounce.kind}{bounce.words}".encode()).hexdigest()
    return Report(str(bounce.kind), bounce.reference, "", bounce.words, now, identity)


def watch(organization_id: int, connection_id: int) -> None:
    """Read the mailbox of a connection and keep its leak guard going."""
    with tenant(organization_id):
        connection = Connection.objects.select_related("organization").filter(pk=connection_id).first()
    if connection is None:
        return
    words = read_returns(connection)
    with tenant(organization_id):
        Connection.objects.filter(pk=connection_id).update(mailbox_words=words[:500], mailbox_read_at=timezone.now())
    keep_guard(connection.organization, connection, now=timezone.now())


def read_returns(connection: Connection) -> str:
    """Take what lies in the mailbox; the server's words when it cannot be read, else empty."""
    if not connection.imap_host:
        return ""
    password = secrets_of(connection).get("imap_password", "")
    account = ImapAccount(connection.imap_host, connection.imap_port, connection.imap_username, password)
    try:
        read_mailbox(account, lambda raw: take_mail(connection.organization, connection, raw, now=timezone.now()))
    except MailboxTroubleError as error:
        return str(error)
    return ""
