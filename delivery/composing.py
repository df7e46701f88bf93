"""Writes the copy of one recipient: what the launch froze, what is known of the person, what was decided for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings

from common.keys import encode_key, link_secrets
from consent.rules import Level
from delivery.mime import MessageHeaders, build_message
from delivery.models import Mailing
from delivery.outbox import Claimed, Person
from delivery.rendering import CONSENT, PREFERENCES, UNSUBSCRIBE, CompiledEmail, EmailFiller
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
        self._base_url = tracking_base_url(mailing.website)
        self._secrets = link_secrets()

    def compose(self, claimed: Claimed, *, now: datetime) -> Outgoing:
        """The bytes for one recipient. TemplateError or ValueError when their data cannot be written."""
        envelope, recipient = self._envelope, address_of(claimed.person)
        urls = {
            UNSUBSCRIBE: _address("u", claimed.unsubscribe_key),
            PREFERENCES: _address("p", claimed.preference_key),
            CONSENT: f"{_address('p', claimed.preference_key)}#choice",
        }
        filled = self._filler.fill(self._variables(claimed.person), urls, self._measurement(claimed))
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

    def _variables(self, person: Person) -> Mapping[str, object]:
        envelope = self._envelope
        return {
            "first_name": person.first_name,
            "last_name": person.last_name,
            "email": person.email,
            "country": person.country,
            "locale": person.locale,
            "attributes": person.attributes,
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
