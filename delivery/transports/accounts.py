"""Where an organization's mail goes: the operator's server, or the built-in mailbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from common.crypto import keyed_hash
from common.mail import MailTroubleError

MAILBOX_HOST = "127.0.0.1"


class TransportNotConfiguredError(MailTroubleError):
    """There is no way out for mail; the message says what to set."""


class Security(StrEnum):
    NONE = "smtp"
    IMPLICIT_TLS = "smtps"
    STARTTLS = "smtp+starttls"


_DEFAULT_PORTS = {Security.NONE: 25, Security.IMPLICIT_TLS: 465, Security.STARTTLS: 587}


@dataclass(frozen=True, slots=True)
class SmtpAccount:
    """A server, how to reach it, and who we are there."""

    host: str
    port: int
    security: Security = Security.NONE
    username: str = ""
    password: str = ""
    # Typed by a member and not by the operator: its addresses are judged (common/safe_http.py).
    is_judged: bool = False

    def __repr__(self) -> str:
        return f"SmtpAccount({self.security}://{self.host}:{self.port})"


@dataclass(frozen=True, slots=True)
class EspAccount:
    """A sending service behind an API, with what it asks for."""

    provider: str
    settings: Mapping[str, str]

    def __repr__(self) -> str:
        return f"EspAccount({self.provider})"


type Account = SmtpAccount | EspAccount


def parse_smtp_url(url: str) -> SmtpAccount:
    """``smtp://``, ``smtps://`` or ``smtp+starttls://``, with ``user:password@`` where the server asks for them."""
    problem = TransportNotConfiguredError(
        _("PLI_SMTP_URL must look like smtp+starttls://user:password@mail.example.org:587")
    )
    try:
        parts = urlsplit(url)
        security = Security(parts.scheme)
        port = parts.port or _DEFAULT_PORTS[security]
    except ValueError:
        raise problem from None
    if not parts.hostname:
        raise problem
    return SmtpAccount(parts.hostname, port, security, unquote(parts.username or ""), unquote(parts.password or ""))


def mailbox_password(username: str) -> str:
    """What an organization signs in with at the built-in mailbox; nobody types it."""
    return keyed_hash("mailbox", username)


def account_of(organization: Organization) -> SmtpAccount:
    """Where this organization's mail goes: the operator's server, else the organization's built-in mailbox."""
    if settings.SMTP_URL:
        return parse_smtp_url(settings.SMTP_URL)
    if not settings.MAILBOX_PORT:
        raise TransportNotConfiguredError(
            _("No mail server is set up: set PLI_SMTP_URL, or use `make run`, which brings a mailbox of its own.")
        )
    username = organization.public_id.hex
    return SmtpAccount(MAILBOX_HOST, settings.MAILBOX_PORT, Security.NONE, username, mailbox_password(username))
