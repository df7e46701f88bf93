"""What mail servers send back: delivery reports (RFC 3464) and complaints (RFC 5965), read in our words.

The message is found by the reference in the address that the report was sent to, else in the Message-ID of the copy
that comes with it. Neither holds anybody's address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from uuid import UUID

from delivery.connection_models import News

_IN_ADDRESS = re.compile(r"\+([0-9a-f]{32})@", re.IGNORECASE)
_IN_MESSAGE_ID = re.compile(r"<([0-9a-f]{32})@", re.IGNORECASE)
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_RECEIVED_AT = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
# For good by their first digit, and yet nothing that is wrong with the address: gets more mail than its server lets it
# (5.2.1, which others say of a disabled one), full (5.2.2), too long (5.2.3, 5.3.4), and all that servers refuse for
# reasons of policy (5.7.x).
_PASSING = ("5.2.1", "5.2.2", "5.2.3", "5.3.4", "5.7.")


@dataclass(frozen=True, slots=True)
class Bounce:
    """One report: about which message, what it says, in which words."""

    reference: UUID
    kind: str
    words: str


def read_bounce(raw: bytes) -> Bounce | None:
    """The report in a mail; None for a mail that is none, such as somebody's holiday notice."""
    mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(raw)
    if mail.get_content_type() != "multipart/report":
        return None
    reference = _reference(mail)
    kind, words = _complaint(mail) or _delivery(mail) or ("", "")
    return Bounce(reference, kind, words) if reference is not None and kind else None


def _parts(mail: EmailMessage, kind: str) -> Iterator[Message]:
    return (part for part in mail.walk() if part.get_content_type() == kind)


def _reference(mail: EmailMessage) -> UUID | None:
    for name in _RECEIVED_AT:
        for value in mail.get_all(name, []):
            if found := _IN_ADDRESS.search(str(value)):
                return UUID(hex=found[1])
    for original in (*_parts(mail, "message/rfc822"), *_parts(mail, "text/rfc822-headers")):
        if found := _IN_MESSAGE_ID.search(original.as_string()):
            return UUID(hex=found[1])
    return None


def _complaint(mail: EmailMessage) -> tuple[str, str] | None:
    for part in _parts(mail, "message/feedback-report"):
        text = part.as_string()
        if re.search(r"^Feedback-Type:\s*(abuse|fraud|virus)\b", text, re.IGNORECASE | re.MULTILINE):
            return News.COMPLAINED, "abuse"
    return None


def _delivery(mail: EmailMessage) -> tuple[str, str] | None:
    """The worst that is said of a recipient; our messages have one."""
    for part in _parts(mail, "message/delivery-status"):
        blocks = [block for block in part.get_payload() if isinstance(block, Message)]
        for block in blocks:
            action = str(block.get("Action", "")).strip().lower()
            if action:
                status = str(block.get("Status", "")).strip()
                diagnostic = re.sub(r"\s+", " ", str(block.get("Diagnostic-Code", ""))).strip()
                kind = _kind(action, status, diagnostic)
                return (kind, f"{status} {diagnostic}".strip()[:500]) if kind else None
    return None


def _kind(action: str, status: str, diagnostic: str) -> str:
    if action == "delayed":
        return News.DEFERRED
    if action in ("delivered", "relayed", "expanded"):
        return News.DELIVERED
    if action != "failed":
        return ""
    # The words of the other server are more exact than the class that ours put above them.
    exact = _STATUS.search(diagnostic)
    code = exact[0] if exact else status
    is_passing = not code.startswith("5") or code.startswith(_PASSING)
    return News.SOFT_BOUNCE if is_passing else News.HARD_BOUNCE
