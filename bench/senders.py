"""The senders that are compared, each in a process of its own: python -m bench.senders ours|django ...

``ours ORGANIZATION MAILING`` sends a mailing as a worker does; ``django FILE`` sends kept messages through Django's own
SMTP backend in one loop. Both print how many they sent, in how many seconds, and the memory that they took, as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import django


def ours(organization_id: int, mailing_id: int) -> tuple[int, float]:
    """All of a mailing; the time is that of claiming, deciding, writing, handing over and recording."""
    from common.tenancy import tenant
    from delivery.models import Message, MessageStatus
    from delivery.sending import send_mailing

    started = time.monotonic()
    while send_mailing(organization_id, mailing_id).more_due:
        pass
    seconds = time.monotonic() - started
    with tenant(organization_id):
        return Message.objects.filter(mailing=mailing_id, status=MessageStatus.SENT).count(), seconds


def djangos(kept: Path) -> tuple[int, float]:
    """The same messages as Django makes and sends them over one connection; parsing them is not timed."""
    from django.conf import settings
    from django.core.mail import EmailMultiAlternatives, mailers
    from django.test import override_settings

    from delivery.transports.accounts import parse_smtp_url

    account = parse_smtp_url(settings.SMTP_URL)
    parsed = list(map(_parsed, _messages(kept)))
    smtp = {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {"host": account.host, "port": account.port},
    }
    with override_settings(MAILERS={"default": smtp}):
        connection = mailers["default"]
    started = time.monotonic()
    connection.open()
    for headers, text, html in parsed:
        message = EmailMultiAlternatives(
            subject=headers.pop("Subject"),
            body=text,
            from_email=headers.pop("From"),
            to=[headers.pop("To")],
            headers=headers,
        )
        message.attach_alternative(html, "text/html")
        connection.send_messages([message])
    connection.close()
    return len(parsed), time.monotonic() - started


def _messages(kept: Path) -> list[bytes]:
    data, found, at = kept.read_bytes(), [], 0
    while at < len(data):
        end = data.index(b"\n", at)
        size = int(data[at:end])
        found.append(data[end + 1 : end + 1 + size].replace(b"\r\n..", b"\r\n."))
        at = end + 1 + size
    return found


def _parsed(raw: bytes) -> tuple[dict[str, str], str, str]:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    ours_alone = ("MIME-Version", "Content-Type", "Content-Transfer-Encoding")
    headers = {name: str(value) for name, value in message.items() if name not in ours_alone}
    return headers, text.get_content(), html.get_content()


if __name__ == "__main__":
    django.setup()
    kind, *arguments = sys.argv[1:]
    sent, took = ours(*map(int, arguments)) if kind == "ours" else djangos(Path(arguments[0]))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"sent": sent, "seconds": took, "rss_mb": rss}))
