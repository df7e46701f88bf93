"""Subscriptions of many people at once, as sets in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Organization, User
from consent.ledger import wording_of_topic
from consent.models import Basis, Topic

# The register is written with the state, row by row the same (rule C5). One look into the index per person.
_SUBSCRIBE = """
WITH made AS (
    INSERT INTO consent_subscription (organization_id, participant_id, topic_id, basis, source, wording, subscribed_at)
    SELECT %(organization)s, t.participant_id, %(topic)s, %(basis)s, %(source)s, %(wording)s, %(now)s FROM {table} t
        ON CONFLICT (participant_id, topic_id) DO NOTHING
    RETURNING participant_id
)
INSERT INTO consent_subscriptionevent (organization_id, subject, topic_id, act, basis, source, consent_text_id,
                                       happened_at, recorded_at, evidence, actor_id)
SELECT %(organization)s, p.ledger_id, %(topic)s, 'subscribed', %(basis)s, %(source)s, %(text)s, %(now)s, %(now)s,
       %(evidence)s::jsonb, %(actor)s
  FROM made CROSS JOIN LATERAL (SELECT ledger_id FROM participants_participant
                                 WHERE id = made.participant_id LIMIT 1) AS p
"""


def subscribe_people(
    organization: Organization,
    topic: Topic,
    *,
    table: str,
    basis: Basis,
    source: str,
    wording: str,
    now: datetime,
    evidence: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> int:
    """Subscribe the people in a temporary table; says how many are new. Whoever unsubscribed stays so."""
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    text = wording_of_topic(organization, topic, wording, author=actor, now=now)
    values: dict[str, Any] = {
        "organization": organization.pk,
        "topic": topic.pk,
        "basis": Basis(basis).value,
        "source": source[:120],
        "wording": wording,
        "text": text.pk if text else None,
        "evidence": json.dumps(dict(evidence or {})),
        "actor": actor.pk if actor else None,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIBE.format(table=table), values)
        return int(cursor.rowcount)


_END_SUBSCRIPTIONS = """
WITH ended AS (
    UPDATE consent_subscription AS s
       SET unsubscribed_at = %(now)s, pending_since = NULL, paused_at = NULL, paused_until = NULL
     WHERE s.unsubscribed_at IS NULL AND s.participant_id = ANY(ARRAY(
        SELECT (SELECT p.id FROM participants_participant p
                 WHERE p.organization_id = %(organization)s AND p.email_norm = t.email_norm)
          FROM {table} t))
    RETURNING s.participant_id, s.topic_id, s.basis
)
INSERT INTO consent_subscriptionevent (organization_id, subject, topic_id, act, basis, source, happened_at, recorded_at,
                                       evidence)
SELECT %(organization)s, p.ledger_id, ended.topic_id, 'unsubscribed', ended.basis, %(source)s, %(now)s, %(now)s, '{{}}'
  FROM ended CROSS JOIN LATERAL (SELECT ledger_id FROM participants_participant
                                  WHERE id = ended.participant_id LIMIT 1) AS p
"""


def end_subscriptions(organization: Organization, *, table: str, now: datetime, source: str = "import") -> int:
    """End all subscriptions of the addresses in a temporary table; says how many there were."""
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    values: dict[str, Any] = {"organization": organization.pk, "now": now, "source": source[:120]}
    with connection.cursor() as cursor:
        cursor.execute(_END_SUBSCRIPTIONS.format(table=table), values)
        return int(cursor.rowcount)
