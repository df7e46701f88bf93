"""Connections of the kind that sends by itself: which one a website has, how it is spoken to, when it wants rest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Value
from django.db.models.functions import Coalesce

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import Connection, WebsiteConnection
from delivery.connections import NoWayError, broken_words, may_use, note_failure, note_success, secrets_of
from delivery.transports import Outcome, PushAccount, Pusher, PushEvent, PushTroubleError, Result
from websites.models import Website

# How many requests are on their way at once; Actito takes five.
AT_ONCE = 4


def push_account(connection: Connection) -> PushAccount:
    """How to reach an outside sender."""
    return PushAccount(connection.pk, connection.provider, connection.options, secrets_of(connection))


def outside_sender(organization: Organization, website: Website, *, now: datetime) -> Connection | None:
    """Who sends the exit-screen emails of a website instead of Pli, if anybody does; NoWayError while they cannot."""
    with tenant(organization.pk):
        row = (
            WebsiteConnection.objects.filter(organization=organization, website=website, outside__isnull=False)
            .select_related("outside__organization")
            .first()
        )
    sender = row.outside if row is not None else None
    if sender is not None and not may_use(organization, sender, now=now):
        raise NoWayError(broken_words(sender), lasting=False)
    return sender


def let_rest(connection: Connection, words: str, *, until: datetime, now: datetime) -> None:
    """Use a connection no more before a moment that the other side named."""
    with tenant(connection.organization_id):
        Connection.objects.filter(pk=connection.pk).update(
            broken_since=Coalesce("broken_since", Value(now)), broken_words=words[:500], probe_at=until
        )


# --- Speaking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What came of saying one event."""

    outcome: Outcome
    trouble: PushTroubleError | None = None


def say(pusher: Pusher, event: PushEvent) -> Said:
    """Say one event; trouble of the endpoint is an outcome too. Runs in a thread."""
    try:
        return Said(pusher.deliver(event))
    except PushTroubleError as trouble:
        return Said(Outcome(0, Result.UNTOUCHED, trouble.words), trouble)


def say_all(pusher: Pusher, events: Sequence[PushEvent]) -> list[Said]:
    """Several at once, each of another person."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        return list(threads.map(lambda event: say(pusher, event), events))


def note_how_it_went(sender: Connection, said: Sequence[Said], *, now: datetime) -> PushTroubleError | None:
    """Keep for the circuit breaker how the endpoint fared; the trouble that keeps from going on."""
    trouble = next((one.trouble for one in said if one.trouble is not None), None)
    if trouble is not None and trouble.rest_seconds is not None:
        let_rest(sender, trouble.words, until=now + timedelta(seconds=trouble.rest_seconds), now=now)
    elif trouble is not None:
        note_failure(sender, trouble.words, lasting=trouble.lasting, now=now)
    for one in said:
        if one.trouble is None and one.outcome.result in (Result.ACCEPTED, Result.REFUSED):
            note_success(sender)
        elif one.trouble is None and note_failure(sender, one.outcome.words, lasting=False, now=now):
            trouble = trouble or PushTroubleError(one.outcome.words, lasting=False)
    return trouble
