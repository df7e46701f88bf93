"""Trying a connection out: one message, or a sign-in, and what the other side says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.utils.translation import gettext as _

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import Connection, ConnectionKind
from delivery.connections import Way, account_for
from delivery.mime import MessageHeaders, build_message
from delivery.outside_senders import push_account
from delivery.signing import signers_of
from delivery.transports import (
    Outgoing,
    PushTroubleError,
    Result,
    SmtpAccount,
    SmtpConnection,
    SmtpTroubleError,
    TransportNotConfiguredError,
    courier_for,
    pusher_for,
)
from websites.models import Website


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether it worked, and the other side's words."""

    passed: bool
    words: str


def try_connection(organization: Organization, connection: Connection, *, to: str, now: datetime) -> Trial:
    """Sign in at a mail server; send one message to ``to`` through a sending service, which knows no sign-in.

    An outside sender is asked whether it would take something; it gets nothing about anybody.
    """
    if connection.kind == ConnectionKind.PUSH:
        trial = _try_outside(connection, now=now)
    elif connection.kind == ConnectionKind.ESP:
        trial = _try_service(organization, connection, to=to, now=now)
    else:
        trial = _try_server(connection)
    with tenant(organization.pk):
        Connection.objects.filter(organization=organization, pk=connection.pk).update(
            tested_at=now, test_passed=trial.passed, test_words=trial.words[:500]
        )
    connection.tested_at, connection.test_passed, connection.test_words = now, trial.passed, trial.words[:500]
    return trial


def _try_outside(connection: Connection, *, now: datetime) -> Trial:
    try:
        return Trial(True, pusher_for(push_account(connection)).ping(at=now))
    except PushTroubleError as trouble:
        return Trial(False, trouble.words)


def _try_server(connection: Connection) -> Trial:
    try:
        account = account_for(connection)
    except TransportNotConfiguredError as error:
        return Trial(False, str(error))
    if not isinstance(account, SmtpAccount):
        raise TypeError("not a mail server")
    smtp = SmtpConnection(account)
    try:
        smtp.open()
        offers = ", ".join(smtp.offers)
    except SmtpTroubleError as error:
        return Trial(False, error.words)
    finally:
        smtp.close()
    return Trial(True, _("%(host)s answers and takes what we sent it. It offers %(offers)s.")
                 % {"host": account.host, "offers": offers or "–"})  # fmt: skip


def _try_service(organization: Organization, connection: Connection, *, to: str, now: datetime) -> Trial:
    sender = sender_for(organization, connection)
    if sender is None:
        return Trial(False, _("No website has a sender address yet."))
    reference = uuid4().hex
    domain = sender.sender_email.rpartition("@")[2]
    headers = MessageHeaders(
        from_email=sender.sender_email,
        to_email=to,
        subject=_("Pli: a test of the connection “%(name)s”") % {"name": connection.name},
        message_id=f"{reference}@{domain}",
        date=now,
    )
    text = _("This message shows that the connection works. It is not measured.")
    data = build_message(headers, text=text, html=f"<p>{text}</p>")
    words = send_one(
        organization, connection, Outgoing(0, f"bounce+{reference}@{domain}", to, data, reference), now=now
    )
    return Trial(not words, words or _("It took a message to %(address)s.") % {"address": to})


def sender_for(organization: Organization, connection: Connection) -> Website | None:
    """A website with a sender address, one that uses the connection if there is one."""
    with tenant(organization.pk):
        websites = Website.objects.filter(organization=organization).exclude(sender_email="").order_by("pk")
        return websites.filter(connection__connection=connection).first() or websites.first()


def send_one(organization: Organization, connection: Connection, outgoing: Outgoing, *, now: datetime) -> str:
    """Why a message did not leave; empty when it did."""
    try:
        way = Way(account_for(connection), connection, signers=signers_of(organization))
    except TransportNotConfiguredError as error:
        return str(error)
    courier = courier_for(way.account)
    try:
        (outcome,), trouble = courier.send([way.dress(outgoing, now=now)])
    finally:
        courier.close()
    if trouble is not None:
        return trouble.words
    return "" if outcome.result is Result.ACCEPTED else outcome.words
