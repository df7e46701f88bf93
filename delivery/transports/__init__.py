"""How mail leaves. Everybody imports from here; only this package knows a mail server.

Nothing in here asks the database but to find a member's organization, so that connections can work in threads.
"""

from delivery.transports.accounts import (
    MAILBOX_HOST,
    Account,
    EspAccount,
    Security,
    SmtpAccount,
    TransportNotConfiguredError,
    account_of,
    mailbox_password,
    parse_smtp_url,
)
from delivery.transports.actito import PARAMETERS, actito
from delivery.transports.members import MemberMailBackend
from delivery.transports.pool import Courier, GroupSent, SmtpPool, courier_for
from delivery.transports.push import (
    PushAccount,
    Pusher,
    PushEvent,
    PushMessage,
    PushPerson,
    PushState,
    PushTroubleError,
)
from delivery.transports.pushers import ACTITO, pusher_for
from delivery.transports.smtp import Outcome, Outgoing, Result, SmtpConnection, SmtpTroubleError

__all__ = [
    "ACTITO",
    "MAILBOX_HOST",
    "PARAMETERS",
    "Account",
    "Courier",
    "EspAccount",
    "GroupSent",
    "MemberMailBackend",
    "Outcome",
    "Outgoing",
    "PushAccount",
    "PushEvent",
    "PushMessage",
    "PushPerson",
    "PushState",
    "PushTroubleError",
    "Pusher",
    "Result",
    "Security",
    "SmtpAccount",
    "SmtpConnection",
    "SmtpPool",
    "SmtpTroubleError",
    "TransportNotConfiguredError",
    "account_of",
    "actito",
    "courier_for",
    "mailbox_password",
    "parse_smtp_url",
    "pusher_for",
]
