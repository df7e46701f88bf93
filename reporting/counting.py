"""Counting the sent copies of mailings: how they fared, who could be measured, and where their people are.

A message changes until long after it was sent, so they are counted anew, less and less often: all the counting of a
mailing of a million takes a twentieth of one processor while it is sent, and next to nothing afterwards.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, connections
from django.db.models import Count

from accounts.models import Organization
from common.tenancy import tenant
from consent.rules import EXEMPT_REASONS
from delivery.models import Mailing, MailingState, Message, MessageStatus
from delivery.news import without_addresses
from reporting.models import CountedMailing, Dimension
from reporting.rules import next_count_in

# Mail domains with a row of their own; the others are drawn together.
DOMAINS_SHOWN = 25
WORDS_SHOWN = 8
UNSUBSCRIBED_WITHIN = timedelta(days=7)

_DUE = """
SELECT m.organization_id, m.id FROM delivery_mailing m LEFT JOIN reporting_countedmailing c ON c.mailing_id = m.id
 WHERE m.expanded_at IS NOT NULL AND (c.mailing_id IS NULL OR c.due_at <= %s)
 ORDER BY c.due_at NULLS FIRST LIMIT 500"""

_COUNT = """
INSERT INTO reporting_mailingcount
    (organization_id, mailing_id, status, news, opens, opens_reason, clicks, clicks_reason, copies)
SELECT %(organization)s, %(mailing)s, status, news, opens, opens_reason, clicks, clicks_reason, count(*)
  FROM delivery_message WHERE mailing_id = %(mailing)s
 GROUP BY status, news, opens, opens_reason, clicks, clicks_reason
RETURNING copies"""

_PLACES = f"""
LATERAL (VALUES ({Dimension.COUNTRY}, coalesce(p.country, '')), ({Dimension.LANGUAGE}, left(coalesce(p.locale, ''), 2)),
    ({Dimension.DOMAIN}, split_part(coalesce(p.email_norm, ''), '@', 2))) d (dimension, value)"""

# Small groups, and all but the largest mail domains, go into the one without a name. If that one would be small itself,
# the smallest that has a name goes there, too: else it could be had by subtraction (rule U3).
_MAKE_GROUPS = f"""
WITH groups AS (
    SELECT d.dimension, d.value, count(*) AS copies
      FROM delivery_message m JOIN participants_participant p ON p.id = m.participant_id, {_PLACES}
     WHERE m.mailing_id = %(mailing)s GROUP BY d.dimension, d.value
), ranked AS (
    SELECT *, value = '' OR copies < %(crowd)s
           OR (dimension = {Dimension.DOMAIN} AND row_number() OVER w > %(domains)s) AS is_small,
           row_number() OVER (PARTITION BY dimension ORDER BY copies DESC, value) AS place
      FROM groups WINDOW w AS (PARTITION BY dimension ORDER BY copies DESC, value)
), rest AS (
    SELECT dimension, coalesce(sum(copies) FILTER (WHERE is_small), 0) AS copies,
           max(place) FILTER (WHERE NOT is_small) AS last_named
      FROM ranked GROUP BY dimension
)
INSERT INTO reporting_mailinggroup (organization_id, mailing_id, dimension, value, copies, sent, delivered, bounced,
    complained, opens_base, clicks_base, opened, clicked)
SELECT %(organization)s, %(mailing)s, r.dimension, g.value, 0, 0, 0, 0, 0, 0, 0, 0, 0
  FROM ranked g JOIN rest r USING (dimension)
 WHERE NOT g.is_small AND NOT (g.place = r.last_named AND r.copies > 0 AND r.copies < %(crowd)s)
 UNION ALL
SELECT %(organization)s, %(mailing)s, dimension, '', 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM rest
"""  # noqa: S608 - made of constants

_OUT = "m.status IN ('sent', 'unknown')"
# Whoever was erased stays in the numbers of the group that they were in.
_COUNT_GROUPS = f"""
WITH counted AS (
    SELECT d.dimension, coalesce(g.value, '') AS value, count(*) AS copies, count(*) FILTER (WHERE {_OUT}) AS sent,
           count(*) FILTER (WHERE {_OUT} AND m.news IN ('delivered', 'complained')) AS delivered,
           count(*) FILTER (WHERE m.news IN ('soft_bounce', 'hard_bounce', 'rejected')) AS bounced,
           count(*) FILTER (WHERE m.news = 'complained') AS complained,
           count(*) FILTER (WHERE {_OUT} AND m.opens = 'individual' AND m.opens_reason <> ALL(%(exempt)s))
               AS opens_base,
           count(*) FILTER (WHERE {_OUT} AND m.clicks = 'individual' AND m.clicks_reason <> ALL(%(exempt)s))
               AS clicks_base
      FROM delivery_message m JOIN participants_participant p ON p.id = m.participant_id, {_PLACES}
      LEFT JOIN reporting_mailinggroup g
        ON g.mailing_id = %(mailing)s AND g.dimension = d.dimension AND g.value = d.value
     WHERE m.mailing_id = %(mailing)s GROUP BY d.dimension, coalesce(g.value, '')
)
UPDATE reporting_mailinggroup g
   SET copies = greatest(g.copies, c.copies), sent = greatest(g.sent, c.sent), delivered = c.delivered,
       bounced = c.bounced, complained = c.complained, opens_base = greatest(g.opens_base, c.opens_base),
       clicks_base = greatest(g.clicks_base, c.clicks_base)
  FROM counted c WHERE g.mailing_id = %(mailing)s AND g.dimension = c.dimension AND g.value = c.value
"""  # noqa: S608 - made of constants

# People who were counted since: once each, in the group that they are in now.
_PLACE = f"""
WITH fresh AS MATERIALIZED (
    SELECT id, kind, chunk, human & ~placed AS bits FROM reporting_seencopies
     WHERE content_id = %(content)s AND link_number = 0 AND human <> placed FOR UPDATE
), done AS (
    UPDATE reporting_seencopies s SET placed = s.placed | f.bits FROM fresh f WHERE s.id = f.id
), people AS (
    SELECT d.dimension, coalesce(g.value, '') AS value, count(*) FILTER (WHERE f.kind = 1) AS opened,
           count(*) FILTER (WHERE f.kind = 2) AS clicked
      FROM fresh f CROSS JOIN generate_series(0, bit_length(f.bits) - 1) n
      JOIN tracking_trackedmessage t ON t.id = f.chunk * bit_length(f.bits) + n
      JOIN participants_participant p ON p.id = t.participant_id, {_PLACES}
      LEFT JOIN reporting_mailinggroup g
        ON g.mailing_id = %(mailing)s AND g.dimension = d.dimension AND g.value = d.value
     WHERE get_bit(f.bits, n) = 1 GROUP BY d.dimension, coalesce(g.value, '')
)
UPDATE reporting_mailinggroup g SET opened = g.opened + p.opened, clicked = g.clicked + p.clicked
  FROM people p WHERE g.mailing_id = %(mailing)s AND g.dimension = p.dimension AND g.value = p.value
"""  # noqa: S608 - made of constants

_UNSUBSCRIBED = """
SELECT count(*) FROM consent_subscription s
  JOIN delivery_message m ON m.mailing_id = %(mailing)s AND m.participant_id = s.participant_id
 WHERE s.topic_id = %(topic)s AND s.unsubscribed_at >= %(since)s AND s.unsubscribed_at >= m.sent_at
   AND s.unsubscribed_at < m.sent_at + %(within)s"""


def due_mailings(*, now: datetime) -> list[tuple[int, int]]:
    """Organization and mailing, those that were never counted first."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(_DUE, [now])
        return [(organization, mailing) for organization, mailing in cursor.fetchall()]


def count_mailing(organization_id: int, mailing_id: int, *, now: datetime) -> bool:
    """Count one mailing, in one transaction. False when somebody else is at it."""
    began = time.monotonic()
    with tenant(organization_id):
        mailing = Mailing.objects.select_related("snapshot").filter(pk=mailing_id).first()
        if mailing is None:
            return False
        CountedMailing.objects.bulk_create(
            [CountedMailing(organization_id=organization_id, mailing=mailing, counted_at=now)], ignore_conflicts=True
        )
        row = CountedMailing.objects.select_for_update(skip_locked=True).filter(mailing=mailing).first()
        if row is None:
            return False
        organization = Organization.objects.get(pk=organization_id)
        values: dict[str, Any] = {
            "organization": organization_id,
            "mailing": mailing_id,
            "content": mailing.snapshot.tracked_content_id,
            "topic": mailing.topic_id,
            "since": mailing.not_before,
            "within": UNSUBSCRIBED_WITHIN,
            "crowd": organization.smallest_crowd,
            "domains": DOMAINS_SHOWN,
            "exempt": [reason.value for reason in EXEMPT_REASONS],
        }
        _run("SET LOCAL work_mem = '64MB'", values)
        _run("DELETE FROM reporting_mailingcount WHERE mailing_id = %(mailing)s", values)
        row.total = sum(copies for (copies,) in _run(_COUNT, values))
        if not _run("SELECT 1 FROM reporting_mailinggroup WHERE mailing_id = %(mailing)s LIMIT 1", values):
            _run(_MAKE_GROUPS, values)
        _run(_COUNT_GROUPS, values)
        _run(_PLACE, values)
        if mailing.topic_id is not None:
            ((unsubscribed,),) = _run(_UNSUBSCRIBED, values)
            row.unsubscribed = max(row.unsubscribed, unsubscribed)
        row.words, row.held = server_words(organization, mailing_id), held_copies(organization, mailing_id)
        row.counted_at = now
        row.due_at = _next(mailing, seconds=time.monotonic() - began, now=now)
        row.save()
    return True


def held_copies(organization: Organization, mailing_id: int) -> list[tuple[str, int]]:
    """Why copies that have not left wait for a later moment than the launch: ``delivery.models.Held``."""
    waiting = Message.objects.filter(organization=organization, mailing=mailing_id, status=MessageStatus.QUEUED)
    rows = waiting.exclude(held_for="").filter(due_at__isnull=False).values_list("held_for").annotate(n=Count("id"))
    return list(rows.order_by("held_for"))


def server_words(organization: Organization, mailing_id: int) -> list[tuple[str, int]]:
    """What mail servers and services said of messages, and of how many; without the addresses that they repeat."""
    said: Counter[str] = Counter()
    mine = Message.objects.filter(organization=organization, mailing=mailing_id)
    for column in ("error", "news_words"):
        rows = mine.exclude(**{column: ""}).values_list(column).annotate(n=Count("id")).order_by("-n")[:200]
        for words, n in rows:
            said[without_addresses(words)] += n
    return said.most_common(WORDS_SHOWN)


def _next(mailing: Mailing, *, seconds: float, now: datetime) -> datetime | None:
    is_over = mailing.state in (MailingState.DONE, MailingState.CANCELLED)
    age = now - (mailing.finished_at or now) if is_over else timedelta(0)
    pause = next_count_in(age, seconds=seconds)
    return None if pause is None else now + pause


def _run(query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall() if cursor.description else []
