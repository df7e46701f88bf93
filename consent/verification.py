"""Looks for changes of the consent history: in every chain, every seal, every current choice. Constant memory.

What only the seals show (a chain computed anew from its start) is shown as long as nobody had the organization's key;
what the seals cannot show then is shown by anchors that were kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import batched, groupby
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection

from accounts.models import Organization
from consent.chain import NOTHING, act_hash, canonical_json, consent_text_hash, digest, event_hash, merkle_root
from consent.models import ChoiceEvent, ConsentText, LedgerAnchor
from consent.services.sealing import EVENTS_PER_ANCHOR, anchor_content

CHAINS_AT_ONCE = 1000

EVENTS = """
SELECT e.id, e.subject, e.scope_id, e.seq, e.kind, e.value, e.source, e.method, e.happened_at, e.recorded_at,
       e.consent_text_id, t.sha256, e.evidence::text, e.actor_id, e.prev_hash, e.hash
  FROM consent_choiceevent e LEFT JOIN consent_consenttext t ON t.id = e.consent_text_id
 WHERE e.organization_id = %s ORDER BY e.subject, e.scope_id, e.seq, e.id
"""
_CHOICES = """
SELECT p.ledger_id, c.scope_id, c.opens, c.opens_at, c.opens_source, c.clicks, c.clicks_at, c.clicks_source,
       c.anonymous_objected_at
  FROM participants_participant p JOIN consent_choice c ON c.participant_id = p.id
 WHERE p.organization_id = %s AND p.ledger_id = ANY(%s)
"""
_WITHOUT_HISTORY = """
SELECT p.ledger_id, c.scope_id FROM consent_choice c JOIN participants_participant p ON p.id = c.participant_id
 WHERE c.organization_id = %s
   AND (c.opens <> 'unknown' OR c.clicks <> 'unknown' OR c.anonymous_objected_at IS NOT NULL)
   AND NOT EXISTS (SELECT FROM consent_choiceevent e WHERE e.subject = p.ledger_id AND e.scope_id = c.scope_id)
 LIMIT 100
"""


class Event(NamedTuple):
    id: int
    subject: UUID
    scope: int
    seq: int
    kind: str
    value: str
    source: str
    method: str
    happened_at: datetime
    recorded_at: datetime
    text: int | None
    text_hash: bytes | None
    evidence: str
    actor: int | None
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written."""

    sentence: str

    def __str__(self) -> str:
        return self.sentence


def verify_ledger(organization: Organization, *, kept_anchors: Iterable[str] | None = None) -> Iterator[Problem]:
    """All that is wrong with an organization's consent history. Nothing when it is whole. Inside a transaction."""
    yield from _verify_texts(organization)
    yield from _verify_chains(organization)
    yield from _verify_without_history(organization)
    yield from _verify_anchors(organization)
    if kept_anchors is not None:
        yield from _verify_kept(organization, kept_anchors)


def _verify_texts(organization: Organization) -> Iterator[Problem]:
    for text in ConsentText.objects.filter(organization=organization).iterator(chunk_size=500):
        found = consent_text_hash(
            website=text.website_id,
            language=text.language,
            place=text.place,
            version=text.version,
            text=text.text,
            asks_for=text.asks_for,
        )
        if found != bytes(text.sha256):
            yield Problem(f"consent text {text.pk} was changed")


# --- Chains -----------------------------------------------------------------------------------------------------------


def _verify_chains(organization: Organization) -> Iterator[Problem]:
    chains = groupby(_events(organization), key=lambda event: (event.subject, event.scope))
    judged = (_verify_chain(organization, *key, events) for key, events in chains)
    for some in batched(judged, CHAINS_AT_ONCE):
        for problems, _latest in some:
            yield from problems
        yield from _verify_choices(organization, [latest for _problems, latest in some])


def _events(organization: Organization) -> Iterator[Event]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(EVENTS, [organization.pk])
        while rows := cursor.fetchmany(5000):
            yield from map(Event._make, rows)


class _Latest(NamedTuple):
    """The newest event of each kind of one chain."""

    subject: UUID
    scope: int
    by_kind: dict[str, Event]


def _verify_chain(
    organization: Organization, subject: UUID, scope: int, events: Iterable[Event]
) -> tuple[list[Problem], _Latest]:
    problems, by_kind = [], {}
    prev, seq = NOTHING, 0
    for event in events:
        seq += 1
        where = f"event {event.id} (chain {subject}, scope {scope}, position {event.seq})"
        if event.seq != seq:
            problems.append(Problem(f"{where} stands where position {seq} should be: an event was removed or added"))
        if bytes(event.prev_hash) != prev:
            problems.append(Problem(f"{where} does not follow the event before it"))
        if hash_of(organization, event) != bytes(event.hash):
            problems.append(Problem(f"{where} was changed"))
        prev, seq = bytes(event.hash), event.seq
        by_kind[event.kind] = event
    return problems, _Latest(subject, scope, by_kind)


def hash_of(organization: Organization, event: Event) -> bytes:
    act = _act_hash(
        organization.public_id,
        event.source,
        event.method,
        event.happened_at,
        event.recorded_at,
        bytes(event.text_hash) if event.text_hash is not None else None,
        event.evidence,
        event.actor,
    )
    return event_hash(
        prev=bytes(event.prev_hash),
        subject=event.subject,
        scope=event.scope,
        seq=event.seq,
        kind=event.kind,
        value=event.value,
        act=act,
    )


@lru_cache(maxsize=1024)
def _act_hash(
    public_id: UUID,
    source: str,
    method: str,
    happened_at: datetime,
    recorded_at: datetime,
    text_hash: bytes | None,
    evidence: str,
    actor: int | None,
) -> bytes:
    """The people of one file share theirs."""
    return act_hash(
        organization=public_id,
        source=source,
        method=method,
        happened_at=happened_at,
        recorded_at=recorded_at,
        consent_text=text_hash,
        # Nobody of ours writes a fraction: one that is there was put there, and has no hash of ours.
        evidence=json.loads(evidence, parse_float=str),
        actor=actor,
    )


# --- Current choices --------------------------------------------------------------------------------------------------


def _verify_choices(organization: Organization, chains: list[_Latest]) -> Iterator[Problem]:
    """What stands must be what the newest events say. People who were erased have nothing that stands."""
    with connection.cursor() as cursor:
        cursor.execute(_CHOICES, [organization.pk, list({chain.subject for chain in chains})])
        stands = {(row[0], row[1]): row[2:] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT ledger_id FROM participants_participant WHERE organization_id = %s AND ledger_id = ANY(%s)",
            [organization.pk, list({chain.subject for chain in chains})],
        )
        known = {subject for (subject,) in cursor.fetchall()}
    for chain in chains:
        if chain.subject not in known:
            continue
        found = stands.get((chain.subject, chain.scope), ("unknown", None, "", "unknown", None, "", None))
        if _standing(chain.by_kind) != (*found[:6], found[6] is not None):
            yield Problem(
                f"the choice of {chain.subject} in scope {chain.scope} is not what the events say:"
                " it was changed, or its last event was"
            )


def _standing(by_kind: Mapping[str, Event]) -> tuple[Any, ...]:
    objection = by_kind.get("anonymous")
    return (
        *_standing_of_kind(by_kind.get("opens")),
        *_standing_of_kind(by_kind.get("clicks")),
        objection is not None and objection.value == "no",
    )


def _standing_of_kind(event: Event | None) -> tuple[str, datetime | None, str]:
    if event is None:
        return "unknown", None, ""
    if event.value == "informed":
        return event.value, None, ""
    return event.value, event.happened_at, event.source


def _verify_without_history(organization: Organization) -> Iterator[Problem]:
    with connection.cursor() as cursor:
        cursor.execute(_WITHOUT_HISTORY, [organization.pk])
        for subject, scope in cursor.fetchall():
            yield Problem(f"the choice of {subject} in scope {scope} has no events: they were removed")


# --- Seals ------------------------------------------------------------------------------------------------------------


def _verify_anchors(organization: Organization) -> Iterator[Problem]:
    prev, after, number = NOTHING, 0, 0
    anchors = LedgerAnchor.objects.filter(organization=organization).select_related("key").order_by("number")
    for anchor in anchors.iterator(chunk_size=500):
        number += 1
        where = f"anchor {anchor.number}"
        if anchor.number != number or bytes(anchor.prev_hash) != prev or anchor.after_id != after:
            yield Problem(f"{where} does not follow the anchor before it")
        content = anchor_content(organization, anchor)
        if digest(content) != bytes(anchor.hash) or not _is_signed(
            content, bytes(anchor.signature), bytes(anchor.key.public_key)
        ):
            yield Problem(f"{where} was not signed by the organization")
        events = _hashes_between(organization, anchor.after_id, anchor.up_to_id)
        if len(events) != anchor.events or not events or merkle_root(events) != bytes(anchor.root):
            yield Problem(
                f"{where} sealed {anchor.events} events up to number {anchor.up_to_id}, and {len(events)} others are"
                " there: some were changed, removed, added or put in another order"
            )
        prev, after, number = bytes(anchor.hash), anchor.up_to_id, anchor.number


def _hashes_between(organization: Organization, after: int, up_to: int) -> list[bytes]:
    rows = ChoiceEvent.objects.filter(organization=organization, id__gt=after, id__lte=up_to).order_by("id")
    # One more than can have been sealed is enough to see that there are too many.
    return [bytes(content) for content in rows.values_list("hash", flat=True)[: EVENTS_PER_ANCHOR + 1]]


def _is_signed(content: str, signature: bytes, public_key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify_kept(organization: Organization, lines: Iterable[str]) -> Iterator[Problem]:
    """Anchors that were kept elsewhere must still be here, word by word."""
    own = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            kept = json.loads(line)
            content, signature = kept["content"], bytes.fromhex(kept["signature"])
            key = bytes.fromhex(content["key"])
            whose, which = content["organization"], content["number"]
        except (KeyError, TypeError, ValueError):
            yield Problem(f"line {number} of the kept anchors cannot be read")
            continue
        if whose != str(organization.public_id):
            continue
        own += 1
        if not _is_signed(canonical_json(content), signature, key):
            yield Problem(f"line {number} of the kept anchors has a wrong signature")
        here = LedgerAnchor.objects.filter(organization=organization, number=which).select_related("key").first()
        if here is None:
            yield Problem(f"anchor {which} was kept elsewhere and is not here any more")
        elif anchor_content(organization, here) != canonical_json(content):
            yield Problem(f"anchor {which} is not the one that was kept elsewhere")
    if not own:
        yield Problem("none of the kept anchors is of this organization")
