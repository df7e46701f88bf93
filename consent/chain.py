"""The canonical texts of the consent history, their hashes, and the trees over them. docs/ledger.md is the description.

An event's text names what was chosen; everything about how it came is one hash in it, that of its *act*, since a
million people of one file share theirs. PostgreSQL writes the same text of an event (``event_hash_sql``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

# What the first event of a chain, and the first anchor of an organization, follow.
NOTHING: Final = bytes(32)

_LEAF, _NODE = b"\x00", b"\x01"


def canonical_json(value: Any) -> str:
    """The one way to write a value: sorted keys, no spaces. No fractions, which everybody writes differently."""
    _refuse_fractions(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _refuse_fractions(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError("a fraction has no canonical text: write it as text")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"a key must be text: {key!r}")
            _refuse_fractions(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_fractions(inner)


def moment_text(moment: datetime) -> str:
    """``2026-11-22T09:00:00.000000Z``."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def consent_text_hash(
    *, website: int | None, language: str, place: str, version: int, text: str, asks_for: Sequence[str]
) -> bytes:
    """The hash of one version of a consent text."""
    return digest(
        canonical_json(
            {
                "format": "pli-consent-text-1",
                "website": website,
                "language": language,
                "place": place,
                "version": version,
                "text": text,
                "asks_for": list(asks_for),
            }
        )
    )


def act_hash(
    *,
    organization: UUID,
    source: str,
    method: str,
    happened_at: datetime,
    recorded_at: datetime,
    consent_text: bytes | None,
    evidence: Mapping[str, Any],
    actor: int | None,
) -> bytes:
    """The hash of how one or many answers came about."""
    return digest(
        canonical_json(
            {
                "format": "pli-act-1",
                "organization": str(organization),
                "source": source,
                "method": method,
                "happened_at": moment_text(happened_at),
                "recorded_at": moment_text(recorded_at),
                "consent_text": consent_text.hex() if consent_text else None,
                "evidence": dict(evidence),
                "actor": actor,
            }
        )
    )


EVENT_FORMAT: Final = "pli-event-1"


def event_text(*, prev: bytes, subject: UUID, scope: int, seq: int, kind: str, value: str, act: bytes) -> str:
    """What is hashed of one event."""
    return f"{EVENT_FORMAT}|{prev.hex()}|{subject}|{scope}|{seq}|{kind}|{value}|{act.hex()}"


def event_hash(*, prev: bytes, subject: UUID, scope: int, seq: int, kind: str, value: str, act: bytes) -> bytes:
    """The hash of one event, which the next one of its chain carries."""
    return digest(event_text(prev=prev, subject=subject, scope=scope, seq=seq, kind=kind, value=value, act=act))


def event_hash_sql(*, prev: str, subject: str, scope: str, seq: str, kind: str, value: str, act: str) -> str:
    """``event_hash`` in SQL, of SQL expressions: ``prev`` and ``act`` are text of 64 digits, as are all but ``seq``.

    In brackets stands what is often the same for all rows of a statement: PostgreSQL puts that together once.
    """
    return (
        f"sha256(convert_to(('{EVENT_FORMAT}|' || {prev} || '|') || {subject}"
        f" || ('|' || {scope} || '|' || {seq} || '|' || {kind} || '|') || {value} || ('|' || {act}), 'UTF8'))"
    )


# --- The tree over the events of an organization (RFC 9162, section 2.1) ----------------------------------------------


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(_LEAF + content).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    above = [_node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    if len(level) % 2:
        above.append(level[-1])
    return above


def merkle_root(contents: Iterable[bytes]) -> bytes:
    """The root of the tree over at least one content."""
    level = [leaf_hash(content) for content in contents]
    if not level:
        raise ValueError("a tree over nothing has no root")
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


@dataclass(frozen=True, slots=True)
class Proof:
    """That a content stands in a tree: the neighbours on its way to the root, each with the side it stands on."""

    index: int
    steps: tuple[tuple[str, bytes], ...]


def merkle_proofs(contents: Sequence[bytes], indexes: Sequence[int]) -> list[Proof]:
    """The proofs of some of the contents of a tree."""
    level = [leaf_hash(content) for content in contents]
    places = list(indexes)
    steps: list[list[tuple[str, bytes]]] = [[] for _ in indexes]
    while len(level) > 1:
        for which, place in enumerate(places):
            neighbour = place ^ 1
            if neighbour < len(level):
                steps[which].append(("left" if neighbour < place else "right", level[neighbour]))
            places[which] = place // 2
        level = _level_above(level)
    return [Proof(index, tuple(found)) for index, found in zip(indexes, steps, strict=True)]


def proven_root(content: bytes, steps: Iterable[tuple[str, bytes]]) -> bytes:
    """The root that a proof leads to."""
    found = leaf_hash(content)
    for side, neighbour in steps:
        found = _node_hash(neighbour, found) if side == "left" else _node_hash(found, neighbour)
    return found


# --- The seals --------------------------------------------------------------------------------------------------------


def anchor_text(
    *,
    organization: UUID,
    number: int,
    after_id: int,
    up_to_id: int,
    events: int,
    root: bytes,
    prev: bytes,
    sealed_at: datetime,
    public_key: bytes,
) -> str:
    """What is signed of an anchor, and hashed for the next one."""
    return canonical_json(
        {
            "format": "pli-anchor-1",
            "organization": str(organization),
            "number": number,
            "after": after_id,
            "up_to": up_to_id,
            "events": events,
            "root": root.hex(),
            "previous": prev.hex(),
            "sealed_at": moment_text(sealed_at),
            "key": public_key.hex(),
        }
    )
