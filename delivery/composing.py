"""Writes the copy of one recipient: what the launch froze, what is known of the person, what was decided for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings

from common.keys import encode_key, link_secrets
from consent.rules import Level
from delivery.call_data import words_are_gone
from delivery.mime import MessageHeaders, build_message
from delivery.models import Mailing
from delivery.outbox import Claimed, Person
from delivery.personal import REPLY
from delivery.rendering import CONSENT, PREFERENCES, UNSUBSCRIBE, WEB_VERSION, CompiledEmail, EmailFiller
from delivery.services import Envelope
from delivery.transports import Outgoing
from tracking.instrument import NOT_MEASURED, Measurement
from websites.models import Website


def tracking_base_url(website: Website) -> str:
    """Where pixel and tracked links of a website point to."""
    return f"https://{website.tracking_domain}" if website.tracking_domain else str(settings.BASE_URL)


class Composer:
    """Writes the messages of one mailing; what is the same for all of them is done once."""

    def __init__(self, mailing: Mailing) -> None:
        frozen = mailing.snapshot.compiled
        self._filler = EmailFiller(CompiledEmail.from_dict(frozen))
        self._envelope = Envelope(**frozen["envelope"])
        self._domain = self._envelope.from_email.rpartition("@")[2].encode("idna").decode()
        self._feedback_id = (
            f"{mailing.pk}:{mailing.website_id}:{mailing.purpose}:{mailing.organization.public_id.hex[:12]}"
        )
        self._needs_data = mailing.urgent
        self._base_url = tracking_base_url(mailing.website)
        self._secrets = link_secrets()

    def compose(self, claimed: Claimed, *, now: datetime) -> Outgoing:
        """The bytes for one recipient. TemplateError or ValueError when their data cannot be written."""
        if self._needs_data and claimed.data is None:
            raise ValueError(words_are_gone())
        envelope, recipient = self._envelope, address_of(claimed.person)
        urls = own_urls(
            claimed.unsubscribe_key, claimed.preference_key, claimed.web_version_key, reply=claimed.reply_key
        )
        variables = variables_of(envelope, claimed.person, data=claimed.data)
        filled = self._filler.fill(variables, urls, self._measurement(claimed))
        headers = MessageHeaders(
            from_email=envelope.from_email,
            from_name=envelope.from_name,
            to_email=recipient,
            to_name=_one_line(f"{claimed.person.first_name} {claimed.person.last_name}"),
            reply_to=envelope.reply_to,
            subject=filled.subject,
            message_id=f"{claimed.reference.hex}@{self._domain}",
            date=now,
            unsubscribe_url=urls[UNSUBSCRIBE] if envelope.list_unsubscribe else "",
            feedback_id=self._feedback_id,
        )
        data = build_message(headers, text=filled.text_body, html=filled.html_body)
        # Hexadecimal, since servers on the way may not keep capitals apart.
        reference = claimed.reference.hex
        return Outgoing(claimed.id, f"bounce+{reference}@{self._domain}", recipient, data, reference)

    def _measurement(self, claimed: Claimed) -> Measurement:
        """Nothing of a copy that is not measured names Pli's addresses for measuring (rule S1)."""
        decision = claimed.decided.decision
        keys = {
            Level.INDIVIDUAL: claimed.tracking_key,
            Level.LAST_OPEN_DAY: claimed.tracking_key,
            Level.ANONYMOUS: claimed.shared_key,
        }
        opens_key, clicks_key = keys.get(decision.opens), keys.get(decision.clicks)
        if opens_key is None and clicks_key is None:
            return NOT_MEASURED
        return Measurement(base_url=self._base_url, opens_key=opens_key, clicks_key=clicks_key, secrets=self._secrets)


def own_urls(
    unsubscribe: UUID, preferences: UUID, web_version: UUID | None, *, reply: UUID | None = None
) -> dict[str, str]:
    """The addresses of one copy that nobody else gets."""
    return {
        UNSUBSCRIBE: _address("u", unsubscribe),
        PREFERENCES: _address("p", preferences),
        CONSENT: f"{_address('p', preferences)}#choice",
        WEB_VERSION: _address("w", web_version) if web_version is not None else "",
        REPLY: _address("a", reply) if reply is not None else "",
    }


def variables_of(
    envelope: Envelope, person: Person, *, data: Mapping[str, object] | None = None
) -> Mapping[str, object]:
    """What the templates of an email may say of its sender and its recipient."""
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "country": person.country,
        "locale": person.locale,
        "attributes": person.attributes,
        "data": data or {},
        "campaign": {"name": envelope.campaign},
        "website": {"name": envelope.website},
        "sender_name": envelope.from_name,
        "legal_name": envelope.legal_name,
        "legal_address": envelope.legal_address,
    }


def address_of(person: Person) -> str:
    """The address for mail servers: the name as it was given, the domain as the name service knows it."""
    return f"{person.email.strip().rpartition('@')[0]}@{person.email_norm.rpartition('@')[2]}"


def _address(letter: str, key: UUID) -> str:
    return f"{settings.BASE_URL}/{letter}/{encode_key(key)}"


def _one_line(name: str) -> str:
    """A name that can stand in a header, whatever was imported."""
    return "".join(character for character in " ".join(name.split()) if character.isprintable())
