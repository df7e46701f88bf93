"""The rows of the outbox and what may become of them, each step in one short transaction.

queued → claimed (a lease: whoever finds it run out may claim again) → sending (committed just before the bytes leave) →
sent, failed, suppressed, cancelled, or unknown. After a crash only what stood in *sending* is unknown, and it is never
sent again by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from common.keys import new_key
from common.tenancy import tenant
from consent.grounds import Decided
from consent.rules import Untracked
from consent.services import ensure_preference_keys
from delivery.call_data import data_of_calls
from delivery.measuring import decide_copies, decisions_now, has_own_key, is_counted, is_weakened, own_part
from delivery.models import Mailing, MailingState, Message, MessageStatus
from delivery.outcomes import ERROR_LENGTH, SENDING_LEASE
from delivery.rendering import WEB_VERSION, mentions
from delivery.reply_keys import reply_keys_for
from delivery.rules import blocking_reasons, needs_subscription
from delivery.services import forget_keys
from tracking.models import TrackedMessage
from tracking.services import register_messages

# How long a decision may wait for its message to leave. Later it is made anew: nobody is measured on an old one.
CLAIM_LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Person:
    """What is put into the copy of one participant."""

    id: int
    email: str
    email_norm: str
    first_name: str
    last_name: str
    country: str
    locale: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this worker may prepare, with what was decided about it."""

    id: int
    reference: UUID
    unsubscribe_key: UUID
    preference_key: UUID
    attempts: int
    person: Person
    decided: Decided
    decided_at: datetime
    # The key of the copy, if anything of it is measured that belongs to the person.
    tracking_key: UUID | None
    # The key of the launch's totals, if anything of the copy is counted without a person.
    shared_key: UUID | None = None
    # The key of its page in a browser, if the template links to it.
    web_version_key: UUID | None = None
    # The key of the page that its answer buttons lead to, if it has any.
    reply_key: UUID | None = None
    # What a call gave along for it.
    data: Mapping[str, object] | None = None


# --- Claiming ---------------------------------------------------------------------------------------------------------

# A participant is read here and not locked: a message says what was true when it was prepared.
_DUE = """
WITH due AS (
    SELECT m.id, m.participant_id, m.reference, m.unsubscribe_key, m.tracked_message_id,
           m.attempts
      FROM delivery_message m
     WHERE m.organization_id = %(organization)s AND m.mailing_id = %(mailing)s AND m.id > %(after)s
       AND m.status IN ('queued', 'claimed')
       AND (m.due_at <= %(now)s OR (m.status = 'queued' AND m.due_at IS NULL))
     ORDER BY m.id
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
)
SELECT due.id, due.reference, due.unsubscribe_key, due.tracked_message_id, due.attempts,
       p.id, p.email, p.email_norm, p.first_name, p.last_name, p.country, p.locale, p.attributes,
       NOT EXISTS (SELECT FROM delivery_suppression s
                    WHERE s.organization_id = %(organization)s AND s.email_norm = p.email_norm
                      AND s.reason = ANY(%(reasons)s))
       AND (%(topic)s::bigint IS NULL
            OR EXISTS (SELECT FROM consent_subscription c
                        WHERE c.participant_id = p.id AND c.topic_id = %(topic)s AND c.unsubscribed_at IS NULL
                          AND c.pending_since IS NULL AND c.paused_at IS NULL))
       AND (NOT %(asks_consent)s
            OR NOT EXISTS (SELECT FROM consent_choice c
                            WHERE c.participant_id = p.id AND c.scope_id = %(scope)s
                              AND ('no' IN (c.opens, c.clicks) OR (c.opens = 'yes' AND c.clicks = 'yes'))))
  FROM due JOIN participants_participant p ON p.id = due.participant_id
 ORDER BY due.id
"""

_FREEZE = """
UPDATE delivery_message AS m
   SET status = 'claimed', due_at = %s, decided_at = %s, error = '',
       opens = r.opens, clicks = r.clicks, opens_reason = r.opens_reason, clicks_reason = r.clicks_reason,
       tracking_version_id = r.version, tracked_message_id = r.tracked, web_version_key = r.web_version,
       reference = r.reference, unsubscribe_key = r.unsubscribe_key
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::uuid[],
              %s::uuid[], %s::uuid[])
       AS r (id, opens, clicks, opens_reason, clicks_reason, version, tracked, web_version, reference, unsubscribe_key)
 WHERE m.id = r.id
"""


@dataclass(frozen=True, slots=True)
class _Due:
    id: int
    reference: UUID
    unsubscribe_key: UUID
    tracked_message_id: int | None
    attempts: int
    person: Person
    may_be_sent: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker got: ``latest_id`` is where it goes on looking, None when nothing more was due."""

    messages: list[Claimed]
    latest_id: int | None


NOTHING = Claim([], None)


def claim_messages(mailing: Mailing, *, after: int, limit: int, now: datetime) -> Claim:
    """Take due messages of a mailing, end those that may not be sent, and decide what is measured on the others."""
    with tenant(mailing.organization_id):
        if hold_state(mailing) != MailingState.SENDING:
            return NOTHING
        due = _due_messages(mailing, after=after, limit=limit, now=now)
        if not due:
            return NOTHING
        latest_id = due[-1].id
        if mailing.urgent:
            due = _first_of_each_person(due)
        _drop_old_keys(due)
        _suppress([one.id for one in due if not one.may_be_sent])
        messages = _decide(mailing, [one for one in due if one.may_be_sent], now=now)
    return Claim(messages, latest_id)


def hold_state(mailing: Mailing) -> str:
    """The state of a mailing, which nobody changes before this transaction ends: whoever pauses it waits so long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM delivery_mailing WHERE id = %s FOR SHARE", [mailing.pk])
        row = cursor.fetchone()
    return row[0] if row else MailingState.CANCELLED


def _due_messages(mailing: Mailing, *, after: int, limit: int, now: datetime) -> list[_Due]:
    asks_consent = mailing.untracked == Untracked.CONSENT_REQUEST
    parameters: dict[str, Any] = {
        "organization": mailing.organization_id,
        "mailing": mailing.pk,
        "after": after,
        "now": now,
        "limit": limit,
        # Whoever wants no marketing is not asked for consent to measure it either.
        "reasons": list(blocking_reasons("marketing" if asks_consent else mailing.purpose)),
        "asks_consent": asks_consent,
        "scope": mailing.website.consent_scope_id,
        "topic": mailing.topic_id if needs_subscription(mailing.purpose) else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DUE, parameters)
        rows = cursor.fetchall()
    return [_due(row) for row in rows]


def _due(row: Sequence[Any]) -> _Due:
    number, reference, unsubscribe_key, tracked_message_id, attempts = row[:5]
    participant_id, email, email_norm, first_name, last_name, country, locale, attributes, may_be_sent = row[5:]
    person = Person(participant_id, email, email_norm, first_name, last_name, country, locale, _attributes(attributes))
    # A copy that may have been sent before keeps the keys that stand in it.
    keys = (reference or new_key(), unsubscribe_key or new_key())
    return _Due(number, *keys, tracked_message_id, attempts, person, may_be_sent)


def _attributes(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else json.loads(value or "{}")


def _first_of_each_person(due: Sequence[_Due]) -> list[_Due]:
    """Each copy gets keys of its own, which are handed out by person. The others are claimed right after."""
    return list({one.person.id: one for one in reversed(due)}.values())[::-1]


def _page_keys(mailing: Mailing, count: int) -> list[UUID | None]:
    """For the pages of copies in a browser; none where the template does not lead there."""
    wanted = mentions(mailing.snapshot.compiled, WEB_VERSION)
    return [new_key() if wanted else None for _ in range(count)]


def _drop_old_keys(due: Iterable[_Due]) -> None:
    """A copy that is prepared again gets a key of its own; the one that nobody received leads to nobody (rule H3)."""
    old = [one.tracked_message_id for one in due if one.tracked_message_id is not None]
    if old:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE delivery_message SET tracked_message_id = NULL WHERE tracked_message_id = ANY(%s)", [old]
            )
        TrackedMessage.objects.filter(id__in=old).delete()


def _suppress(ids: Sequence[int]) -> None:
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE delivery_message SET status = 'suppressed', due_at = NULL, error = '' WHERE id = ANY(%s)",
                [list(ids)],
            )


def _decide(mailing: Mailing, due: Sequence[_Due], *, now: datetime) -> list[Claimed]:
    """The current state decides, however long a message waited; what is decided is frozen with it (rule S12)."""
    people = [one.person.id for one in due]
    if not people:
        return []
    organization, content = mailing.organization, mailing.snapshot.tracked_content
    decided, shared = decide_copies(mailing, people, now=now)
    new = [own_part(mailing, person, decided[person]) for person in people if has_own_key(decided[person])]
    registered = register_messages(organization, content, new, decided_at=now)
    preferences = ensure_preference_keys(organization, people, scope_id=mailing.website.consent_scope_id)
    pages = _page_keys(mailing, len(due))
    replies = reply_keys_for(mailing, [one.id for one in due])
    data = data_of_calls([one.id for one in due]) if mailing.urgent else {}
    _freeze(due, decided, {person: row[0] for person, row in registered.items()}, pages, now=now)
    return [
        Claimed(
            id=one.id,
            reference=one.reference,
            unsubscribe_key=one.unsubscribe_key,
            preference_key=preferences[one.person.id],
            attempts=one.attempts,
            person=one.person,
            decided=decided[one.person.id],
            decided_at=now,
            tracking_key=registered[one.person.id][1] if one.person.id in registered else None,
            shared_key=shared if is_counted(decided[one.person.id]) else None,
            web_version_key=page,
            reply_key=replies.get(one.id),
            data=data.get(one.id),
        )
        for one, page in zip(due, pages, strict=True)
    ]


def _freeze(
    due: Sequence[_Due],
    decided: dict[int, Decided],
    tracked: dict[int, int],
    pages: Sequence[UUID | None],
    *,
    now: datetime,
) -> None:
    decisions = [decided[one.person.id] for one in due]
    columns: list[list[Any]] = [
        [one.id for one in due],
        [str(each.decision.opens) for each in decisions],
        [str(each.decision.clicks) for each in decisions],
        [str(each.decision.opens_reason) for each in decisions],
        [str(each.decision.clicks_reason) for each in decisions],
        [each.tracking_version_id for each in decisions],
        [tracked.get(one.person.id) for one in due],
        list(pages),
        [one.reference for one in due],
        [one.unsubscribe_key for one in due],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_FREEZE, [now + CLAIM_LEASE, now, *columns])


# --- Leaving ----------------------------------------------------------------------------------------------------------

# ``decided_at`` tells our claim from somebody else's who found ours run out. What is ours and *sending* already was
# committed by a try of which we lost the answer.
_LEAVE = """
UPDATE delivery_message AS m SET status = 'sending', due_at = %s, connection_id = %s
  FROM unnest(%s::bigint[], %s::timestamptz[]) AS r (id, decided_at)
 WHERE m.id = r.id AND m.status IN ('claimed', 'sending') AND m.decided_at = r.decided_at AND m.due_at > %s
RETURNING m.id
"""


def may_leave(
    mailing: Mailing, claimed: Sequence[Claimed], *, now: datetime, connection_id: int | None = None
) -> set[int]:
    """Mark messages as being sent and say which ones may be; in the caller's transaction.

    Those whose claim ran out, and those of people who may no longer be measured as decided, are left to be claimed
    anew: what a person said a moment ago counts for what leaves now.
    """
    outdated = _no_longer_measurable(mailing, claimed, now=now)
    if outdated:
        _release(outdated)
    leaving = [one for one in claimed if one.id not in outdated]
    with connection.cursor() as cursor:
        cursor.execute(
            _LEAVE,
            [now + SENDING_LEASE, connection_id, [one.id for one in leaving], [one.decided_at for one in leaving], now],
        )
        return {row[0] for row in cursor.fetchall()}


def _no_longer_measurable(mailing: Mailing, claimed: Sequence[Claimed], *, now: datetime) -> set[int]:
    measured = [one for one in claimed if one.tracking_key is not None or one.shared_key is not None]
    if not measured:
        return set()
    current = decisions_now(mailing, [one.person.id for one in measured], now=now)
    return {one.id for one in measured if is_weakened(one.decided, current.get(one.person.id))}


def _release(ids: Iterable[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE delivery_message SET status = 'queued', due_at = NULL WHERE id = ANY(%s) AND status = 'claimed'",
            [list(ids)],
        )


def release_claims(mailing: Mailing, claimed: Sequence[Claimed]) -> None:
    """Put back what was prepared and will not leave from here."""
    if not claimed:
        return
    with tenant(mailing.organization_id), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE delivery_message AS m SET status = 'queued', due_at = NULL"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) AS r (id, decided_at)"
            " WHERE m.id = r.id AND m.status = 'claimed' AND m.decided_at = r.decided_at",
            [[one.id for one in claimed], [one.decided_at for one in claimed]],
        )


def put_off(mailing: Mailing, claimed: Sequence[tuple[Claimed, datetime]]) -> None:
    """Put back messages whose recipient's server takes no more just now, each with the moment when it may leave."""
    if not claimed:
        return
    with tenant(mailing.organization_id), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE delivery_message AS m SET status = 'queued', due_at = r.due_at"
            " FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS r (id, decided_at, due_at)"
            " WHERE m.id = r.id AND m.status = 'claimed' AND m.decided_at = r.decided_at",
            [
                [one.id for one, _due in claimed],
                [one.decided_at for one, _due in claimed],
                [due for _one, due in claimed],
            ],
        )


def fail_claims(mailing: Mailing, failures: Sequence[tuple[Claimed, str]]) -> None:
    """End messages that cannot be written, such as one whose template stumbles over a person's data."""
    with tenant(mailing.organization_id):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE delivery_message AS m SET status = 'failed', due_at = NULL, error = r.error"
                " FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[]) AS r (id, decided_at, error)"
                " WHERE m.id = r.id AND m.status = 'claimed' AND m.decided_at = r.decided_at",
                [
                    [one.id for one, _words in failures],
                    [one.decided_at for one, _words in failures],
                    [words[:ERROR_LENGTH] for _one, words in failures],
                ],
            )
        forget_keys(Message.objects.filter(id__in=[one.id for one, _words in failures], status=MessageStatus.FAILED))
