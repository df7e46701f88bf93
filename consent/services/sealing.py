"""Seals the consent history: signed anchors over ranges of events, each following the one before (docs/ledger.md)."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.db import transaction

from accounts.models import Organization
from common.crypto import decrypt_secret, encrypt_secret
from consent.chain import NOTHING, anchor_text, canonical_json, digest, merkle_root
from consent.ledger import alone_with_keys, see_all_events
from consent.models import ChoiceEvent, LedgerAnchor, LedgerKey

EVENTS_PER_ANCHOR = 100_000
# Two seals of single choices are at least so far apart; what comes in between is in the next one.
AT_MOST_EVERY = timedelta(seconds=10)
# A file that is being imported is waited for so long; then its next chunk waits for the seal.
PATIENCE = timedelta(minutes=10)


def newest_event(organization: Organization, *, now: datetime) -> int | None:
    """The number up to which nothing can be added any more; None while writers are at work, or without news.

    To be called in a transaction of its own, which ends at once: it holds up everybody who writes.
    """
    unsealed = ChoiceEvent.objects.filter(organization=organization, id__gt=_sealed_until(organization)).order_by("id")
    waiting_since = unsealed.values_list("recorded_at", flat=True).first()
    if waiting_since is None:
        return None
    if not see_all_events(organization, insist=now - waiting_since > PATIENCE):
        return None
    return unsealed.order_by("-id").values_list("id", flat=True).first()


def is_due(organization: Organization, *, now: datetime) -> bool:
    """Whether the last seal is old enough for another one."""
    latest = _latest(organization)
    return latest is None or latest.sealed_at <= now - AT_MOST_EVERY


def seal_up_to(organization: Organization, newest: int, *, now: datetime) -> int:
    """Seal all events up to a number that ``newest_event`` said. Says how many anchors were made."""
    made = 0
    with transaction.atomic():
        alone_with_keys(organization)
        while _seal_next(organization, newest, now=now):
            made += 1
    return made


def _seal_next(organization: Organization, newest: int, *, now: datetime) -> bool:
    previous = _latest(organization)
    after = previous.up_to_id if previous else 0
    events = list(
        ChoiceEvent.objects.filter(organization=organization, id__gt=after, id__lte=newest)
        .order_by("id")
        .values_list("id", "hash")[:EVENTS_PER_ANCHOR]
    )
    if not events:
        return False
    key = ensure_key(organization, now=now)
    facts: dict[str, Any] = {
        "number": previous.number + 1 if previous else 1,
        "after_id": after,
        "up_to_id": events[-1][0],
        "events": len(events),
        "root": merkle_root(bytes(content) for _id, content in events),
        "sealed_at": now,
    }
    before = bytes(previous.hash) if previous else NOTHING
    text = anchor_text(organization=organization.public_id, prev=before, public_key=bytes(key.public_key), **facts)
    LedgerAnchor.objects.create(
        organization=organization,
        prev_hash=before,
        hash=digest(text),
        key=key,
        signature=sign(key, text),
        **facts,
    )
    return True


def _latest(organization: Organization) -> LedgerAnchor | None:
    return LedgerAnchor.objects.filter(organization=organization).order_by("-number").first()


def _sealed_until(organization: Organization) -> int:
    latest = _latest(organization)
    return latest.up_to_id if latest else 0


# --- Keys -------------------------------------------------------------------------------------------------------------


def ensure_key(organization: Organization, *, now: datetime) -> LedgerKey:
    """The key pair of an organization, made with its first seal."""
    known = LedgerKey.objects.filter(organization=organization).order_by("-id").first()
    if known is not None:
        return known
    with transaction.atomic():
        alone_with_keys(organization)
        known = LedgerKey.objects.filter(organization=organization).order_by("-id").first()
        if known is not None:
            return known
        private = Ed25519PrivateKey.generate()
        raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return LedgerKey.objects.create(
            organization=organization,
            public_key=private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
            sealed_private_key=encrypt_secret(b64encode(raw).decode()),
            created_at=now,
        )


def sign(key: LedgerKey, text: str) -> bytes:
    """The organization's signature of a text."""
    private = Ed25519PrivateKey.from_private_bytes(b64decode(decrypt_secret(key.sealed_private_key)))
    return private.sign(text.encode())


# --- What is handed out -----------------------------------------------------------------------------------------------


def anchor_content(organization: Organization, anchor: LedgerAnchor) -> str:
    """The text of an anchor, which was signed."""
    return anchor_text(
        organization=organization.public_id,
        number=anchor.number,
        after_id=anchor.after_id,
        up_to_id=anchor.up_to_id,
        events=anchor.events,
        root=bytes(anchor.root),
        prev=bytes(anchor.prev_hash),
        sealed_at=anchor.sealed_at,
        public_key=bytes(anchor.key.public_key),
    )


def anchor_lines(organization: Organization) -> Iterator[str]:
    """All anchors of an organization as JSON lines, for whoever is to keep them outside of this database."""
    anchors = LedgerAnchor.objects.filter(organization=organization).select_related("key").order_by("number")
    for anchor in anchors.iterator(chunk_size=1000):
        content = json.loads(anchor_content(organization, anchor))
        yield canonical_json({"content": content, "signature": bytes(anchor.signature).hex()}) + "\n"
