"""Sign-ins in the audit trail, the trail as a file, and its end: entries are not kept forever."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import IO, Any

from allauth.account.models import EmailAddress
from django.db import connections, transaction
from django.db.models import QuerySet
from django.utils.timezone import localtime

from accounts import audit
from accounts.models import AuditEntry, Organization, User
from accounts.selectors import memberships_of
from accounts.words import action_words
from common.safe_csv import safe_cell
from common.tenancy import tenant

# Who came in is of use while something can still be traced; who changed what, as long as somebody may ask why.
KEPT = timedelta(days=3 * 366)
SIGN_INS_KEPT = timedelta(days=366)
UNCONFIRMED_KEPT = timedelta(days=7)
COLUMNS = ("at", "member", "operator", "action", "code", "target", "details")
ENTRIES_AT_ONCE = 2000


def record_everywhere(user: User, action: str, *, details: Mapping[str, Any] | None = None, now: datetime) -> None:
    """What somebody did with their account, in the trail of each organization that they belong to."""
    for door in memberships_of(user):
        with tenant(door.organization_id):
            organization = Organization.objects.get(pk=door.organization_id)
            audit.record(organization, actor=user, action=action, details=details, now=now)


def trail_file(entries: QuerySet[AuditEntry]) -> IO[bytes]:
    """Entries as CSV; times with their offset, in the zone that is in force. All of them, however many: on the disk."""
    with ExitStack() as opened:
        file = opened.enter_context(TemporaryFile())
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for entry in entries.iterator(chunk_size=ENTRIES_AT_ONCE):
            details = json.dumps(entry.details, ensure_ascii=False, sort_keys=True) if entry.details else ""
            cells = [
                localtime(entry.at).isoformat(timespec="seconds"),
                entry.actor_name,
                entry.impersonator_name,
                action_words(entry.action),
                entry.action,
                entry.target,
                details,
            ]
            writer.writerow([safe_cell(cell) for cell in cells])
        text.detach()
        file.seek(0)
        opened.pop_all()
    return file


def forget_old_entries(*, now: datetime) -> int:
    """Delete what was kept long enough, of every organization, as the owner of the tables. Returns how many."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SET LOCAL app.ledger_maintenance = 'on'")
        cursor.execute(
            "DELETE FROM accounts_auditentry WHERE at < %s OR (at < %s AND action LIKE 'session:%%')",
            [now - KEPT, now - SIGN_INS_KEPT],
        )
        forgotten = int(cursor.rowcount)
        cursor.execute("DELETE FROM accounts_impersonation WHERE ended_at < %s", [now - KEPT])
    return forgotten


def forget_unconfirmed_accounts(*, now: datetime) -> int:
    """Accounts that somebody signed up for with an address that nobody confirmed. Returns how many."""
    old = User.objects.using("owner").filter(
        date_joined__lt=now - UNCONFIRMED_KEPT, memberships__isnull=True, is_superuser=False, last_login__isnull=True
    )
    confirmed = EmailAddress.objects.using("owner").filter(verified=True).values("user")
    unconfirmed = EmailAddress.objects.using("owner").filter(verified=False).values("user")
    _count, by_model = old.filter(pk__in=unconfirmed).exclude(pk__in=confirmed).delete()
    return by_model.get("accounts.User", 0)
