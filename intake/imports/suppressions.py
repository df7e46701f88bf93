"""A chunk of addresses that an older tool stopped writing to."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db import connection
from django.db.models.expressions import RawSQL

from accounts.models import Organization
from consent.imports import end_subscriptions
from delivery.outside import mark_addresses
from delivery.refusals import add_reason, erased_addresses, keeps_addresses_out
from intake.imports.participants import copy_chunk
from intake.models import Import
from intake.readers.rows import Chunk
from intake.readers.suppressions import COLUMNS

_CREATE = """
DROP TABLE IF EXISTS pg_temp.intake_row, pg_temp.intake_leaver;
CREATE TEMP TABLE intake_row (row_no int, email_norm text, reason text) ON COMMIT DROP"""
_COPY = f"COPY intake_row ({', '.join(COLUMNS)}) FROM STDIN (NULL '')"

_SUPPRESS = """
INSERT INTO delivery_suppression (organization_id, email_norm, reason, source, created_at)
SELECT %s, email_norm, reason, %s, %s FROM intake_row ORDER BY email_norm, reason
    ON CONFLICT (organization_id, email_norm, reason) DO NOTHING"""

# A bounce says nothing about what the person wants.
_LEAVERS = """
CREATE TEMP TABLE intake_leaver ON COMMIT DROP AS
SELECT DISTINCT email_norm FROM intake_row WHERE reason IN ('unsubscribed', 'complained')"""


def store_suppressions(organization: Organization, source: Import, chunk: Chunk, *, now: datetime) -> Counter[str]:
    """Suppress the addresses of a chunk; whoever unsubscribed or complained has no subscription any more."""
    copy_chunk(chunk, create=_CREATE, copy=_COPY)
    erased = _note_erased(organization)
    with connection.cursor() as cursor:
        cursor.execute(_SUPPRESS, [organization.pk, source.filename[:120], now])
        added = cursor.rowcount
        cursor.execute(_LEAVERS)
    mark_addresses(organization, RawSQL("SELECT email_norm FROM intake_row", []), now=now)
    return Counter(
        suppressed=added,
        suppressed_already=chunk.people - added - erased,
        erased=erased,
        subscriptions_ended=end_subscriptions(organization, table="intake_leaver", now=now),
    )


def _note_erased(organization: Organization) -> int:
    """Addresses of erased people are not written down again; the reason is kept with their hash. Says how many rows."""
    if not keeps_addresses_out(organization):
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT email_norm, reason FROM intake_row")
        rows = cursor.fetchall()
        erased = erased_addresses(organization, {norm for norm, _reason in rows})
        for norm, reason in rows:
            if norm in erased:
                add_reason(organization, norm, reason)
        cursor.execute("DELETE FROM intake_row WHERE email_norm = ANY(%s)", [list(erased)])
        return int(cursor.rowcount)
