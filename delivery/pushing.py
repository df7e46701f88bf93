"""Hands exit-screen emails to an outside sender: claim, write, decide, hand over, record.

Pli sends and measures nothing of them. What is handed over says of each person whether they may be measured, as is true
when it leaves. A person who is being told of is held (``OutsidePerson``), so that what is said about them keeps its
order; what happens meanwhile follows from ``delivery/pushing_changes.py``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import Organization
from common.keys import new_key
from common.tenancy import tenant
from consent.grounds import Decided, decisions_for
from consent.rules import Untracked
from consent.services import ensure_preference_keys
from delivery.call_data import data_of_calls, words_are_gone
from delivery.composing import address_of, own_urls, variables_of
from delivery.connection_models import Connection
from delivery.models import Mailing, MailingState, Message, MessageStatus, Suppression
from delivery.outbox import Person, hold_state
from delivery.outcomes import SENDING_LEASE, Settled, record, settle
from delivery.outside import as_told, ensure_reading, states_of
from delivery.outside_models import OutsidePerson
from delivery.outside_senders import AT_ONCE, Said, note_how_it_went, push_account, say_all
from delivery.rendering import PREFERENCES, UNSUBSCRIBE, CompiledEmail, EmailFiller
from delivery.reply_keys import reply_keys_for
from delivery.rules import blocking_reasons
from delivery.services import Envelope, ask_to_send, finish_mailing, note_trouble
from delivery.templating import TemplateError
from delivery.throttle import take
from delivery.transports import (
    Outcome,
    PushEvent,
    PushMessage,
    PushPerson,
    PushState,
    PushTroubleError,
    Result,
    pusher_for,
)
from participants.models import Participant

CLAIM_LEASE = timedelta(seconds=30)
# While something else is being said about the same person.
BUSY_PAUSE = timedelta(seconds=2)
ENDPOINT_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Handed:
    """What one run did, whether it stopped with more to do, and what keeps it from doing more."""

    counts: Counter[str] = field(default_factory=Counter)
    more_due: bool = False
    trouble: PushTroubleError | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A message that was written, for a person who is held."""

    id: int
    attempts: int
    event: PushEvent
    # What the outside sender knew of the person before: nothing when None, something unsure when empty.
    told_before: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Written:
    """A message with what is handed over of it."""

    message: Message
    participant: Participant
    content: PushMessage


def hand_over(
    mailing: Mailing, sender: Connection, *, stop_after: float | None, clock: Callable[[], datetime]
) -> Handed:
    """Hand over what is due of a mailing, until nothing is, the endpoint is of no use, or the time is over."""
    with tenant(mailing.organization_id):
        ensure_reading(mailing.organization, sender, now=clock())
    return _HandOver(mailing, sender, clock=clock).run(stop_after)


class _HandOver:
    """One worker's way through a mailing that somebody else sends."""

    def __init__(self, mailing: Mailing, sender: Connection, *, clock: Callable[[], datetime]) -> None:
        self._mailing, self._sender, self._clock = mailing, sender, clock
        self._organization, self._website = mailing.organization, mailing.website
        self._pusher = pusher_for(push_account(sender))
        frozen = mailing.snapshot.compiled
        self._filler = EmailFiller(CompiledEmail.from_dict(frozen))
        self._envelope = Envelope(**frozen["envelope"])
        self._counts: Counter[str] = Counter()

    def run(self, stop_after: float | None) -> Handed:
        deadline = time.monotonic() + stop_after if stop_after is not None else None
        while True:
            room = self._room()
            claimed = self._claim(room) if room else []
            if room and not claimed:
                break
            ready = self._leave(self._write(claimed))
            said = say_all(self._pusher, [one.event for one in ready])
            halted = self._record(ready, said)
            trouble = note_how_it_went(self._sender, said, now=self._clock())
            if trouble is not None:
                return Handed(self._counts, trouble=trouble)
            if halted or (deadline is not None and time.monotonic() > deadline):
                return Handed(self._counts, more_due=not halted)
        note_trouble(self._mailing, "")
        finish_mailing(self._mailing, now=self._clock())
        return Handed(self._counts)

    def _room(self) -> int:
        """How many the connection's rate lets through now."""
        if not self._sender.per_second:
            return AT_ONCE
        taken = take(str(self._sender.pk), rate=self._sender.per_second, want=AT_ONCE)
        if not taken.granted:
            time.sleep(min(taken.wait, ENDPOINT_PAUSE_SECONDS))
        return taken.granted

    # --- Claiming and writing

    def _claim(self, limit: int) -> list[Message]:
        """Take due messages, and end those of addresses that accept no mail."""
        now = self._clock()
        with tenant(self._organization.pk):
            if hold_state(self._mailing) != MailingState.SENDING:
                return []
            due = list(self._due(now)[:limit])
            blocked = self._blocked(due)
            dead = [one.pk for one in due if one.participant and one.participant.email_norm in blocked]
            Message.objects.filter(pk__in=dead).update(status=MessageStatus.SUPPRESSED, due_at=None, error="")
            kept = [one for one in due if one.pk not in dead]
            _give_keys(kept)
            Message.objects.filter(pk__in=[one.pk for one in kept]).update(
                status=MessageStatus.CLAIMED, due_at=now + CLAIM_LEASE, error=""
            )
        self._counts["suppressed"] += len(dead)
        # Those of addresses without mail took the place of others.
        return kept or (self._claim(limit) if dead else [])

    def _due(self, now: datetime) -> QuerySet[Message]:
        due = Q(status=MessageStatus.QUEUED, due_at__isnull=True)
        due |= Q(status__in=[MessageStatus.QUEUED, MessageStatus.CLAIMED], due_at__lte=now)
        if self._pusher.knows_keys:
            # Of a worker that ended: the endpoint knows the key again if it had it already.
            due |= Q(status=MessageStatus.SENDING, due_at__lte=now, connection=self._sender)
        rows = Message.objects.filter(organization=self._organization, mailing=self._mailing, participant__isnull=False)
        rows = rows.filter(due).select_for_update(of=("self",), skip_locked=True)
        return rows.select_related("participant").order_by("pk")

    def _blocked(self, due: Sequence[Message]) -> set[str]:
        """The addresses that accept no mail."""
        rows = Suppression.objects.filter(
            organization=self._organization,
            email_norm__in=[one.participant.email_norm for one in due if one.participant],
            reason__in=blocking_reasons(self._mailing.purpose),
        )
        return set(rows.values_list("email_norm", flat=True))

    def _write(self, claimed: Sequence[Message]) -> list[_Written]:
        """What is handed over, without an address for measuring in it; those that cannot be written end here."""
        people = [one.participant for one in claimed if one.participant is not None]
        with tenant(self._organization.pk):
            keys = ensure_preference_keys(
                self._organization, [one.pk for one in people], scope_id=self._website.consent_scope_id
            )
            replies = reply_keys_for(self._mailing, [one.pk for one in claimed])
            data = data_of_calls([one.pk for one in claimed]) if self._mailing.urgent else {}
        written, failed = [], []
        for message, participant in zip(claimed, people, strict=True):
            try:
                variables = self._variables(participant, data.get(message.pk))
                unsubscribe = cast("UUID", message.unsubscribe_key)
                urls = own_urls(unsubscribe, keys[participant.pk], None, reply=replies.get(message.pk))
                written.append(self._write_one(message, participant, variables, urls))
            except (TemplateError, ValueError) as error:
                failed.append((message, str(error)))
        self._fail(failed)
        return written

    def _variables(self, participant: Participant, data: Mapping[str, object] | None) -> Mapping[str, object]:
        if self._mailing.urgent and data is None:
            raise ValueError(words_are_gone())
        return variables_of(self._envelope, person_of(participant), data=data)

    def _write_one(
        self, message: Message, participant: Participant, variables: Mapping[str, object], urls: dict[str, str]
    ) -> _Written:
        filled = self._filler.fill(variables, urls)
        content = PushMessage(
            reference=str(message.reference),
            campaign=self._envelope.campaign,
            purpose=self._mailing.purpose,
            subject=filled.subject,
            html=filled.html,
            text=filled.text,
            preferences_url=urls[PREFERENCES],
            unsubscribe_url=urls[UNSUBSCRIBE] if self._envelope.list_unsubscribe else "",
        )
        return _Written(message, participant, content)

    def _fail(self, failed: Sequence[tuple[Message, str]]) -> None:
        with tenant(self._organization.pk):
            for message, words in failed:
                ours = Message.objects.filter(pk=message.pk, status=MessageStatus.CLAIMED)
                self._counts["failed"] += ours.update(status=MessageStatus.FAILED, due_at=None, error=words[:500])

    # --- Leaving

    def _leave(self, written: Sequence[_Written]) -> list[_Ready]:
        """Committed just before the requests: who is held, what is decided for them, and that it is on its way."""
        now = self._clock()
        with tenant(self._organization.pk):
            if hold_state(self._mailing) != MailingState.SENDING:
                return []
            ours = Message.objects.select_for_update().filter(
                pk__in=[one.message.pk for one in written], status=MessageStatus.CLAIMED, due_at__gt=now
            )
            mine = set(ours.values_list("pk", flat=True))
            leaving = [one for one in written if one.message.pk in mine]
            people = [one.participant.pk for one in leaving]
            states = states_of(self._organization, self._website, people, now=now)
            decided = decisions_for(
                self._organization,
                self._website,
                people,
                purpose=self._mailing.purpose,
                now=now,
                untracked=Untracked.SENT_OUTSIDE,
            )
            ready = []
            for one in leaving:
                held = self._hold(one, states[one.participant.pk], now=now)
                if held is not None:
                    self._freeze(one.message, decided[one.participant.pk], now=now)
                    ready.append(held)
        return ready

    def _hold(self, one: _Written, state: PushState, *, now: datetime) -> _Ready | None:
        """Keep others from saying something about the person meanwhile; None while somebody does."""
        message = one.message
        row, is_new = OutsidePerson.objects.select_for_update().get_or_create(
            organization=self._organization,
            connection=self._sender,
            website=self._website,
            participant=one.participant,
        )
        if row.held_since is not None and row.due_at is not None and row.due_at > now:
            Message.objects.filter(pk=message.pk).update(status=MessageStatus.QUEUED, due_at=now + BUSY_PAUSE)
            return None
        told_before = None if is_new else row.told
        row.number += 1
        row.held_since, row.due_at, row.marked = now, now + SENDING_LEASE, False
        # Until the answer is there, nobody knows what the outside sender knows.
        row.told, row.wanted, row.key = {}, None, message.reference
        row.save()
        event = PushEvent(
            key=str(message.reference),
            number=row.number,
            at=now,
            website=self._website.name,
            person=push_person(one.participant),
            state=state,
            message=one.content,
        )
        return _Ready(message.pk, message.attempts, event, told_before)

    def _freeze(self, message: Message, decided: Decided, *, now: datetime) -> None:
        decision = decided.decision
        Message.objects.filter(pk=message.pk).update(
            status=MessageStatus.SENDING,
            due_at=now + SENDING_LEASE,
            connection=self._sender,
            decided_at=now,
            opens=decision.opens,
            clicks=decision.clicks,
            opens_reason=decision.opens_reason,
            clicks_reason=decision.clicks_reason,
            tracking_version=decided.tracking_version_id,
        )

    # --- What came of it

    def _record(self, ready: Sequence[_Ready], said: Sequence[Said]) -> bool:
        """Write it down; True when the mailing was paused or cancelled meanwhile."""
        if not ready:
            return self._is_halted()
        now = self._clock()
        with tenant(self._organization.pk):
            state = hold_state(self._mailing)
            settled = []
            for one, came in zip(ready, said, strict=True):
                outcome = self._judged(came.outcome)
                result = settle(one, outcome, cancelled=state == MailingState.CANCELLED, now=now)
                settled.append(result)
                self._counts[str(result.status)] += 1
                self._let_go(one, result, came.outcome.result, now=now)
            record(settled, now=now)
        return state != MailingState.SENDING

    def _is_halted(self) -> bool:
        with tenant(self._organization.pk):
            return hold_state(self._mailing) != MailingState.SENDING

    def _judged(self, outcome: Outcome) -> Outcome:
        """Without an answer the same is said again where the endpoint knows it by its key."""
        if outcome.result is Result.UNCERTAIN and self._pusher.knows_keys:
            return replace(outcome, result=Result.DEFERRED)
        return outcome

    def _let_go(self, one: _Ready, settled: Settled, result: Result, *, now: datetime) -> None:
        """Let others speak of the person again, and follow up where what was said may not be what is known there."""
        row = OutsidePerson.objects.select_for_update().filter(connection=self._sender, key=one.event.key).first()
        if row is None:
            return
        if result in (Result.UNTOUCHED, Result.REFUSED):
            if one.told_before is None:
                row.delete()  # nothing of the person is known there
                return
            row.told = one.told_before if row.participant_id is not None else {}
        elif settled.status == MessageStatus.SENT and one.told_before != {} and row.participant_id is not None:
            row.told = as_told(one.event.state)
        # Else it was said before, perhaps in other words under the same key: which ones were kept, nobody knows.
        is_over = settled.status != MessageStatus.QUEUED
        row.due_at = now if row.marked or (is_over and not row.told) else None
        row.key, row.held_since, row.marked = None, None, False
        row.save()


def hand_over_again(organization: Organization, sender: Connection) -> int:
    """Somebody says that emails which were refused are to be handed over once more. Says how many."""
    with tenant(organization.pk):
        refused = Message.objects.filter(
            organization=organization, connection=sender, status=MessageStatus.FAILED, participant__isnull=False
        ).exclude(mailing__state=MailingState.CANCELLED)
        again = 0
        mailings = Mailing.objects.select_for_update(of=("self",), no_key=True)
        for mailing in mailings.filter(pk__in=refused.values("mailing")).order_by("pk"):
            again += refused.filter(mailing=mailing).update(
                status=MessageStatus.QUEUED, due_at=None, attempts=0, error=""
            )
            if mailing.state == MailingState.DONE:
                mailing.state, mailing.finished_at = MailingState.SENDING, None
                mailing.save(update_fields=["state", "finished_at"])
            ask_to_send(mailing)
    return again


def _give_keys(claimed: Sequence[Message]) -> None:
    """To those that have none: what is handed over again is known to the endpoint by the key that it had."""
    new = [one for one in claimed if one.reference is None]
    for one in new:
        one.reference, one.unsubscribe_key = new_key(), new_key()
    Message.objects.bulk_update(new, ["reference", "unsubscribe_key"])


def person_of(participant: Participant) -> Person:
    """The participant as templates see them."""
    return Person(
        id=participant.pk,
        email=participant.email,
        email_norm=participant.email_norm,
        first_name=participant.first_name,
        last_name=participant.last_name,
        country=str(participant.country),
        locale=participant.locale,
        attributes=participant.attributes,
    )


def push_person(participant: Participant) -> PushPerson:
    """The participant as an outside sender is told of them."""
    return PushPerson(
        email=address_of(person_of(participant)),
        first_name=participant.first_name,
        last_name=participant.last_name,
        country=str(participant.country),
        language=participant.locale,
        external_id=participant.external_id,
        attributes=participant.attributes,
    )
