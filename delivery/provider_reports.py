"""What sending services report about messages: who says it is checked, then it is told in our words.

Opens and clicks come out as such, so that they can be counted and dropped; nothing of them is read.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from delivery.connection_models import Connection, News
from delivery.providers import Provider, providers
from delivery.sns import SnsRefusedError, confirm, verify
from delivery.transports.esp import REFERENCE

HOOK_USER = "pli"
HOOK_PASSWORD = "hook_password"  # noqa: S105 - the name under which it is kept
OPENED, CLICKED, UNSUBSCRIBED = "opened", "clicked", "unsubscribed"
# Of Resend's signatures: older ones are somebody's copy.
SIGNATURE_AGE_SECONDS = 3600

_VIEWS = {
    "amazon_ses": "AmazonSESTrackingWebhookView",
    "brevo": "BrevoTrackingWebhookView",
    "mailersend": "MailerSendTrackingWebhookView",
    "mailgun": "MailgunTrackingWebhookView",
    "mailjet": "MailjetTrackingWebhookView",
    "mailtrap": "MailtrapTrackingWebhookView",
    "mandrill": "MandrillCombinedWebhookView",
    "postal": "PostalTrackingWebhookView",
    "postmark": "PostmarkTrackingWebhookView",
    "resend": "ResendTrackingWebhookView",
    "sendgrid": "SendGridTrackingWebhookView",
    "sparkpost": "SparkPostTrackingWebhookView",
    "unisender_go": "UnisenderGoTrackingWebhookView",
}

# Which bounces are for good, where the service tells two kinds apart.
_HARD: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "amazon_ses": lambda event: event.get("bounce", {}).get("bounceType") == "Permanent",
    "brevo": lambda event: event.get("event") in ("hard_bounce", "invalid_email"),
    "mailersend": lambda event: event.get("type") == "activity.hard_bounced",
    "mailjet": lambda event: bool(event.get("hard_bounce")),
    "mailtrap": lambda event: event.get("event") == "bounce",
    "mandrill": lambda event: event.get("event") == "hard_bounce",
    "postmark": lambda event: event.get("Type") in ("HardBounce", "BadEmailAddress"),
    "resend": lambda event: event.get("data", {}).get("bounce", {}).get("type") in ("Permanent", None),
    "sendgrid": lambda event: event.get("type", "bounce") == "bounce",
    "sparkpost": lambda event: str(event.get("bounce_class")) in ("10", "30", "90"),
}


class ReportRefusedError(Exception):
    """A report that does not come from the service, or that nobody can read."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report about one message. ``kind`` is one of News, or what is dropped."""

    kind: str
    reference: UUID | None
    provider_id: str
    words: str
    happened_at: datetime
    identity: str


def hook_path(connection: Connection) -> str:
    """Where the service reports to, below our address."""
    return f"/hooks/{connection.hook_key.hex}/"


def read_reports(
    connection: Connection, secrets: Mapping[str, str], request: HttpRequest, *, now: datetime
) -> list[Report]:
    """The reports of one request. ReportRefusedError for what has no good signature or secret."""
    provider = providers().get(connection.provider)
    if provider is None or not provider.reports:
        raise ReportRefusedError("this service sends none")
    try:
        view = _view(connection, provider, secrets)
        _check(connection, provider, secrets, view, request, now=now)
        events = view.parse_events(request) if provider.key != "amazon_ses" else _ses_events(view, request)
    except (AnymailWebhookValidationFailure, SnsRefusedError) as error:
        raise ReportRefusedError(str(error)) from error
    except (AnymailError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ReportRefusedError(f"unreadable: {type(error).__name__}") from error
    found = [_report(connection, provider, event, now=now) for event in events]
    return [one for one in found if one is not None]


def _view(connection: Connection, provider: Provider, secrets: Mapping[str, str]) -> Any:
    module = import_module(f"anymail.webhooks.{provider.key}")
    options: dict[str, Any] = {name: secrets[name] for name in provider.hook_secrets if secrets.get(name)}
    if provider.signs == "signature" and provider.key == "unisender_go":
        options["api_key"] = secrets.get("api_key", "")
    elif provider.signs == "signature" and not options:
        # Without its key a signature says nothing, and a report without one is refused.
        raise ReportRefusedError("no key to check signatures with")
    if provider.key == "mandrill":
        options["webhook_url"] = f"{settings.BASE_URL}{hook_path(connection)}"
    if provider.key == "resend":
        options = {}
    if provider.signs != "signature" or provider.key == "resend":
        options["webhook_secret"] = f"{HOOK_USER}:{secrets.get(HOOK_PASSWORD, '')}"
    return getattr(module, _VIEWS[provider.key])(**options)


def _check(
    connection: Connection,
    provider: Provider,
    secrets: Mapping[str, str],
    view: Any,
    request: HttpRequest,
    *,
    now: datetime,
) -> None:
    if provider.key == "amazon_ses":
        message = json.loads(request.body)
        verify(message, topic=str(connection.options.get("sns_topic_arn", "")), now=now)
        if message["Type"] == "SubscriptionConfirmation":
            confirm(message)
    elif provider.key == "resend":
        _check_svix(secrets.get("signing_secret", ""), request, now=now)
    else:
        if provider.signs == "secret" and not secrets.get(HOOK_PASSWORD):
            raise ReportRefusedError("no secret was made")
        view.run_validators(request)


def _check_svix(secret: str, request: HttpRequest, *, now: datetime) -> None:
    """Resend signs as Svix does: HMAC over id, time and body."""
    stamp = request.headers.get("svix-timestamp", "")
    if not secret or not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > SIGNATURE_AGE_SECONDS:
        raise ReportRefusedError("an old signature, or none")
    signed = f"{request.headers.get('svix-id', '')}.{stamp}.".encode() + request.body
    key = b64decode(secret.removeprefix("whsec_"))
    right = b64encode(hmac.digest(key, signed, "sha256")).decode()
    given = [part.partition(",")[2] for part in request.headers.get("svix-signature", "").split()]
    if not any(constant_time_compare(one, right) for one in given):
        raise ReportRefusedError("a wrong signature")


def _ses_events(view: Any, request: HttpRequest) -> list[Any]:
    message = json.loads(request.body)
    if message["Type"] != "Notification":
        return []
    with suppress(ValueError):  # a topic says in plain words that it was found
        return list(view.esp_to_anymail_events(json.loads(message["Message"]), message))
    return []


def _report(connection: Connection, provider: Provider, event: Any, *, now: datetime) -> Report | None:
    kind = _kind(provider, event)
    if not kind:
        return None
    reference = _reference(event)
    happened_at = event.timestamp or now
    words = " ".join(str(part) for part in (event.description, event.mta_response) if part)
    same = [connection.pk, kind, reference, event.message_id, event.recipient, event.event_id]
    same += [] if event.event_id else [event.timestamp]
    identity = hashlib.sha256(json.dumps(same, default=str).encode()).hexdigest()
    return Report(str(kind), reference, str(event.message_id or ""), words[:500], happened_at, identity)


def _reference(event: Any) -> UUID | None:
    try:
        return UUID(hex=str(event.metadata.get(REFERENCE)))
    except (ValueError, AttributeError):
        return None


def _kind(provider: Provider, event: Any) -> str:
    """Ours for what anymail says; empty for what tells nothing."""
    simple = {
        "delivered": News.DELIVERED,
        "deferred": News.DEFERRED,
        "complained": News.COMPLAINED,
        "opened": OPENED,
        "clicked": CLICKED,
        "unsubscribed": UNSUBSCRIBED,
        "failed": News.REJECTED,
    }
    if event.event_type == "bounced":
        is_hard = _HARD.get(provider.key, lambda _event: True)
        return News.HARD_BOUNCE if is_hard(event.esp_event or {}) else News.SOFT_BOUNCE
    if event.event_type == "rejected":
        by_reason = {"bounced": News.HARD_BOUNCE, "invalid": News.HARD_BOUNCE, "spam": News.COMPLAINED}
        return by_reason.get(event.reject_reason, News.REJECTED)
    return simple.get(event.event_type, "")


def new_hook_password() -> str:
    """For services that prove themselves by a name and password in the address."""
    return token_urlsafe(30)
