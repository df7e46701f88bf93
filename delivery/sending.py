"""Sends a mailing: claim, decide, write, hand over, record.

Several workers may do this for one mailing at the same time; rows decide who does what. Database work happens in this
thread alone and in short transactions; connections to the mail server work beside it in threads of their own.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from django import db
from django.db import connection
from django.utils import timezone

from common.tenancy import tenant
from delivery.composing import Composer
from delivery.connection_models import Connection
from delivery.connections import NoWayError, Way, note_success
from delivery.models import Mailing, MailingState, MessageStatus
from delivery.outbox import (
    Claimed,
    claim_messages,
    fail_claims,
    hold_state,
    may_leave,
    put_off,
    release_claims,
)
from delivery.outcomes import Settled, keep_sending, record, settle
from delivery.outside_senders import outside_sender
from delivery.pushing import hand_over
from delivery.selectors import is_due
from delivery.services import begin_mailing, finish_mailing, note_consent_requests, note_trouble
from delivery.spikes import look_for_spike
from delivery.templating import TemplateError
from delivery.throttle import Limits
from delivery.transports import GroupSent, Outgoing, SmtpPool, SmtpTroubleError
from delivery.ways import connections_of, give_up, quota_of, say_why_nothing_leaves, way_of

logger = logging.getLogger(__name__)

# How many messages are on their way over one connection at most: as many of each are unknown after a crash.
LARGEST_GROUP = 10
LARGEST_CLAIM = 200
# How long a group should take, so that pausing takes effect soon however slow the server is.
GROUP_SECONDS = 1.0
RENEW_SECONDS = 30.0
LISTEN_SECONDS = 0.5
DATABASE_PATIENCE_SECONDS = 60.0
# How often a run that meets failures asks whether they are too many.
SPIKE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What one run did, by the state that messages came to, and whether it stopped with more to do."""

    counts: Counter[str] = field(default_factory=Counter)
    more_due: bool = False


def send_mailing(
    organization_id: int,
    mailing_id: int,
    *,
    stop_after: float | None = None,
    clock: Callable[[], datetime] = timezone.now,
) -> Progress:
    """Send what is due of a mailing, until nothing is, it is paused or cancelled, or ``stop_after`` seconds passed."""
    mailing = begin_mailing(organization_id, mailing_id, now=clock())
    if mailing is None:
        return Progress()
    try:
        outside = _outside_sender_of(mailing, now=clock())
        if outside is not None:
            return _hand_over(mailing, outside, stop_after=stop_after, clock=clock)
        way = way_of(mailing, now=clock())
    except NoWayError as error:
        say_why_nothing_leaves(mailing, error.words, lasting=error.lasting, now=clock())
        return Progress()
    pool = SmtpPool(
        way.account, size=connections_of(mailing, way), dress=lambda outgoing: way.dress(outgoing, now=clock())
    )
    try:
        if is_due(mailing, now=clock()):
            pool.open()
        return _Run(mailing, pool, way, clock=clock, stop_after=stop_after).run()
    except SmtpTroubleError as error:
        return Progress(more_due=give_up(mailing, way, error, now=clock()))
    finally:
        pool.close()


def _outside_sender_of(mailing: Mailing, *, now: datetime) -> Connection | None:
    """Who sends the mailing instead of us: exit-screen emails may be handed over, nothing else."""
    return outside_sender(mailing.organization, mailing.website, now=now) if mailing.exit_screen else None


def _hand_over(
    mailing: Mailing, outside: Connection, *, stop_after: float | None, clock: Callable[[], datetime]
) -> Progress:
    handed = hand_over(mailing, outside, stop_after=stop_after, clock=clock)
    if handed.trouble is not None:
        say_why_nothing_leaves(mailing, handed.trouble.words, lasting=handed.trouble.lasting, now=clock())
    return Progress(handed.counts, more_due=handed.more_due)


class _Run:
    """One worker's way through a mailing."""

    def __init__(
        self, mailing: Mailing, pool: SmtpPool, way: Way, *, clock: Callable[[], datetime], stop_after: float | None
    ) -> None:
        self._mailing = mailing
        self._pool = pool
        self._way = way
        limits = Limits(way.connection, urgent=mailing.urgent) if way.connection is not None else None
        self._limits = limits if limits is not None and limits.are_set else None
        # Those that the limits let pass.
        self._admitted: deque[tuple[Claimed, Outgoing]] = deque()
        self._clock = clock
        self._deadline = time.monotonic() + stop_after if stop_after is not None else None
        self._composer = Composer(mailing)
        self._ready: deque[tuple[Claimed, Outgoing]] = deque()
        self._on_their_way: dict[int, Claimed] = {}
        self._finished: list[GroupSent] = []
        self._counts: Counter[str] = Counter()
        self._looked_until = 0
        self._nothing_due = False
        self._stopped = False
        # Somebody paused or cancelled it.
        self._halted = False
        self._trouble: SmtpTroubleError | None = None
        self._troubles = 0
        self._message_seconds = GROUP_SECONDS / LARGEST_GROUP
        self._renew_at = time.monotonic() + RENEW_SECONDS
        self._failed_before = 0
        self._look_for_spike_at = 0.0

    def run(self) -> Progress:
        """Until nothing is due, or nothing may be sent any more."""
        while not self._is_over():
            if self._wants_more():
                self._patiently(self._prepare)
            self._patiently(self._admit)
            self._patiently(self._turn)
            self._patiently(self._watch_failures)
            self._listen()
        return self._conclude()

    def _is_over(self) -> bool:
        if self._on_their_way or self._finished:
            return False
        return self._stopped or (self._nothing_due and not self._ready and not self._admitted)

    # --- Preparing

    def _wants_more(self) -> bool:
        """While the connections are busy, so that they never wait for the next messages."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._stopped = True
        low = self._pool.size * self._group_size
        return not self._stopped and not self._nothing_due and len(self._ready) + len(self._admitted) < low

    def _prepare(self) -> None:
        """Claim, decide and write some messages."""
        after = self._looked_until
        claim = claim_messages(self._mailing, after=after, limit=self._claim_size, now=self._clock())
        self._looked_until = claim.latest_id or 0
        # What came back meanwhile has a lower number: look once more from the start before saying that nothing is due.
        self._nothing_due = claim.latest_id is None and after == 0
        failures = []
        for claimed in claim.messages:
            try:
                self._ready.append((claimed, self._composer.compose(claimed, now=self._clock())))
            except (TemplateError, ValueError) as error:
                failures.append((claimed, str(error)))
        if failures:
            fail_claims(self._mailing, failures)
            self._counts["failed"] += len(failures)

    @property
    def _claim_size(self) -> int:
        """As many as leave long before their decision is too old."""
        soon = self._pool.size * int(5.0 / self._message_seconds)
        if self._limits is not None and self._limits.rate:
            soon = min(soon, int(5.0 * self._limits.rate))
        return max(2 * self._pool.size, min(LARGEST_CLAIM, soon))

    @property
    def _group_size(self) -> int:
        return max(1, min(LARGEST_GROUP, int(GROUP_SECONDS / self._message_seconds)))

    # --- Limits

    def _admit(self) -> None:
        """Let pass what the connection and the recipients' servers take now, and put off what they take later."""
        room = self._pool.idle * self._group_size - len(self._admitted)
        if self._stopped or room <= 0 or not self._ready:
            return
        if self._limits is None:
            self._admitted.extend(self._ready)
            self._ready.clear()
            return
        now = self._clock()
        asking = list(islice(self._ready, room))
        domains = [outgoing.recipient.rpartition("@")[2] for _claimed, outgoing in asking]
        admission = self._limits.admit(domains, today=now.date())
        later = [(asking[position][0], now + timedelta(seconds=wait)) for position, wait in admission.put_off]
        put_off(self._mailing, later)
        gone = {*admission.leaving, *(position for position, _wait in admission.put_off)}
        self._admitted.extend(asking[position] for position in admission.leaving)
        for position, one in enumerate(asking):
            self._ready.popleft()
            if position not in gone:
                self._ready.append(one)
        if not admission.leaving and not self._pool.busy:
            self._wait_for_room(admission.wait)

    def _wait_for_room(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(min(seconds, LISTEN_SECONDS))
        elif quota_of(self._mailing, self._way, now=self._clock()) == 0:
            self._stopped = self._halted = True

    # --- Handing over and recording

    def _turn(self) -> None:
        """In one transaction: write what came of the messages that are back, and mark the next ones as being sent."""
        wanted = self._next_messages()
        if not wanted and not self._finished:
            return
        now = self._clock()
        with tenant(self._mailing.organization_id):
            state = hold_state(self._mailing)
            settled = self._settle(cancelled=state == MailingState.CANCELLED, now=now)
            record(settled, now=now)
            note_consent_requests(self._mailing, now=now, ids=[one.id for one in settled])
            leaving: set[int] = set()
            if wanted and state == MailingState.SENDING:
                leaving = may_leave(
                    self._mailing,
                    [claimed for claimed, _outgoing in wanted],
                    now=now,
                    connection_id=self._way.connection.pk if self._way.connection is not None else None,
                )
        self._forget_finished(settled)
        for _one in wanted:
            self._admitted.popleft()
        self._hand_over([one for one in wanted if one[0].id in leaving])
        if state != MailingState.SENDING:
            self._stopped = self._halted = True
        elif len(leaving) < len(wanted):
            self._nothing_due = False  # they went back to be decided anew

    def _watch_failures(self) -> None:
        """Whether so many failed that somebody should look before more leaves."""
        failed = self._counts["failed"]
        # Soon while they become twice as many, later from time to time.
        is_time = failed >= 2 * self._failed_before or time.monotonic() > self._look_for_spike_at
        if failed == self._failed_before or not is_time:
            return
        self._failed_before = failed
        self._look_for_spike_at = time.monotonic() + SPIKE_SECONDS
        if look_for_spike(self._mailing.organization, self._mailing.pk, now=self._clock()):
            self._stopped = self._halted = True

    def _next_messages(self) -> list[tuple[Claimed, Outgoing]]:
        if self._stopped:
            return []
        return list(islice(self._admitted, self._pool.idle * self._group_size))

    def _settle(self, *, cancelled: bool, now: datetime) -> list[Settled]:
        return [
            settle(self._on_their_way[outcome.id], outcome, cancelled=cancelled, now=now)
            for sent in self._finished
            for outcome in sent.outcomes
        ]

    def _forget_finished(self, settled: list[Settled]) -> None:
        self._finished.clear()
        for one in settled:
            del self._on_their_way[one.id]
            self._counts[str(one.status)] += 1
            if one.status == MessageStatus.QUEUED and one.due_at is None:
                self._nothing_due = False

    def _hand_over(self, leaving: list[tuple[Claimed, Outgoing]]) -> None:
        # Spread over all idle connections, so that a small mailing uses them too.
        size = max(1, min(self._group_size, -(-len(leaving) // max(1, self._pool.idle))))
        for start in range(0, len(leaving), size):
            group = leaving[start : start + size]
            self._on_their_way |= {claimed.id: claimed for claimed, _outgoing in group}
            self._pool.submit([outgoing for _claimed, outgoing in group])

    def _listen(self) -> None:
        """Wait for connections to come back, unless there is something else to do."""
        if not self._pool.busy:
            return
        done = self._pool.collect(seconds=0.0 if self._wants_more() else LISTEN_SECONDS)
        self._finished += done
        for sent in done:
            self._judge(sent)
        if self._on_their_way and time.monotonic() > self._renew_at:
            self._renew_at = time.monotonic() + RENEW_SECONDS
            self._patiently(self._renew)

    def _renew(self) -> None:
        keep_sending(list(self._on_their_way), self._mailing, now=self._clock())

    def _judge(self, sent: GroupSent) -> None:
        """Learn from how a group fared: how fast the server is, and whether it is of any use."""
        if sent.trouble is None:
            self._troubles = 0
            self._patiently(self._note_success)
            per_message = sent.seconds / len(sent.outcomes)
            self._message_seconds = 0.7 * self._message_seconds + 0.3 * max(per_message, 0.0001)
            return
        self._troubles += 1
        if sent.trouble.lasting or self._troubles > self._pool.size:
            self._trouble, self._stopped = sent.trouble, True

    def _note_success(self) -> None:
        note_success(self._way.connection)

    # --- When something fails, and at the end

    def _patiently(self, step: Callable[[], None]) -> None:
        """Try a step again while the database is away: what mail servers said must not be forgotten for that."""
        give_up_at = time.monotonic() + DATABASE_PATIENCE_SECONDS
        pause = 0.1
        while True:
            try:
                return step()
            except (db.OperationalError, db.InterfaceError) as error:
                if connection.in_atomic_block or time.monotonic() > give_up_at:
                    raise
                logger.warning("the database is away, sending waits: %s", type(error).__name__)
                connection.close()
                time.sleep(pause)
                pause = min(2 * pause, 2.0)

    def _conclude(self) -> Progress:
        mailing, now = self._mailing, self._clock()
        release_claims(mailing, [claimed for claimed, _outgoing in (*self._admitted, *self._ready)])
        other_way = False
        if self._trouble is not None:
            other_way = give_up(mailing, self._way, self._trouble, now=now)
        else:
            note_trouble(mailing, "")
        if self._nothing_due:
            finish_mailing(mailing, now=now)
        self._look_for_spike_at = 0.0
        self._watch_failures()
        return Progress(
            self._counts, more_due=other_way or (self._stopped and not self._halted and self._trouble is None)
        )
