"""Connections: kept, tried out, trusted or not, and which one a website's mail takes just now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from common.crypto import decrypt_secret, encrypt_secret
from common.tenancy import tenant
from delivery.connection_models import (
    Connection,
    ConnectionKind,
    GuardCheck,
    GuardState,
    WebsiteConnection,
)
from delivery.dkim import Signer, sign
from delivery.models import Mailing, MailingState
from delivery.providers import (
    FAILURES_UNTIL_BROKEN,
    Evidence,
    Provider,
    Trust,
    judge_trust,
    needs_trust,
    next_probe,
    provider_of_host,
    providers,
)
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
from websites.models import Website

# How long one run may have a broken connection for its try, before another run may try too.
PROBE_LEASE = timedelta(minutes=2)


class ConnectionRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A connection cannot be changed or used in this way; the message says why."""


class NoWayError(Exception):
    """Mail of a website cannot leave now. ``lasting``: not until somebody changes something."""

    def __init__(self, words: str, *, lasting: bool) -> None:
        super().__init__(words)
        self.words = words
        self.lasting = lasting


# --- Credentials ------------------------------------------------------------------------------------------------------


def secrets_of(connection: Connection) -> dict[str, str]:
    """The credentials in clear, for the moment of their use."""
    return dict(json.loads(decrypt_secret(connection.sealed))) if connection.sealed else {}


def seal_secrets(connection: Connection, changes: Mapping[str, str]) -> None:
    """Put new credentials beside those that stay; an empty one changes nothing. The caller saves."""
    current = secrets_of(connection)
    current |= {name: value for name, value in changes.items() if value}
    connection.sealed = encrypt_secret(json.dumps(current)) if current else ""


# --- What a connection is ---------------------------------------------------------------------------------------------


def provider_of(connection: Connection) -> Provider | None:
    """The sending service behind a connection, also when it is reached by SMTP."""
    if connection.kind == ConnectionKind.ESP:
        return providers().get(connection.provider)
    return provider_of_host(connection.host) if connection.kind == ConnectionKind.SMTP else None


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
        found = Connection.objects.filter(organization=organization, kind=ConnectionKind.BUILTIN).first()
        if found is None:
            name = str(ConnectionKind.BUILTIN.label)
            found = Connection.objects.create(organization=organization, name=name, kind=ConnectionKind.BUILTIN)
    return found


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


# --- Trust (rule S11) -------------------------------------------------------------------------------------------------


def trust_of(organization: Organization, connection: Connection, *, now: datetime) -> Trust:
    """Whether mail of websites that promised something may take this connection."""
    with tenant(organization.pk):
        judged = GuardCheck.objects.filter(organization=organization, connection=connection)
        newest = judged.filter(state__in=(GuardState.CLEAN, GuardState.LEAKY)).order_by("-sent_at").first()
    evidence = Evidence(
        provider=provider_of(connection),
        is_api=connection.kind == ConnectionKind.ESP,
        attested=connection.attested_at is not None,
        guard_clean=None if newest is None else newest.state == GuardState.CLEAN,
        guard_at=newest.judged_at if newest is not None else None,
    )
    return judge_trust(evidence, now=now)


def attest(organization: Organization, connection: Connection, *, author: User, text: str, now: datetime) -> None:
    """Record who says that the service's own tracking is off, and in which words."""
    if len(text.strip()) < 10:
        raise ConnectionRefused(_("Say what you checked, and where."))
    with tenant(organization.pk):
        Connection.objects.filter(organization=organization, pk=connection.pk).update(
            attested_at=now, attested_by=author, attestation=text.strip()[:1000]
        )
    connection.attested_at, connection.attested_by, connection.attestation = now, author, text.strip()[:1000]


def take_attestation_back(organization: Organization, connection: Connection) -> None:
    with tenant(organization.pk):
        Connection.objects.filter(organization=organization, pk=connection.pk).update(
            attested_at=None, attested_by=None, attestation=""
        )
    connection.attested_at, connection.attested_by, connection.attestation = None, None, ""


def words_for(trust: Trust, connection: Connection) -> str:
    """Why a connection is refused, or may be used, in the words of the person who asks."""
    provider = provider_of(connection)
    names = {"connection": connection.name, "service": provider.name if provider else connection.name}
    sentences = {
        Trust.NOTHING_ADDED: _("A mail server that adds nothing to messages."),
        Trust.SWITCHED: _("%(service)s is told with every message to add no tracking of its own."),
        Trust.PROVEN: _("The leak guard's newest message came through %(connection)s as it was written."),
        Trust.ATTESTED: _("Somebody here confirmed that the tracking of %(service)s is switched off."),
        Trust.LEAKS: _(
            "%(connection)s changed the leak guard's newest message: somebody adds tracking on the way. "
            "Switch it off there, then run the leak guard again."
        ),
        Trust.UNPROVEN: _(
            "%(service)s can add tracking of its own that Pli cannot switch off for a message. This website promises "
            "not to measure everybody, so nothing leaves through %(connection)s until an owner confirms that tracking "
            "is off there, or the leak guard proves it."
        ),
    }
    return str(sentences[trust] % names)


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
        """What this way asks of a message: the address for bounces, and signatures where the server adds none."""
        if isinstance(self.account, EspAccount):
            return outgoing
        domain = outgoing.sender.rpartition("@")[2]
        bounces = self.connection.bounce_address if self.connection is not None else ""
        sender = outgoing.sender
        if bounces and outgoing.reference:
            local, _at, host = bounces.rpartition("@")
            sender = f"{local}+{outgoing.reference}@{host}"
        signers = self.signers.get(domain, ())
        data = sign(outgoing.data, signers, now=now) if signers else outgoing.data
        return replace(outgoing, sender=sender, data=data)


def way_for(organization: Organization, website: Website, *, now: datetime) -> Way:
    """The website's connection, or the one for when that is broken; NoWayError in the words of a person."""
    rows = connections_of(organization, website)
    if not rows:
        return _way_without_row(organization)
    refusal: NoWayError | None = None
    for position, connection in enumerate(rows):
        try:
            return _way_through(organization, website, connection, has_other=position + 1 < len(rows), now=now)
        except NoWayError as error:
            refusal = refusal if refusal is not None and not refusal.lasting else error
    raise refusal or NoWayError("", lasting=True)


def connections_of(organization: Organization, website: Website) -> list[Connection]:
    """The connections of a website in their order; empty where the installation's own server is the only one."""
    with tenant(organization.pk):
        row = (
            WebsiteConnection.objects.filter(organization=organization, website=website)
            .select_related("connection__organization", "fallback__organization")
            .first()
        )
        if row is not None:
            return [one for one in (row.connection, row.fallback) if one is not None]
        default = Connection.objects.filter(organization=organization, is_default=True)
        return list(default.select_related("organization"))


def may_use(organization: Organization, connection: Connection, *, now: datetime) -> bool:
    """Whether a connection works, or it is time to try it again."""
    return connection.broken_since is None or _may_probe(organization, connection, now=now)


def why_not_send(organization: Organization, website: Website, *, now: datetime) -> str:
    """Why mail of a website could not leave through any of its connections; empty when it could (rule S11)."""
    rows = connections_of(organization, website)
    if not rows or not needs_trust(website.email_tracking):
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
    if needs_trust(website.email_tracking):
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


def names_of(connections: Sequence[Connection]) -> str:
    return ", ".join(connection.name for connection in connections)
