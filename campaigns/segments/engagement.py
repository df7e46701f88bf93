"""Who opened or clicked, who did not, and of whom nobody can say (rule U1).

A sent copy tells something only if it could be measured from sending until now: it was decided as measured, and what
permitted that has held since without a break. Everybody else is non-trackable, and never "did not open".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from accounts.models import Organization
from campaigns.models import Launch
from campaigns.rules import months_before
from campaigns.segments.grammar import Row
from tracking.forgetting import hit_keeping
from tracking.models import Actor, HitKind
from tracking.recorder import APPROVED_AMONG_MANY, CHOICE, may_measure_sql

KIND_OF: Mapping[str, str] = {
    "opened": "opens",
    "did_not_open": "opens",
    "clicked": "clicks",
    "did_not_click": "clicks",
}
_DID = frozenset({"opened", "clicked"})

# A copy whose hits may have been deleted for their age says nothing any more (U4). What an exempt purpose recorded is
# no segment's business (S6). A copy that only may have been sent proves nothing by silence; one that bounced was never
# there to be opened. Automatic opens hide whether a person opened too, so they are neither a yes nor a no; a scanner's
# click hides nothing. A click never implies an open (S14).
_COPIES = """
SELECT participant_id, bool_or(seen) AS seen, bool_or(hidden) AS hidden, bool_and(silent) AS silent FROM (
    SELECT d.participant_id,
           o.measured AND coalesce(h.human, false) AS seen,
           NOT o.measured OR (d.status = 'unknown' AND NOT coalesce(h.human, false)) AS hidden,
           o.measured AND d.status = 'sent' AND h.tracked_message_id IS NULL AS silent
      FROM delivery_message d
      LEFT JOIN tracking_trackedmessage m ON m.id = d.tracked_message_id
      LEFT JOIN websites_measurementpermission p ON p.website_id = m.website_id AND p.country = m.country
      {choice}
      LEFT JOIN (SELECT tracked_message_id, bool_or(actor = {human}) AS human FROM tracking_hit
                  WHERE organization_id = %(organization)s AND kind = %(kind)s AND tracked_message_id IS NOT NULL
                    AND (%(kind)s = {open} OR actor <> {machine})
                    AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
                    AND (%(content)s::bigint IS NULL OR content_id = %(content)s)
                  GROUP BY tracked_message_id) h ON h.tracked_message_id = m.id
     CROSS JOIN LATERAL (SELECT coalesce({measured}, false) AND m.exempt_purpose = ''
                            AND m.decided_at >= %(kept_since)s AS measured) o
     WHERE d.organization_id = %(organization)s AND d.participant_id IS NOT NULL
       AND d.status IN ('sent', 'unknown') AND d.news NOT IN ('hard_bounce', 'soft_bounce', 'rejected')
       AND (%(mailing)s::bigint IS NULL OR d.mailing_id = %(mailing)s)
       AND (%(since)s::timestamptz IS NULL OR coalesce(d.sent_at, d.decided_at) >= %(since)s)
       AND EXISTS (SELECT FROM campaigns_launch l WHERE l.mailing_id = d.mailing_id)
) AS copies GROUP BY participant_id
"""
_ANSWERS = {True: "seen", False: "NOT seen AND silent"}
NON_TRACKABLE = "NOT seen AND hidden"


@dataclass(frozen=True, slots=True)
class Query:
    """SQL made of constants, and what was read for its placeholders."""

    sql: str
    parameters: Mapping[str, Any]


def people_by_engagement(organization: Organization, row: Row, *, now: datetime) -> Query:
    """The ids of the people for whom a condition about opens or clicks holds."""
    holds = _ANSWERS[row.op in _DID]
    if row.values["with_non_trackable"]:
        holds = f"({holds}) OR ({NON_TRACKABLE})"
    return _query(organization, row, holds, now=now)


def count_non_trackable(organization: Organization, row: Row, *, now: datetime) -> int:
    """Of how many people nobody can say whether a condition about opens or clicks holds."""
    query = _query(organization, row, NON_TRACKABLE, now=now)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({query.sql}) AS people", query.parameters)  # noqa: S608 - of constants
        (people,) = cursor.fetchone()
    return int(people)


def _query(organization: Organization, row: Row, holds: str, *, now: datetime) -> Query:
    kind = KIND_OF[row.op]
    copies = _COPIES.format(
        choice=CHOICE,
        measured=may_measure_sql(kind, approved=APPROVED_AMONG_MANY),
        human=Actor.HUMAN.value,
        machine=Actor.MACHINE.value,
        open=HitKind.OPEN.value,
    )
    days, launch = row.values["days"], row.values["launch"]
    mailing, content = _launched(organization, launch) if launch is not None else (None, None)
    parameters = {
        "organization": organization.pk,
        "kind": (HitKind.OPEN if kind == "opens" else HitKind.CLICK).value,
        "mailing": mailing,
        "content": content,
        "since": now - timedelta(days=days) if days is not None else None,
        "kept_since": months_before(now, hit_keeping(organization).months),
    }
    return Query(f"SELECT participant_id FROM ({copies}) AS told WHERE {holds}", parameters)  # noqa: S608


def _launched(organization: Organization, launch_id: int) -> tuple[int, int]:
    """The mailing and the content of a launch; numbers that nothing has where it is not the organization's."""
    found = (
        Launch.objects.filter(organization=organization, pk=launch_id)
        .values_list("mailing_id", "mailing__snapshot__tracked_content_id")
        .first()
    )
    return found or (0, 0)
