"""The gate to the consent history: who writes passes here, and who seals waits here. docs/ledger.md is the description.

Writers hold a shared lock of their organization until they have committed. Whoever holds it alone sees every event
that has a number, so nothing that is sealed can be joined later by an event with a smaller number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Organization, User
from consent.chain import NOTHING, act_hash, consent_text_hash, digest, event_hash, moment_text
from consent.models import ChoiceEvent, ConsentText, Notice, Topic
from consent.rules import ChoiceValue, Informed, Kind, Source
from websites.models import Website

# Of advisory locks; the second number is the organization.
_EVENTS, _TEXTS, _KEYS = 7301, 7302, 7303
_LARGEST = 2**31


def _lock(function: str, what: int, organization: Organization) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [what, organization.pk % _LARGEST])
        return cursor.fetchone()[0] is not False


def write_events(organization: Organization) -> None:
    """Before the first event of a transaction gets its number. Holds until the transaction ends."""
    _lock("pg_advisory_xact_lock_shared", _EVENTS, organization)


def see_all_events(organization: Organization, *, insist: bool) -> bool:
    """Whether nobody is writing; then nobody begins before this transaction ends, so keep it short.

    Does not wait, since whoever comes to write would wait behind; unless it is to ``insist``.
    """
    if insist:
        return _lock("pg_advisory_xact_lock", _EVENTS, organization)
    return _lock("pg_try_advisory_xact_lock", _EVENTS, organization)


def alone_with_keys(organization: Organization) -> None:
    """One seal after the other, and one first key."""
    _lock("pg_advisory_xact_lock", _KEYS, organization)


# --- Wordings ---------------------------------------------------------------------------------------------------------


class WordingError(ValueError):
    """A text does not ask for what somebody is said to have agreed to with it (rule C1)."""


def require_asked(text: ConsentText | None, things: Iterable[str]) -> None:
    """A yes to something counts only if the wording asked for it (rule C1). Without a wording nothing is known."""
    missing = sorted(set(things) - set(text.asks_for)) if text else []
    if missing:
        raise WordingError(f"the wording asks for {text.asks_for if text else []}, not for {missing}")


def keep_text(
    organization: Organization,
    *,
    website: Website | None,
    language: str,
    place: str,
    text: str,
    asks_for: Sequence[str],
    author: User | None,
    now: datetime,
    latest_only: bool,
) -> ConsentText:
    """The version of a place that has these words, made where it is missing.

    ``latest_only``: words that were replaced once and come back are a new version.
    """
    asked = sorted(set(asks_for))
    facts: dict[str, Any] = {
        "organization": organization,
        "website": website,
        "language": language[:10],
        "place": place[:40],
    }
    if found := _find_text(facts, text, asked, latest_only=latest_only):
        return found
    # Two writers would make the same version twice.
    _lock("pg_advisory_xact_lock", _TEXTS, organization)
    if found := _find_text(facts, text, asked, latest_only=latest_only):
        return found
    latest = ConsentText.objects.filter(**facts).order_by("-version").values_list("version", flat=True).first()
    version = (latest or 0) + 1
    sha256 = consent_text_hash(
        website=website.pk if website else None,
        language=facts["language"],
        place=facts["place"],
        version=version,
        text=text,
        asks_for=asked,
    )
    return ConsentText.objects.create(
        **facts,
        version=version,
        text=text,
        asks_for=asked,
        sha256=sha256,
        published_at=now,
        published_by=author,
    )


def _find_text(facts: Mapping[str, Any], text: str, asked: list[str], *, latest_only: bool) -> ConsentText | None:
    versions = ConsentText.objects.filter(**facts).order_by("-version")
    if latest_only:
        latest = versions.first()
        return latest if latest and latest.text == text and latest.asks_for == asked else None
    return versions.filter(text=text, asks_for=asked).first()


# --- One event --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """How and when somebody brought an answer. ``happened_at`` is never later than we hear of it."""

    source: Source
    method: str
    happened_at: datetime
    now: datetime
    consent_text: ConsentText | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    actor: User | None = None

    def hash(self, organization: Organization) -> bytes:
        return act_hash(
            organization=organization.public_id,
            source=self.source.value,
            method=self.method,
            happened_at=self.happened_at,
            recorded_at=self.now,
            consent_text=bytes(self.consent_text.sha256) if self.consent_text else None,
            evidence=self.evidence,
            actor=self.actor.pk if self.actor else None,
        )


def append_event(
    organization: Organization, subject: UUID, scope_id: int, *, kind: str, value: ChoiceValue, act: Act
) -> ChoiceEvent:
    """Add to the chain of a person in a scope, whose Choice the caller has locked, after ``write_events``."""
    chain = ChoiceEvent.objects.filter(organization=organization, subject=subject, scope_id=scope_id)
    last = chain.order_by("-seq").values_list("seq", "hash").first()
    seq, prev = (last[0] + 1, bytes(last[1])) if last else (1, NOTHING)
    return ChoiceEvent.objects.create(
        organization=organization,
        subject=subject,
        scope_id=scope_id,
        seq=seq,
        kind=kind,
        value=value.value,
        source=act.source.value,
        method=act.method,
        happened_at=act.happened_at,
        recorded_at=act.now,
        consent_text=act.consent_text,
        evidence=dict(act.evidence),
        actor=act.actor,
        prev_hash=prev,
        hash=event_hash(
            prev=prev,
            subject=subject,
            scope=scope_id,
            seq=seq,
            kind=kind,
            value=value.value,
            act=act.hash(organization),
        ),
    )


def asked_kinds(answers: Mapping[Kind, ChoiceValue | None]) -> list[str]:
    """What a wording must have asked for when somebody answered so."""
    return [kind.value for kind, value in answers.items() if value is not None and value != ChoiceValue.UNKNOWN]


# --- Informed, did not refuse ---


def informed_evidence(informed: Informed, notice: Notice | None) -> dict[str, Any]:
    """What the history keeps of it, the words of the notice by their hash."""
    return {
        "ground": informed.ground.value,
        "collected_at": moment_text(informed.collected_at) if informed.collected_at else None,
        "informed_at": moment_text(informed.informed_at) if informed.informed_at else None,
        "notice": None
        if notice is None
        else {
            "id": notice.pk,
            "language": notice.language,
            "version": notice.version,
            "sha256": digest(notice.text).hex(),
        },
    }


# --- Words of subscriptions ---

# Where words stand that nobody published.
SUBSCRIPTION = "subscription"


def asks_for_topic(topic: Topic) -> str:
    """What a consent text asks for that is read beside the box of a topic (rule C1)."""
    return f"subscription:{topic.pk}"


def wording_of_topic(
    organization: Organization, topic: Topic, wording: str, *, author: User | None, now: datetime
) -> ConsentText | None:
    """Words that nobody published, such as those of a file; None for none."""
    if not wording.strip():
        return None
    return keep_text(
        organization,
        website=topic.website,
        language="",
        place=SUBSCRIPTION,
        text=wording.strip(),
        asks_for=[asks_for_topic(topic)],
        author=author,
        now=now,
        latest_only=False,
    )
