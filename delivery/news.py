"""What was heard of messages after they left: kept once, drawn together on the message, acted upon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import F

from accounts.models import Organization
from common.tenancy import tenant
from delivery.call_data import forget_data
from delivery.connection_models import Connection, News, ProviderNews
from delivery.models import Message, MessageStatus, ServiceMessage, SuppressionReason
from delivery.provider_reports import CLICKED, OPENED, UNSUBSCRIBED, Report
from delivery.rules import without_addresses as without_addresses
from delivery.services import forget_keys, suppress
from delivery.spikes import look_for_spike
from delivery.unknown_service import FORGOTTEN
from participants.rules import normalise_email

_SUPPRESSES = {
    News.HARD_BOUNCE: SuppressionReason.BOUNCED,
    News.COMPLAINED: SuppressionReason.COMPLAINED,
    UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
}
_BAD = (News.HARD_BOUNCE, News.COMPLAINED, News.REJECTED)
# What later news of a milder kind do not undo.
_WEIGHT = {
    "": 0,
    News.DEFERRED: 1,
    News.SOFT_BOUNCE: 2,
    News.DELIVERED: 3,
    News.REJECTED: 4,
    News.HARD_BOUNCE: 5,
    News.COMPLAINED: 6,
}


def take_reports(
    organization: Organization, connection: Connection | None, reports: Sequence[Report], *, now: datetime
) -> int:
    """Act on reports; a repeated one changes nothing. Opens and clicks are counted as dropped and forgotten.

    Returns how many were new.
    """
    new = 0
    mailings: set[int] = set()
    with tenant(organization.pk):
        if connection is not None:
            Connection.objects.filter(pk=connection.pk).update(
                dropped_opens=F("dropped_opens") + sum(report.kind == OPENED for report in reports),
                dropped_clicks=F("dropped_clicks") + sum(report.kind == CLICKED for report in reports),
                latest_news_at=now,
            )
        for report in reports:
            if report.kind not in (OPENED, CLICKED):
                new += _take(organization, connection, report, mailings, now=now)
    for mailing_id in mailings:
        look_for_spike(organization, mailing_id, now=now)
    return new


def note_refused(organization: Organization, connection: Connection) -> None:
    """Count a report that did not prove where it came from."""
    with tenant(organization.pk):
        Connection.objects.filter(pk=connection.pk).update(refused_news=F("refused_news") + 1)


def _take(
    organization: Organization, connection: Connection | None, report: Report, mailings: set[int], *, now: datetime
) -> bool:
    """``mailings`` gets the one of which a copy fared badly."""
    message = _message(organization, connection, report)
    address = _address(organization, message, report.reference)
    if address is None:
        return False  # not about anything that we sent
    words = without_addresses(report.words)[:500]
    if report.kind in News.values:
        _row, is_new = ProviderNews.objects.get_or_create(
            organization=organization,
            identity=report.identity,
            defaults={
                "connection": connection,
                "message": message,
                "kind": report.kind,
                "words": words,
                "happened_at": report.happened_at,
                "received_at": now,
            },
        )
        if not is_new:
            return False
        if message is not None:
            _draw_together(message, report, words)
            if report.kind in _BAD:
                mailings.add(message.mailing_id)
        elif report.reference is not None:
            _settle_service(organization, report.reference, report, words)
    reason = _SUPPRESSES.get(report.kind)
    if reason is not None and address:
        source = connection.name if connection is not None else "bounce"
        suppress(organization, normalise_email(address), reason=reason, source=source, now=now)
    return True


def _message(organization: Organization, connection: Connection | None, report: Report) -> Message | None:
    """By our reference, else by the service's own name for it."""
    mine = Message.objects.select_for_update(of=("self",), no_key=True).select_related("participant")
    mine = mine.filter(organization=organization)
    if report.reference is not None:
        return mine.filter(reference=report.reference).first()
    if report.provider_id and connection is not None:
        return mine.filter(provider_id=report.provider_id, connection=connection).first()
    return None


def _address(organization: Organization, message: Message | None, reference: UUID | None) -> str | None:
    """Whom we wrote to, never what a report says; empty for a person who was erased, None for no message of ours."""
    if message is not None:
        return message.participant.email if message.participant is not None else ""
    if reference is None:
        return None
    service = ServiceMessage.objects.filter(organization=organization, reference=reference).first()
    return service.to_email if service is not None else None


def _settle_service(organization: Organization, reference: UUID, report: Report, words: str) -> None:
    """One to a single person that may have been sent: whoever reports about it has had it, or refused it."""
    doubtful = ServiceMessage.objects.filter(
        organization=organization, reference=reference, status=MessageStatus.UNKNOWN
    )
    if report.kind == News.REJECTED:
        doubtful.update(status=MessageStatus.FAILED, error=words, **FORGOTTEN)
    else:
        doubtful.update(status=MessageStatus.SENT, sent_at=report.happened_at, error="", **FORGOTTEN)


def _draw_together(message: Message, report: Report, words: str) -> None:
    fields: dict[str, object] = {}
    if _WEIGHT[report.kind] >= _WEIGHT[message.news]:
        fields |= {"news": report.kind, "news_at": report.happened_at, "news_words": words}
    if report.kind == News.REJECTED:
        if message.status in (MessageStatus.SENT, MessageStatus.UNKNOWN):
            fields |= {"status": MessageStatus.FAILED, "error": words}
    elif _is_settled_by_news(message):
        # It did leave: whoever reports about it has had it.
        fields |= {"status": MessageStatus.SENT, "sent_at": report.happened_at, "error": "", "due_at": None}
    if fields:
        Message.objects.filter(pk=message.pk).update(**fields)
    if "status" in fields and message.mailing.urgent:
        forget_data(message.mailing)


def _is_settled_by_news(message: Message) -> bool:
    """Also a message that waits to be sent again, or could not be: the news are about the copy that was in doubt."""
    if message.status == MessageStatus.UNKNOWN:
        return True
    if message.uncertain_at is None:
        return False
    if message.status == MessageStatus.CLAIMED:
        # The copy that was being prepared leaves no more, so its key leads to nobody (rule H3).
        forget_keys(Message.objects.filter(pk=message.pk))
    return message.status in (MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.FAILED)
