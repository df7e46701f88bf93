"""How mail leaves. Everybody imports from here; only this package knows a mail server.

Nothing in here asks the database but to find a member's organization, so that connections can work in threads.
"""

from delivery.transports.accounts import (
    MAILBOX_HOST,
    Security,
    SmtpAccount,
    TransportNotConfiguredError,
    account_of,
    mailbox_password,
    parse_smtp_url,
)
from delivery.transports.members import MemberMailBackend
from delivery.transports.pool import GroupSent, SmtpPool
from delivery.transports.smtp import Outcome, Outgoing, Result, SmtpConnection, SmtpTroubleError

__all__ = [
    "MAILBOX_HOST",
    "GroupSent",
    "MemberMailBackend",
    "Outcome",
    "Outgoing",
    "Result",
    "Security",
    "SmtpAccount",
    "SmtpConnection",
    "SmtpPool",
    "SmtpTroubleError",
    "TransportNotConfiguredError",
    "account_of",
    "mailbox_password",
    "parse_smtp_url",
]
