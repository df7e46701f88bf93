"""Signatures of Amazon SNS, which brings the reports of SES.

The certificate is fetched from Amazon's own hosts only, whatever the message names, and kept.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate
from django.core.cache import cache

from common.safe_http import fetch

_HOST = re.compile(r"sns\.[a-z0-9-]{4,30}\.amazonaws\.com(\.cn)?")
KEPT_SECONDS = 24 * 3600
_FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
    "UnsubscribeConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip


class SnsRefusedError(Exception):
    """The message is not from Amazon, or not for us; says why."""


def is_amazons(url: str) -> bool:
    """Whether an address leads to SNS itself."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return parts.scheme == "https" and parts.netloc.lower() == host and _HOST.fullmatch(host) is not None


def certificate_of(url: str) -> bytes:
    """The certificate behind an address of Amazon's, kept for a day."""
    kept = cache.get(cache_key(url))
    if kept is None:
        kept = _ask_amazon(url)
        cache.set(cache_key(url), kept, KEPT_SECONDS)
    return bytes(kept)


def cache_key(url: str) -> str:
    return f"sns certificate {url}".replace(" ", "-")


def verify(
    message: Mapping[str, str], *, topic: str, now: datetime, certificate: Callable[[str], bytes] = certificate_of
) -> None:
    """Refuse what Amazon did not sign, and what it signed for a topic that is not ours."""
    fields = _FIELDS.get(message.get("Type", ""))
    if fields is None:
        raise SnsRefusedError("unknown type")
    if not topic or message.get("TopicArn") != topic:
        raise SnsRefusedError("another topic")
    url = message.get("SigningCertURL", "")
    if not is_amazons(url) or not url.endswith(".pem"):
        raise SnsRefusedError("a certificate from elsewhere")
    text = "".join(f"{name}\n{message[name]}\n" for name in fields if message.get(name) is not None)
    algorithm = SHA256() if message.get("SignatureVersion") == "2" else SHA1()  # noqa: S303 - version 1 is signed so
    try:
        holder = load_pem_x509_certificate(certificate(url))
        key = holder.public_key()
        if not isinstance(key, RSAPublicKey) or not holder.not_valid_before_utc <= now <= holder.not_valid_after_utc:
            raise SnsRefusedError("a certificate that does not count")
        key.verify(b64decode(message.get("Signature", "")), text.encode(), PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError) as error:
        raise SnsRefusedError("a wrong signature") from error


def confirm(message: Mapping[str, str]) -> None:
    """Say yes to a topic's question; only after ``verify``."""
    url = message.get("SubscribeURL", "")
    if not is_amazons(url):
        raise SnsRefusedError("a question from elsewhere")
    _ask_amazon(url)


def _ask_amazon(url: str) -> bytes:
    """What SNS answers. Without an answer we refuse, so that it comes again."""
    try:
        answer = fetch(url, largest=20_000)
    except OSError as error:
        raise SnsRefusedError("no answer from Amazon") from error
    if answer.status != 200:
        raise SnsRefusedError(f"Amazon answers {answer.status}")
    return answer.body
