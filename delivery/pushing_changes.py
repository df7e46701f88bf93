"""Tells outside senders what changed about people whom they know from us: withdrawals, later yeses, unsubscribing.

Nothing of the ledger calls up to here. The registers of choices and subscriptions are read down by a cursor; what
delivery does itself (suppressions, erasure) marks people in its own transaction; and everybody is compared once an hour
and whenever a website's settings changed. All of that only says of whom something may have to be said. What is said is
the state when it is said, so saying it twice or late does no harm, and nobody hears an older word after a newer one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from accounts.models import Organization
from common.crypto import decrypt_secret
from common.tenancy import tenant
from delivery.connection_models import Connection, ConnectionKind
from delivery.connections import may_use
from delivery.outcomes import ERROR_LENGTH, SENDING_LEASE
from delivery.outside import as_told, changed_topics, compare_everybody, read_registers, states_of
from delivery.outside_models import OutsidePerson
from delivery.outside_senders import AT_ONCE, Said, note_how_it_went, push_account, say_all
from delivery.pushing import push_person
from delivery.rules import retry_after
from delivery.transports import PushEvent, PushPerson, PushState, Result, pusher_for
from participants.rules import normalise_email


@dataclass(frozen=True, slots=True)
class _News:
    """What is to be said of a person who is held."""

    row_id: int
    attempts: int
    wanted: dict[str, Any]
    event: PushEvent


def tell_changes(
    organization_id: int,
    connection_id: int,
    *,
    stop_after: float | None = None,
    clock: Callable[[], datetime] = timezone.now,
) -> Counter[str]:
    """Say what is to be said through one connection. Returns how many of what."""
    counts: Counter[str] = Counter()
    with tenant(organization_id):
        sender = (
            Connection.objects.filter(pk=connection_id, kind=ConnectionKind.PUSH).select_related("organization").first()
        )
    if sender is None:
        return counts
    organization = sender.organization
    read_registers(organization, sender, now=clock())
    compare_everybody(organization, sender, now=clock())
    if not _has_due(organization, sender, now=clock()) or not may_use(organization, sender, now=clock()):
        return counts
    pusher = pusher_for(push_account(sender))
    deadline = time.monotonic() + stop_after if stop_after is not None else None
    while deadline is None or time.monotonic() < deadline:
        news, looked_at = _hold_due(organization, sender, now=clock())
        if not looked_at:
            break
        said = say_all(pusher, [one.event for one in news])
        counts += _record(organization, news, said, now=clock())
        if note_how_it_went(sender, said, now=clock()) is not None:
            break
    return counts


def _has_due(organization: Organization, sender: Connection, *, now: datetime) -> bool:
    with tenant(organization.pk):
        return OutsidePerson.objects.filter(connection=sender, due_at__lte=now).exists()


def _hold_due(organization: Organization, sender: Connection, *, now: datetime) -> tuple[list[_News], bool]:
    """Hold people of whom something may be to be said; let go of those of whom nothing is. Says whether there were any.

    A lease that ran out belongs to a worker that ended: what it may have said is said again, under the same key where
    it is the same.
    """
    with tenant(organization.pk):
        rows = list(
            OutsidePerson.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(organization=organization, connection=sender, due_at__lte=now)
            .select_related("participant", "website")
            .order_by("due_at")[:AT_ONCE]
        )
        news = [_hold(row, state, now=now) for row, state in _states(organization, rows, now=now)]
    return [one for one in news if one is not None], bool(rows)


def _states(
    organization: Organization, rows: Sequence[OutsidePerson], *, now: datetime
) -> list[tuple[OutsidePerson, PushState]]:
    found = []
    for row in rows:
        if row.participant_id is None and _is_back(organization, row):
            row.delete()
        elif row.participant_id is None:
            found.append((row, PushState(opens=False, clicks=False, erased=True)))
        else:
            states = states_of(organization, row.website, [row.participant_id], now=now)
            found.append((row, states[row.participant_id]))
    return found


def _is_back(organization: Organization, row: OutsidePerson) -> bool:
    """Whether an address that somebody left belongs to somebody of whom the same outside sender knows."""
    known = OutsidePerson.objects.filter(
        organization=organization, connection=row.connection_id, website=row.website_id
    )
    return known.filter(participant__email_norm=normalise_email(decrypt_secret(row.sealed_address))).exists()


def _hold(row: OutsidePerson, state: PushState, *, now: datetime) -> _News | None:
    wanted = as_told(state)
    if row.told == wanted:
        row.due_at, row.held_since, row.wanted, row.key, row.attempts, row.words = None, None, None, None, 0, ""
        row.save()
        return None
    if row.wanted != wanted or row.key is None:
        row.wanted, row.key = wanted, uuid4()
        row.number += 1
    changed = changed_topics(row.told, state)
    # Until the answer is there, nobody knows what the outside sender knows.
    row.told = {}
    row.held_since, row.due_at, row.marked = now, now + SENDING_LEASE, False
    row.save()
    event = PushEvent(
        key=str(row.key),
        number=row.number,
        at=now,
        website=row.website.name,
        person=_person(row),
        state=state,
        changed_topics=changed,
    )
    return _News(row.pk, row.attempts, wanted, event)


def _person(row: OutsidePerson) -> PushPerson:
    if row.participant is None:
        return PushPerson(email=decrypt_secret(row.sealed_address))
    return push_person(row.participant)


def _record(organization: Organization, news: Sequence[_News], said: Sequence[Said], *, now: datetime) -> Counter[str]:
    counts: Counter[str] = Counter()
    with tenant(organization.pk):
        for one, came in zip(news, said, strict=True):
            row = OutsidePerson.objects.select_for_update().filter(pk=one.row_id, key=UUID(one.event.key)).first()
            if row is None:
                continue
            counts[str(came.outcome.result)] += 1
            _settle(row, one, came, now=now)
    return counts


def _settle(row: OutsidePerson, one: _News, came: Said, *, now: datetime) -> None:
    """A withdrawal is tried until it is taken or refused; a refusal waits for a person, and is shown."""
    result = came.outcome.result
    if result is Result.ACCEPTED and one.event.state.erased:
        row.delete()
        return
    row.held_since = None
    if result is Result.ACCEPTED:
        # Of whoever was erased meanwhile the address is kept sealed only.
        row.told = one.wanted if row.participant_id is not None else {}
        row.wanted, row.key, row.attempts, row.words = None, None, 0, ""
        row.due_at = now if row.marked else None
    elif result is Result.REFUSED:
        row.attempts, row.words = one.attempts + 1, came.outcome.words[:ERROR_LENGTH]
        row.failed_at, row.due_at = (None, now) if row.marked else (now, None)
    elif came.trouble is not None:
        # The connection rests; the person's turn comes when it works again.
        row.words, row.due_at = came.outcome.words[:ERROR_LENGTH], now
    else:
        row.attempts, row.words = one.attempts + 1, came.outcome.words[:ERROR_LENGTH]
        row.due_at = now + retry_after(row.attempts)
    row.marked = False
    row.save()


def try_again(organization: Organization, sender: Connection, *, now: datetime) -> int:
    """Somebody says that what was refused is to be said again, and what waits at once."""
    with tenant(organization.pk):
        rows = OutsidePerson.objects.filter(organization=organization, connection=sender, held_since__isnull=True)
        refused = rows.filter(failed_at__isnull=False).update(failed_at=None, due_at=now, attempts=0)
        return refused + rows.filter(due_at__gt=now).update(due_at=now)
