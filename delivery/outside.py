"""What outside senders are to know of people: read, compared with what they were told, and marked to be said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from django.db.models import Case, F, Max, Q, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from accounts.models import Organization
from common.crypto import encrypt_secret
from common.tenancy import tenant
from consent.grounds import Decided, decisions_for
from consent.models import Choice, ChoiceEvent, ChoiceLabel, Subscription, SubscriptionEvent
from consent.rules import Level
from delivery.connection_models import Connection
from delivery.models import Purpose, Suppression
from delivery.outside_models import OutsidePerson, OutsideReading
from delivery.transports import PushState
from participants.models import Participant
from websites.models import EmailTrackingVersion, Website

# Everybody is compared so often, which finds what no register tells.
COMPARE_EVERY = timedelta(hours=1)
COMPARED_AT_ONCE = 1000
# Transactions that were open when a connection told its first person are over by then.
SURELY_SETTLED = timedelta(hours=1)


# --- What is true -----------------------------------------------------------------------------------------------------


def states_of(
    organization: Organization, website: Website, participant_ids: Sequence[int], *, now: datetime
) -> dict[int, PushState]:
    """What an outside sender may do with each of these people, as it is now."""
    decided = decisions_for(organization, website, participant_ids, purpose=Purpose.TRANSACTIONAL, now=now)
    chosen = {
        row.participant_id: (row.opens == ChoiceLabel.YES, row.clicks == ChoiceLabel.YES)
        for row in Choice.objects.filter(
            organization=organization, scope=website.consent_scope_id, participant_id__in=participant_ids
        )
    }
    blocked, topics = _blocked(organization, participant_ids), _topics(organization, website, participant_ids)
    people = Participant.objects.filter(organization=organization, id__in=participant_ids)
    addresses = dict(people.values_list("id", "email"))
    states = {}
    for person in participant_ids:
        opens, clicks = _measured(decided.get(person), chosen.get(person, (False, False)))
        states[person] = PushState(
            opens, clicks, blocked.get(person, ()), topics.get(person, {}), address=addresses.get(person, "")
        )
    return states


def _measured(decided: Decided | None, yes: tuple[bool, bool]) -> tuple[bool, bool]:
    """Only what the person said yes to, and Pli would measure; whoever did not say no has not said yes."""
    if decided is None:
        return False, False
    decision = decided.decision
    return decision.opens == Level.INDIVIDUAL and yes[0], decision.clicks == Level.INDIVIDUAL and yes[1]


def _blocked(organization: Organization, participant_ids: Sequence[int]) -> dict[int, list[str]]:
    people = Participant.objects.filter(organization=organization, id__in=participant_ids)
    by_address = dict(people.values_list("email_norm", "id"))
    rows = Suppression.objects.filter(organization=organization, email_norm__in=list(by_address))
    found: dict[int, list[str]] = {}
    for address, reason in rows.order_by("reason").values_list("email_norm", "reason"):
        found.setdefault(by_address[address], []).append(reason)
    return found


def _topics(organization: Organization, website: Website, participant_ids: Sequence[int]) -> dict[int, dict[str, bool]]:
    rows = Subscription.objects.filter(
        organization=organization, topic__website=website, participant_id__in=participant_ids
    ).select_related("topic")
    found: dict[int, dict[str, bool]] = {}
    for row in rows:
        active = row.unsubscribed_at is None and row.pending_since is None and row.paused_at is None
        found.setdefault(row.participant_id, {})[row.topic.name] = active
    return found


def as_told(state: PushState) -> dict[str, Any]:
    """A state as it is kept, to be compared with another one."""
    return {
        "opens": state.opens,
        "clicks": state.clicks,
        "blocked": list(state.blocked),
        "topics": dict(state.topics),
        "erased": state.erased,
        "address": state.address,
    }


def changed_topics(told: Mapping[str, Any], state: PushState) -> frozenset[str]:
    """The topics of which an outside sender knows something else than what is true, or nothing."""
    before = dict(told.get("topics") or {})
    return frozenset(name for name, active in state.topics.items() if before.get(name) != active)


# --- Marking ----------------------------------------------------------------------------------------------------------


def mark_address(organization: Organization, email_norm: str, *, now: datetime) -> None:
    """Something changed for whoever has an address; in the caller's transaction."""
    _mark(OutsidePerson.objects.filter(organization=organization, participant__email_norm=email_norm), now=now)


def mark_addresses(organization: Organization, email_norms: RawSQL, *, now: datetime) -> None:
    """The same for many addresses at once, as a query tells them."""
    _mark(OutsidePerson.objects.filter(organization=organization, participant__email_norm__in=email_norms), now=now)


def mark_moved(organization: Organization, participant: Participant, *, before: str, now: datetime) -> None:
    """A person has another address than ``before``; in the transaction of the change.

    They are made known under the new one, and of the old one the last word is that nothing may be measured. That one
    waits until whoever is saying something of them now has ended.
    """
    rows = OutsidePerson.objects.filter(organization=organization, participant=participant)
    sealed = encrypt_secret(before)
    OutsidePerson.objects.bulk_create(
        OutsidePerson(
            organization=organization,
            connection_id=row.connection_id,
            website_id=row.website_id,
            sealed_address=sealed,
            number=row.number,
            due_at=row.due_at if row.held_since is not None else now,
        )
        for row in rows.select_for_update(of=("self",)).order_by("pk")
    )
    _mark(rows, now=now)


def mark_erased(organization: Organization, participant: Participant, *, now: datetime) -> None:
    """A person goes: outside senders are still to be told that nothing of theirs is measured. In the erasure."""
    rows = OutsidePerson.objects.filter(organization=organization, participant=participant)
    if rows.exists():
        numbers = list(rows.values_list("pk", flat=True))
        rows.update(participant=None, sealed_address=encrypt_secret(participant.email), told={}, wanted=None)
        _mark(OutsidePerson.objects.filter(organization=organization, pk__in=numbers), now=now)


def _mark(rows: Any, *, now: datetime) -> int:
    """Let rows be looked at: those that nobody holds soon, the others when they are let go."""
    held = Q(held_since__isnull=False)
    return int(
        rows.update(
            due_at=Case(When(held, then=F("due_at")), default=Coalesce(F("due_at"), Value(now))),
            marked=Case(When(held, then=Value(True)), default=Value(False)),
            failed_at=None,
        )
    )


# --- Reading the registers --------------------------------------------------------------------------------------------


def ensure_reading(organization: Organization, sender: Connection, *, now: datetime) -> None:
    """Begin to read for a connection, before anybody is told to it."""
    if OutsideReading.objects.filter(organization=organization, connection=sender).exists():
        return
    begin = {"choices": _settled(ChoiceEvent, organization, now=now),
             "subscriptions": _settled(SubscriptionEvent, organization, now=now)}  # fmt: skip
    OutsideReading.objects.get_or_create(
        organization=organization,
        connection=sender,
        defaults={
            **{f"{name}_{what}": number for name, number in begin.items() for what in ("until", "mark")},
            "compared_at": now,
            "compared_versions": _versions(organization),
        },
    )


def _settled(events: Any, organization: Organization, *, now: datetime) -> int:
    old = events.objects.filter(organization=organization, recorded_at__lt=now - SURELY_SETTLED)
    return old.order_by("-id").values_list("id", flat=True).first() or 0


_MARK_CHANGED = """
UPDATE delivery_outsideperson AS told
   SET due_at = CASE WHEN told.held_since IS NULL THEN coalesce(told.due_at, %(now)s) ELSE told.due_at END,
       marked = told.held_since IS NOT NULL, failed_at = NULL
  FROM participants_participant person
 WHERE told.organization_id = %(organization)s AND told.connection_id = %(sender)s AND person.id = told.participant_id
   AND person.ledger_id IN (
           SELECT subject FROM consent_choiceevent
            WHERE organization_id = %(organization)s AND id > %(choices)s
            UNION
           SELECT subject FROM consent_subscriptionevent
            WHERE organization_id = %(organization)s AND id > %(subscriptions)s)
"""
_OPEN_TRANSACTIONS = """
SELECT pg_snapshot_xmin(snapshot)::text::bigint, pg_snapshot_xmax(snapshot)::text::bigint
  FROM pg_current_snapshot() AS snapshot
"""


def read_registers(organization: Organization, sender: Connection, *, now: datetime) -> int:
    """Mark everybody of whom the registers tell something new. Returns how many.

    Numbers are given out before they are committed, so a number that was seen says nothing about smaller ones. A mark
    is believed once every transaction that was open when it was set has ended; what follows is read again until then.
    """
    with tenant(organization.pk):
        reading = (
            OutsideReading.objects.select_for_update(skip_locked=True)
            .filter(organization=organization, connection=sender)
            .first()
        )
        if reading is None:
            return 0
        with database.cursor() as cursor:
            cursor.execute(_OPEN_TRANSACTIONS)
            oldest, following = cursor.fetchone()
            parameters: dict[str, Any] = {
                "now": now,
                "organization": organization.pk,
                "sender": sender.pk,
                "choices": reading.choices_until,
                "subscriptions": reading.subscriptions_until,
            }
            cursor.execute(_MARK_CHANGED, parameters)
            marked = int(cursor.rowcount)
        if oldest >= reading.mark_transaction:
            reading.choices_until, reading.subscriptions_until = reading.choices_mark, reading.subscriptions_mark
            reading.choices_mark = _newest(ChoiceEvent, organization, reading.choices_mark)
            reading.subscriptions_mark = _newest(SubscriptionEvent, organization, reading.subscriptions_mark)
            reading.mark_transaction = following
            reading.save()
    return marked


def _newest(events: Any, organization: Organization, known: int) -> int:
    found = events.objects.filter(organization=organization, id__gt=known).aggregate(newest=Max("id"))["newest"]
    return found or known


# --- Comparing everybody ----------------------------------------------------------------------------------------------


def compare_everybody(organization: Organization, sender: Connection, *, now: datetime) -> int:
    """Mark those for whom something else is true than was said, where a setting changed or an hour has passed."""
    with tenant(organization.pk):
        reading = OutsideReading.objects.filter(organization=organization, connection=sender).first()
        versions = _versions(organization)
        if reading is None or (reading.compared_versions == versions and reading.compared_at > now - COMPARE_EVERY):
            return 0
    marked, after = 0, 0
    while page := _page(organization, sender, after):
        marked += _compare(organization, page, now=now)
        after = page[-1].pk
    with tenant(organization.pk):
        OutsideReading.objects.filter(pk=reading.pk).update(compared_at=now, compared_versions=versions)
    return marked


def _versions(organization: Organization) -> int:
    return EmailTrackingVersion.objects.filter(organization=organization).aggregate(newest=Max("pk"))["newest"] or 0


def _page(organization: Organization, sender: Connection, after: int) -> list[OutsidePerson]:
    with tenant(organization.pk):
        rows = OutsidePerson.objects.filter(organization=organization, connection=sender, pk__gt=after)
        rows = rows.filter(participant__isnull=False).select_related("website")
        return list(rows.order_by("pk")[:COMPARED_AT_ONCE])


def _compare(organization: Organization, rows: Iterable[OutsidePerson], *, now: datetime) -> int:
    by_website: dict[Website, list[tuple[int, OutsidePerson]]] = {}
    for row in rows:
        if row.participant_id is not None:
            by_website.setdefault(row.website, []).append((row.participant_id, row))
    marked = 0
    with tenant(organization.pk):
        for website, theirs in by_website.items():
            states = states_of(organization, website, [person for person, _row in theirs], now=now)
            other = [row.pk for person, row in theirs if as_told(states[person]) != row.told]
            marked += _mark(OutsidePerson.objects.filter(organization=organization, pk__in=other), now=now)
    return marked
