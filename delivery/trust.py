"""Which account a connection leads to, and whether mail of websites that promised something may take it (rule S11)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from common.crypto import decrypt_secret, encrypt_secret, keyed_hashes
from common.tenancy import tenant
from consent.selectors import why_refused
from delivery.connection_models import Connection, ConnectionKind, GuardCheck, GuardState
from delivery.providers import Evidence, Provider, Trust, judge_trust, needs_trust, provider_of_host, providers
from delivery.transports import SmtpAccount, TransportNotConfiguredError, parse_smtp_url
from websites.models import Website
from websites.rules import EmailTracking


class ConnectionRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A connection cannot be changed or used in this way; the message says why."""


# --- Credentials ------------------------------------------------------------------------------------------------------


def secrets_of(connection: Connection) -> dict[str, str]:
    """The credentials in clear, for the moment of their use."""
    return dict(json.loads(decrypt_secret(connection.sealed))) if connection.sealed else {}


def seal_secrets(connection: Connection, changes: Mapping[str, str]) -> None:
    """Put new credentials beside those that stay; an empty one changes nothing. The caller saves."""
    current = secrets_of(connection)
    current |= {name: value for name, value in changes.items() if value}
    connection.sealed = encrypt_secret(json.dumps(current)) if current else ""


# --- Whose account it is ----------------------------------------------------------------------------------------------


def provider_of(connection: Connection) -> Provider | None:
    """The sending service behind a connection, also when it is reached by SMTP, and when the operator chose it."""
    if connection.kind == ConnectionKind.ESP:
        return providers().get(connection.provider)
    if connection.kind == ConnectionKind.BUILTIN:
        return operators_service()
    return provider_of_host(connection.host) if connection.kind == ConnectionKind.SMTP else None


def operators_service() -> Provider | None:
    """The sending service that the installation's mail server belongs to."""
    return provider_of_host(_operators_account().host)


def _operators_account() -> SmtpAccount:
    try:
        return parse_smtp_url(settings.SMTP_URL)
    except TransportNotConfiguredError:
        return SmtpAccount("", 0)


# --- Trust (rule S11) -------------------------------------------------------------------------------------------------


def account_digest(connection: Connection) -> str:
    """Stands for the account that a connection leads to: what was seen or said of one says nothing about another."""
    return account_digests(connection)[0]


def account_digests(connection: Connection) -> tuple[str, ...]:
    """The same under each of the installation's secrets, so that a new one takes nobody's word back."""
    provider = provider_of(connection)
    leads_to: list[Any]
    if connection.kind == ConnectionKind.ESP:
        kept = secrets_of(connection)
        keys = {name: kept.get(name, "") for name in (provider.secrets if provider else ())}
        leads_to = [connection.provider, connection.options, keys]
    elif connection.kind == ConnectionKind.BUILTIN:
        account = _operators_account()
        leads_to = [account.host, account.username, account.password if provider else ""]
    else:
        # At a sending service the password tells accounts apart: the user name may be that of all, such as "apikey".
        password = secrets_of(connection).get("password", "") if provider else ""
        leads_to = [connection.host.lower(), connection.username, password]
    return keyed_hashes("account of a connection", json.dumps([connection.pk, *leads_to], sort_keys=True))


def restate_account(connection: Connection, *, using: str) -> None:
    """What was said and seen of the account, under the first of the installation's secrets: the others may go."""
    current, *older = account_digests(connection)
    said = Connection.objects.using(using).filter(pk=connection.pk, attested_account__in=older)
    said.update(attested_account=current)
    seen = GuardCheck.objects.using(using).filter(connection=connection.pk, account__in=older)
    seen.update(account=current)


def needs_trusted_way(organization: Organization, website: Website, *, now: datetime) -> bool:
    """Whether a website promised something: by its setting, by the stop switch, or since its justification ended."""
    if needs_trust(website.email_tracking) or website.stopped_at is not None:
        return True
    country = str(website.country)
    with tenant(organization.pk):
        refusal = why_refused(organization, website, tracking=EmailTracking.ALWAYS, country=country, now=now)
    return refusal is not None


def trust_of(organization: Organization, connection: Connection, *, now: datetime) -> Trust:
    """Whether mail of websites that promised something may take this connection."""
    accounts = account_digests(connection)
    # A leak is remembered until the account of today was seen clean: behind another user name is the same server.
    told = Q(state=GuardState.LEAKY) | Q(state=GuardState.CLEAN, account__in=accounts)
    with tenant(organization.pk):
        seen = GuardCheck.objects.filter(told, organization=organization, connection=connection.pk)
        newest = seen.order_by("-sent_at", "-pk").first()
    evidence = Evidence(
        provider=provider_of(connection),
        is_api=connection.kind == ConnectionKind.ESP,
        attested=is_attested(connection),
        guard_clean=None if newest is None else newest.state == GuardState.CLEAN,
        guard_at=newest.judged_at if newest is not None else None,
    )
    return judge_trust(evidence, now=now)


def is_attested(connection: Connection) -> bool:
    """Whether somebody said of the account of today that nothing is added there."""
    return connection.attested_at is not None and connection.attested_account in account_digests(connection)


def attest(organization: Organization, connection: Connection, *, author: User, text: str, now: datetime) -> None:
    """Record who says that the service's own tracking is off, and in which words."""
    if len(text.strip()) < 10:
        raise ConnectionRefused(_("Say what you checked, and where."))
    connection.attested_at, connection.attested_by, connection.attestation = now, author, text.strip()[:1000]
    connection.attested_account = account_digest(connection)
    with tenant(organization.pk):
        connection.save(update_fields=["attested_at", "attested_by", "attestation", "attested_account"])
        named = f"connection {connection.pk}"
        audit.record(organization, actor=author, action="connection:attest", target=named, now=now)


def take_attestation_back(
    organization: Organization, connection: Connection, *, author: User | None, now: datetime
) -> None:
    with tenant(organization.pk):
        Connection.objects.filter(organization=organization, pk=connection.pk).update(
            attested_at=None, attested_by=None, attestation=""
        )
        named = f"connection {connection.pk}"
        audit.record(organization, actor=author, action="connection:attest:withdraw", target=named, now=now)
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
