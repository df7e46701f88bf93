"""Mail to the people who sign in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from email import policy
from email.utils import parseaddr

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from accounts.models import Organization
from accounts.selectors import memberships_of
from common.tenancy import current_organization_id, tenant
from delivery.transports.accounts import SmtpAccount, account_of, parse_smtp_url
from delivery.transports.smtp import Outgoing, Result, SmtpConnection, SmtpTroubleError

logger = logging.getLogger(__name__)


# Letters beyond ASCII encoded: not every server takes them as they are.
_SEVEN_BITS = policy.SMTP.clone(cte_type="7bit")


class MemberMailBackend(BaseEmailBackend):
    """Django's way out for mail to the people who sign in, such as a new password."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        return sum(self._send(message) for message in email_messages)

    def _send(self, message: EmailMessage) -> bool:
        data = message.message(policy=_SEVEN_BITS).as_bytes()
        sender = message.from_email or settings.DEFAULT_FROM_EMAIL
        sent = False
        for number, recipient in enumerate(message.recipients()):
            account = _account_for_member(recipient)
            if account is not None:
                _send_one(account, Outgoing(number, _address_in(sender), recipient, data))
                sent = True
        return sent


def _account_for_member(email: str) -> SmtpAccount | None:
    """The operator's server; in embedded mode the mailbox of an organization.

    That is the one we act for, which invites somebody who belongs to none yet; else one that the person belongs to.
    """
    if settings.SMTP_URL:
        return parse_smtp_url(settings.SMTP_URL)
    acting_for = current_organization_id()
    if acting_for is not None:
        return account_of(Organization.objects.get(pk=acting_for))
    user = get_user_model().objects.filter(email__iexact=email).first()
    for door in memberships_of(user) if user is not None else ():
        with tenant(door.organization_id):
            return account_of(door.load().organization)
    logger.warning("a mail to somebody who is no member cannot be shown in any mailbox: dropped")
    return None


def _address_in(sender: str) -> str:
    return parseaddr(sender)[1]


def _send_one(account: SmtpAccount, message: Outgoing) -> None:
    """Raises SmtpTroubleError when it was not accepted: callers of Django's backends expect an exception."""
    connection = SmtpConnection(account)
    (outcome,), trouble = connection.send([message])
    if trouble is not None:
        raise trouble
    connection.close()
    if outcome.result is not Result.ACCEPTED:
        refusal = SmtpTroubleError(outcome.words)
        refusal.refused = outcome.result is Result.REFUSED
        raise refusal
