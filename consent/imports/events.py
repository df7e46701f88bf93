"""The events of a set of people, appended to the chain of each (rule C7).

The people stand in a temporary table: participant_id, ledger_id, whether they are first (is_first), and per kind the
verdict. What is appended is what was applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.utils import CursorWrapper

from consent.chain import event_hash_sql
from consent.rules import Kind

# The ends of the chains that go on. Most people of a file never answered before: nothing is looked up for them.
_HEADS = """
DROP TABLE IF EXISTS pg_temp.consent_head;
CREATE TEMP TABLE consent_head ON COMMIT DROP AS
SELECT a.participant_id, h.seq, encode(h.hash, 'hex') AS hash
  FROM {table} a
 CROSS JOIN LATERAL (SELECT e.seq, e.hash FROM consent_choiceevent e
                      WHERE e.subject = a.ledger_id AND e.scope_id = %(scope)s ORDER BY e.seq DESC LIMIT 1) AS h
 WHERE NOT a.is_first AND 'applied' IN (a.opens_verdict, a.clicks_verdict);
CREATE INDEX ON consent_head (participant_id)
"""

# Clicks follow opens, as in record_choice. OFFSET 0 keeps each hash from being computed at every place that names it.
# UNION ALL, since PostgreSQL would prepare the expressions of VALUES again for every person.
_EVENTS = """
INSERT INTO consent_choiceevent (organization_id, subject, scope_id, seq, kind, value, source, method, happened_at,
                                 recorded_at, consent_text_id, evidence, actor_id, prev_hash, hash)
SELECT %(organization)s, a.ledger_id, %(scope)s, k.seq, k.kind, k.value, %(source)s, %(method)s, %(at)s,
       %(now)s, %(text)s, %(evidence)s::jsonb, %(actor)s, k.prev_hash, k.hash
  FROM {table} a
{head_join}
 CROSS JOIN LATERAL (
    SELECT CASE WHEN a.opens_verdict = 'applied' THEN {opens_hash} END AS opens_hash,
           {head_seq} + CASE WHEN a.opens_verdict = 'applied' THEN 2 ELSE 1 END AS clicks_seq OFFSET 0) AS o
 CROSS JOIN LATERAL (
    SELECT CASE WHEN a.clicks_verdict = 'applied' THEN {clicks_hash} END AS clicks_hash OFFSET 0) AS c
 CROSS JOIN LATERAL (
    SELECT 'opens', {opens}, {head_seq} + 1, decode({head_hash}, 'hex'), o.opens_hash
    UNION ALL
    SELECT 'clicks', {clicks}, o.clicks_seq, coalesce(o.opens_hash, decode({head_hash}, 'hex')), c.clicks_hash)
       AS k (kind, value, seq, prev_hash, hash)
 WHERE k.hash IS NOT NULL
"""


def per_kind(template: str) -> dict[str, str]:
    return {kind.value: template.format(kind=kind) for kind in Kind}


def append_events(
    cursor: CursorWrapper,
    table: str,
    values: Mapping[str, Any],
    *,
    with_heads: bool,
    value_of: str = "a.{kind}",
) -> None:
    """``with_heads``: some of the people have a chain that goes on. ``value_of``: what is said of each kind, in SQL."""
    said = per_kind(value_of)
    if with_heads:
        cursor.execute(_HEADS.format(table=table), values)
    head_seq, head_hash = (
        ("coalesce(h.seq, 0)", "coalesce(h.hash, %(nothing)s)") if with_heads else ("0", "%(nothing)s")
    )
    named = {"subject": "a.ledger_id::text", "scope": "%(scope)s::text", "act": "%(act)s"}
    events = _EVENTS.format(
        table=table,
        **said,
        head_join="  LEFT JOIN consent_head h ON h.participant_id = a.participant_id" if with_heads else "",
        head_seq=head_seq,
        head_hash=head_hash,
        opens_hash=event_hash_sql(
            prev=head_hash, seq=f"({head_seq} + 1)::text", kind="'opens'", value=said["opens"], **named
        ),
        clicks_hash=event_hash_sql(
            prev=f"coalesce(encode(o.opens_hash, 'hex'), {head_hash})",
            seq="o.clicks_seq::text",
            kind="'clicks'",
            value=said["clicks"],
            **named,
        ),
    )
    cursor.execute(events, values)
