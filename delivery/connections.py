"""Connections: kept, tried out, trusted or not, and which one a website's mail takes just now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import Connection, ConnectionKind, WebsiteConnection
from delivery.dkim import Signer, sign
from delivery.models import Mailing, MailingState
from delivery.providers import FAILURES_UNTIL_BROKEN, next_probe
from delivery.signing import signers_of
from delivery.transports import (
    Account,
    EspAccount,
    Outgoing,
    Security,
    SmtpAccount,
    TransportNotConfiguredError,
    account_of,
)
from delivery.trust import ConnectionRefused as ConnectionRefused
from delivery.trust import attest as attest
from delivery.trust import needs_trusted_way as needs_trusted_way
from delivery.trust import operators_service, secrets_of
from delivery.trust import provider_of as provider_of
from delivery.trust import seal_secrets as seal_secrets
from delivery.trust import take_attestation_back as take_attestation_back
from delivery.trust import trust_of as trust_of
from delivery.trust import words_for as words_for
from websites.models import Website

# How long one run may have a broken connection for its try, before another run may try too.
PROBE_LEASE = timedelta(minutes=2)


class NoWayError(Exception):
    """Mail of a website cannot leave now. ``lasting``: not until somebody changes something."""

    def __init__(self, words: str, *, lasting: bool) -> None:
        super().__init__(words)
        self.words = words
        self.lasting = lasting


# --- What a connection is ---------------------------------------------------------------------------------------------


def account_for(connection: Connection) -> Account:
    """How to reach it; TransportNotConfiguredError when nothing is there to be reached."""
    if connection.kind == ConnectionKind.BUILTIN:
        return account_of(connection.organization)
    if connection.kind == ConnectionKind.PUSH:
        raise TransportNotConfiguredError(only_exit_screens(connection))
    secrets = secrets_of(connection)
    if connection.kind == ConnectionKind.ESP:
        return EspAccount(connection.provider, {**connection.options, **secrets})
    return SmtpAccount(
        connection.host,
        connection.port or 587,
        Security(connection.security),
        connection.username,
        secrets.get("password", ""),
        is_judged=True,
    )


def only_exit_screens(connection: Connection) -> str:
    """Why an outside sender takes no other mail."""
    return _(
        "%(connection)s is an outside sender: it takes exit-screen emails only. Choose a mail server or a sending "
        "service for all other mail."
    ) % {"connection": connection.name}


def built_in(organization: Organization) -> Connection:
    """The row of the installation's own mail server, so that a website can be given it by name."""
    with tenant(organization.pk):
        mine = Connection.objects.filter(organization=organization, kind=ConnectionKind.BUILTIN)
        tries = count(2)
        row = _built_in_without_row(organization)
        while (found := mine.first()) is None:
            # Somebody may make it at this moment, and any other connection may have this name.
            Connection.objects.bulk_create([row], ignore_conflicts=True)
            row = _built_in_without_row(organization)
            row.name = f"{row.name} {next(tries)}"
    found.organization = organization  # those who get the row may read no other
    return found


def _built_in_without_row(organization: Organization) -> Connection:
    name = str(ConnectionKind.BUILTIN.label)
    return Connection(organization=organization, kind=ConnectionKind.BUILTIN, name=name)


def delete_connection(organization: Organization, connection: Connection) -> None:
    """Forget a connection that nothing uses."""
    with tenant(organization.pk):
        uses = uses_of(organization, connection)
        if uses:
            raise ConnectionRefused(_("It is in use: %(uses)s.") % {"uses": ", ".join(uses)})
        connection.delete()


def uses_of(organization: Organization, connection: Connection) -> list[str]:
    """Who needs a connection, in words; empty when it can go."""
    rows = WebsiteConnection.objects.filter(organization=organization)
    uses_it = Q(connection=connection) | Q(fallback=connection) | Q(outside=connection)
    rows = rows.filter(uses_it).select_related("website")
    uses = [row.website.name for row in rows]
    if connection.is_default:
        uses.append(_("every website without a connection of its own"))
    if connection.kind == ConnectionKind.BUILTIN:
        uses.append(_("this installation"))
    return uses


# --- The way of a website's mail --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """How the mail of a website leaves just now."""

    account: Account
    # Empty for the installation's own server where nobody made a row of it.
    connection: Connection | None = None
    # A broken connection is tried with few messages.
    is_probe: bool = False
    has_other: bool = False
    signers: Mapping[str, tuple[Signer, ...]] = field(default_factory=dict)

    def dress(self, outgoing: Outgoing, *, now: datetime) -> Outgoing:
        """What this way asks of a message: signatures where the server adds none, and the address for bounces.

        Asks the database nothing, so that connections do it in their threads.
        """
        if isinstance(self.account, EspAccount):
            return outgoing
        signers = self.signers.get(outgoing.sender.rpartition("@")[2], ())
        data = sign(outgoing.data, signers, now=now) if signers else outgoing.data
        return replace(outgoing, sender=self._bounces_to(outgoing), data=data)

    def _bounces_to(self, outgoing: Outgoing) -> str:
        bounces = self.connection.bounce_address if self.connection is not None else ""
        if not bounces or not outgoing.reference:
            return outgoing.sender
        local, _at, host = bounces.rpartition("@")
        return f"{local}+{outgoing.reference}@{host}"


def way_for(organization: Organization, website: Website, *, now: datetime) -> Way:
    """The website's connection, or the one for when that is broken; NoWayError in the words of a person."""
    rows = connections_of(organization, website)
    if not rows:
        return _way_without_row(organization)
    # What leaves is counted, and what fails.
    rows = [row if row.pk is not None else built_in(organization) for row in rows]
    refusal: NoWayError | None = None
    for position, connection in enumerate(rows):
        try:
            return _way_through(organization, website, connection, has_other=position + 1 < len(rows), now=now)
        except NoWayError as error:
            refusal = refusal if refusal is not None and not refusal.lasting else error
    raise refusal or NoWayError("", lasting=True)


def connections_of(organization: Organization, website: Website) -> list[Connection]:
    """The connections of a website in their order; empty where the installation's own server needs no row.

    One that has no row yet is not stored: this only reads.
    """
    with tenant(organization.pk):
        row = (
            WebsiteConnection.objects.filter(organization=organization, website=website)
            .select_related("connection__organization", "fallback__organization")
            .first()
        )
        if row is not None:
            return [one for one in (row.connection, row.fallback) if one is not None]
        mine = Connection.objects.filter(organization=organization).select_related("organization")
        found = list(mine.filter(is_default=True)) or list(mine.filter(kind=ConnectionKind.BUILTIN))
    # Of an operator's sending service too somebody has to say that it adds nothing.
    return found or ([_built_in_without_row(organization)] if operators_service() is not None else [])


def may_use(organization: Organization, connection: Connection, *, now: datetime) -> bool:
    """Whether a connection works, or it is time to try it again."""
    return connection.broken_since is None or _may_probe(organization, connection, now=now)


def why_not_send(organization: Organization, website: Website, *, now: datetime) -> str:
    """Why mail of a website could not leave through any of its connections; empty when it could (rule S11)."""
    rows = connections_of(organization, website)
    if not rows or not needs_trusted_way(organization, website, now=now):
        return ""
    trusts = [(connection, trust_of(organization, connection, now=now)) for connection in rows]
    if any(trust.is_given for _connection, trust in trusts):
        return ""
    return words_for(trusts[0][1], trusts[0][0])


def _way_without_row(organization: Organization) -> Way:
    try:
        account = account_of(organization)
    except TransportNotConfiguredError as error:
        raise NoWayError(str(error), lasting=True) from error
    return Way(account, signers=signers_of(organization))


def _way_through(
    organization: Organization, website: Website, connection: Connection, *, has_other: bool, now: datetime
) -> Way:
    if needs_trusted_way(organization, website, now=now):
        trust = trust_of(organization, connection, now=now)
        if not trust.is_given:
            raise NoWayError(words_for(trust, connection), lasting=True)
    is_probe = False
    if connection.broken_since is not None:
        if not _may_probe(organization, connection, now=now):
            raise NoWayError(broken_words(connection), lasting=False)
        is_probe = True
    try:
        account = account_for(connection)
    except TransportNotConfiguredError as error:
        raise NoWayError(str(error), lasting=True) from error
    return Way(account, connection, is_probe=is_probe, has_other=has_other, signers=signers_of(organization))


# --- The circuit breaker ----------------------------------------------------------------------------------------------


def broken_words(connection: Connection) -> str:
    return _("%(connection)s is out of order: %(words)s") % {
        "connection": connection.name,
        "words": connection.broken_words,
    }


def _may_probe(organization: Organization, connection: Connection, *, now: datetime) -> bool:
    """One run at a time may try a broken connection, and only when its time has come."""
    with tenant(organization.pk):
        due = Connection.objects.filter(organization=organization, pk=connection.pk, probe_at__lte=now)
        return due.update(probe_at=now + PROBE_LEASE) == 1


def note_success(connection: Connection | None) -> None:
    """It works: forget what failed before."""
    if connection is None or (not connection.failures and connection.broken_since is None):
        return
    with tenant(connection.organization_id):
        Connection.objects.filter(pk=connection.pk).update(
            failures=0, broken_since=None, broken_words="", probe_at=None
        )
    connection.failures, connection.broken_since, connection.broken_words = 0, None, ""


def note_failure(connection: Connection | None, words: str, *, lasting: bool, now: datetime) -> bool:
    """Count a failure; True when the connection is broken now, and tried again only later."""
    if connection is None:
        return False
    with tenant(connection.organization_id):
        current = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        current.failures = min(current.failures + 1, 1000)
        if lasting:
            current.failures = max(current.failures, FAILURES_UNTIL_BROKEN)
        if current.failures >= FAILURES_UNTIL_BROKEN:
            current.broken_since = current.broken_since or now
            current.broken_words = words[:500]
            current.probe_at = next_probe(current.failures, now)
        current.save(update_fields=["failures", "broken_since", "broken_words", "probe_at"])
    return current.broken_since is not None


def mend(organization: Organization, connection: Connection, *, now: datetime) -> None:
    """A person says that it works again: mailings that it paused by itself stay paused, others go on."""
    note_success(connection)
    with tenant(organization.pk):
        waiting = Mailing.objects.filter(organization=organization, state=MailingState.SENDING)
        waiting.exclude(pause_reason="").update(pause_reason="")
        named = f"connection {connection.pk}"
        audit.record(organization, actor=None, action="connection:mend", target=named, now=now)
