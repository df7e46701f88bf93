"""Messages whose worker ended before it could write down what the mail server said."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import News
from delivery.models import Mailing, MailingState, Message, MessageStatus


def give_up_lost(mailing: Mailing, *, now: datetime) -> int:
    """They may have been sent, and are not sent again by themselves; in the caller's transaction.

    What was heard of one meanwhile says what became of it: whoever reports about a message has had it.
    """
    lost = Message.objects.filter(mailing=mailing, status=MessageStatus.SENDING, due_at__lte=now)
    heard = lost.exclude(news="").exclude(news=News.REJECTED)
    heard.update(status=MessageStatus.SENT, sent_at=F("news_at"), due_at=None, uncertain_at=now)
    lost.filter(news=News.REJECTED).update(
        status=MessageStatus.FAILED, error=F("news_words"), due_at=None, uncertain_at=now
    )
    return lost.update(status=MessageStatus.UNKNOWN, due_at=None, uncertain_at=now)


def give_up_lost_of_stopped(organization: Organization, *, now: datetime) -> int:
    """In mailings that are paused or were cancelled: no worker comes there to find them."""
    with tenant(organization.pk):
        stopped = Mailing.objects.filter(
            organization=organization, state__in=(MailingState.PAUSED, MailingState.CANCELLED)
        )
        return sum(give_up_lost(mailing, now=now) for mailing in stopped)
