"""Connections of the kind that sends by itself: which one a website has, how to reach it, when it wants rest."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Value
from django.db.models.functions import Coalesce

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import Connection, WebsiteConnection
from delivery.connections import NoWayError, broken_words, may_use, secrets_of
from delivery.transports import PushAccount
from websites.models import Website


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
