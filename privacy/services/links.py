"""Links that are sent to an address, so that only who reads mail there sees or changes more than choices (rule H3)."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import formats, translation

from accounts.models import Organization
from common.keys import encode_key, new_key
from common.ratelimit import Limit, within_limit
from common.tenancy import tenant
from delivery.services import queue_service_message
from participants.models import Participant
from participants.rules import AddressError, parse_email
from privacy import words
from privacy.models import FreshLink, LinkKind
from privacy.selectors import hash_of_key, sending_website

LINK_LASTS = timedelta(hours=1)
ADDRESS_LINK_LASTS = timedelta(days=1)
# Counted in the database, and so without Redis too: a mailbox is flooded by nobody.
LINKS_AN_HOUR = 3
# Redis only spares the database whoever tries for many people.
LINKS_PER_NETWORK = Limit("fresh-links", 30, 3600)


class Sending(StrEnum):
    """What became of a wish for a link."""

    SENT = "sent"
    TOO_MANY = "too_many"
    # There is no website that a mail could come from, or nobody can write to the address.
    IMPOSSIBLE = "impossible"


def send_data_link(
    organization: Organization, participant: Participant, *, language: str, network: str, now: datetime
) -> Sending:
    """Send somebody the link to their own data. It goes to the address that we know, which is shown nowhere."""
    with tenant(organization.pk):
        if _too_many(participant, LinkKind.DATA, network, now=now):
            return Sending.TOO_MANY
        key = new_key()
        FreshLink.objects.create(
            organization=organization,
            participant=participant,
            kind=LinkKind.DATA,
            key_hash=hash_of_key(encode_key(key)),
            created_at=now,
            expires_at=now + LINK_LASTS,
        )
        with translation.override(language):
            mail = words.fresh_link_mail(_name(organization), _url("me", key), _time(organization, now + LINK_LASTS))
        return _send(participant, participant.email, mail, LinkKind.DATA, language, now=now)


def open_link(link: FreshLink, *, now: datetime) -> str | None:
    """Use up a link. Returns the key of the page that it opens, None when it was used before or came too late."""
    page = encode_key(new_key())
    with tenant(link.organization_id):
        opened = FreshLink.objects.filter(pk=link.pk, opened_at__isnull=True, expires_at__gt=now).update(
            opened_at=now, page_hash=hash_of_key(page), expires_at=now + LINK_LASTS
        )
    return page if opened else None


def holds_page(link: FreshLink, page: str, *, now: datetime) -> bool:
    """Whether ``page`` is the key of the page that the link opened, and its time is not over."""
    return bool(link.page_hash) and link.expires_at > now and hmac.compare_digest(link.page_hash, hash_of_key(page))


def close_page(link: FreshLink) -> None:
    """Let nobody go on with the page, since what it was about has changed hands or gone."""
    FreshLink.objects.filter(organization=link.organization_id, participant=link.participant_id).delete()


# --- Another address -----------------------------------------------------------------------------------------------


def ask_new_address(
    organization: Organization, participant: Participant, new_email: str, *, language: str, network: str, now: datetime
) -> Sending:
    """Ask at the new address whether it is to be used. AddressError for what is no address.

    The answer is the same whether or not somebody else has it already: nobody learns here who is known.
    """
    address = parse_email(new_email)
    with tenant(organization.pk):
        if _too_many(participant, LinkKind.ADDRESS, network, now=now):
            return Sending.TOO_MANY
        key, until = new_key(), now + ADDRESS_LINK_LASTS
        FreshLink.objects.create(
            organization=organization,
            participant=participant,
            kind=LinkKind.ADDRESS,
            key_hash=hash_of_key(encode_key(key)),
            new_email=address.email,
            created_at=now,
            expires_at=until,
        )
        with translation.override(language):
            mail = words.confirm_address_mail(_name(organization), _url("me", key), _time(organization, until))
        return _send(participant, address.email, mail, LinkKind.ADDRESS, language, now=now)


def _too_many(participant: Participant, kind: LinkKind, network: str, *, now: datetime) -> bool:
    rows = FreshLink.objects.filter(organization=participant.organization_id, participant=participant)
    # What nobody can open any more is of no use to anybody.
    rows.filter(expires_at__lt=now - ADDRESS_LINK_LASTS).delete()
    lately = rows.filter(kind=kind, created_at__gt=now - timedelta(hours=1)).count()
    return lately >= LINKS_AN_HOUR or not within_limit(LINKS_PER_NETWORK, network, now=now)


def _send(
    participant: Participant, to: str, mail: words.Mail, kind: LinkKind, language: str, *, now: datetime
) -> Sending:
    organization = participant.organization
    website = sending_website(organization, participant)
    if website is None:
        return Sending.IMPOSSIBLE
    try:
        queue_service_message(
            organization,
            website,
            to=to,
            participant=participant,
            kind=f"fresh_link_{kind}",
            language=language,
            subject=mail.subject,
            text=mail.text,
            expires_at=now + (LINK_LASTS if kind == LinkKind.DATA else ADDRESS_LINK_LASTS),
            now=now,
        )
    except AddressError:
        return Sending.IMPOSSIBLE
    return Sending.SENT


def _name(organization: Organization) -> str:
    return organization.legal_name or organization.name


def _url(letter: str, key: UUID) -> str:
    return f"{settings.BASE_URL}/{letter}/{encode_key(key)}"


def _time(organization: Organization, moment: datetime) -> str:
    local = moment.astimezone(ZoneInfo(organization.timezone))
    return f"{formats.date_format(local, 'DATE_FORMAT')}, {local:%H:%M} ({organization.timezone})"
