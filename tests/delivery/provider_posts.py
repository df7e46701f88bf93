"""What sending services post, as their documentation shows it, signed as theirs or forged."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

PASSWORD = "hook-password-of-this-connection"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-reports"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem"
# An hour that no clock of a test has passed when it was signed.
STAMP = int(datetime(2026, 11, 22, 9, tzinfo=UTC).timestamp())


@dataclass
class Posted:
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def basic(password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"pli:{password}".encode()).decode()}


class Brevo:
    """https://developers.brevo.com/docs/transactional-webhooks"""

    key, secrets, options = "brevo", {"hook_password": PASSWORD}, {}
    kinds = {
        "delivered": "delivered", "deferred": "deferred", "soft_bounce": "soft_bounce", "hard_bounce": "hard_bounce",
        "complained": "spam", "opened": "unique_opened", "clicked": "click",
    }  # fmt: skip

    def post(self, kind: str, reference: str, email: str, *, forged: bool = False) -> Posted:
        event = {
            "event": self.kinds[kind], "email": email, "id": 26224, "ts_epoch": STAMP * 1000, "ts": STAMP,
            "date": "2026-11-22 10:00:00", "message-id": "<202611220900.1@relay.example>", "subject": "Le pain",
            "X-Mailin-custom": json.dumps({"reference": reference}), "reason": f"550 5.1.1 <{email}> unknown",
            "sending_ip": "192.0.2.1",
        }  # fmt: skip
        return Posted(json.dumps(event).encode(), basic("wrong" if forged else PASSWORD))


class Mailgun:
    """https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks"""

    key, secrets, options = "mailgun", {"webhook_signing_key": "signing-key"}, {}
    kinds = {
        "delivered": ("delivered", ""), "deferred": ("failed", "temporary"), "hard_bounce": ("failed", "permanent"),
        "complained": ("complained", ""), "opened": ("opened", ""), "clicked": ("clicked", ""),
    }  # fmt: skip

    def post(self, kind: str, reference: str, email: str, *, forged: bool = False) -> Posted:
        event, severity = self.kinds[kind]
        token = hashlib.sha256(f"{kind}{reference}".encode()).hexdigest()[:50]
        right = hmac.new(b"other" if forged else b"signing-key", f"{STAMP}{token}".encode(), "sha256").hexdigest()
        data = {
            "event": event, "id": "ase7i2zsRYeDXztHGENqRA", "timestamp": STAMP + 0.5, "recipient": email,
            "message": {"headers": {"message-id": "202611220900.1@mg.bread.example", "to": email}},
            "user-variables": {"reference": reference}, "severity": severity, "log-level": "info",
            "delivery-status": {"code": 550, "message": f"550 5.1.1 <{email}> unknown", "description": ""},
        }  # fmt: skip
        signature = {"timestamp": str(STAMP), "token": token, "signature": right}
        return Posted(json.dumps({"signature": signature, "event-data": data}).encode())


class Mailjet:
    """https://dev.mailjet.com/email/guides/webhooks/"""

    key, secrets, options = "mailjet", {"hook_password": PASSWORD}, {}
    kinds = {
        "delivered": {"event": "sent"}, "hard_bounce": {"event": "bounce", "hard_bounce": True},
        "soft_bounce": {"event": "bounce", "hard_bounce": False}, "complained": {"event": "spam"},
        "deferred": {"event": "bounce", "error": "greylisted", "hard_bounce": False}, "opened": {"event": "open"},
        "clicked": {"event": "click"},
    }  # fmt: skip

    def post(self, kind: str, reference: str, email: str, *, forged: bool = False) -> Posted:
        event = {
            "time": STAMP, "MessageID": 19421777835146490, "Message_GUID": "1ab23cd4", "email": email,
            "mj_campaign_id": 7257, "mj_contact_id": 4, "customcampaign": "", "CustomID": "",
            "Payload": json.dumps({"reference": reference}), "smtp_reply": f"550 <{email}> unknown",
            **self.kinds[kind],
        }  # fmt: skip
        return Posted(json.dumps([event]).encode(), basic("wrong" if forged else PASSWORD))


class Postmark:
    """https://postmarkapp.com/developer/webhooks/webhooks-overview"""

    key, secrets, options = "postmark", {"hook_password": PASSWORD}, {}
    kinds = {
        "delivered": {"RecordType": "Delivery", "DeliveredAt": "2026-11-22T09:00:00Z"},
        "hard_bounce": {"RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "ID": 42},
        "soft_bounce": {"RecordType": "Bounce", "Type": "SoftBounce", "TypeCode": 4096, "ID": 43},
        "deferred": {"RecordType": "Bounce", "Type": "Transient", "TypeCode": 2, "ID": 44},
        "complained": {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 100001, "ID": 45},
        "opened": {"RecordType": "Open", "ReceivedAt": "2026-11-22T09:00:00Z"},
        "clicked": {"RecordType": "Click", "ReceivedAt": "2026-11-22T09:00:00Z", "OriginalLink": "https://x.example"},
    }

    def post(self, kind: str, reference: str, email: str, *, forged: bool = False) -> Posted:
        event = {
            "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Email": email, "Recipient": email, "ServerID": 23,
            "Metadata": {"reference": reference}, "Details": f"550 5.1.1 <{email}> unknown", "Tag": "",
            "BouncedAt": "2026-11-22T09:00:00Z", **self.kinds[kind],
        }  # fmt: skip
        return Posted(json.dumps(event).encode(), basic("wrong" if forged else PASSWORD))


SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())


def sendgrid_public() -> str:
    der = SENDGRID_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return b64encode(der).decode()


class SendGrid:
    """https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event"""

    key, secrets, options = "sendgrid", {"tracking_webhook_verification_key": sendgrid_public()}, {}
    kinds = {
        "delivered": {"event": "delivered"}, "deferred": {"event": "deferred"},
        "hard_bounce": {"event": "bounce", "type": "bounce", "status": "5.1.1"},
        "soft_bounce": {"event": "bounce", "type": "blocked", "status": "4.0.0"},
        "complained": {"event": "spamreport"}, "opened": {"event": "open"}, "clicked": {"event": "click"},
    }  # fmt: skip

    def post(self, kind: str, reference: str, email: str, *, forged: bool = False) -> Posted:
        event = {
            "email": email, "timestamp": STAMP, "smtp-id": "<1@bread.example>", "sg_event_id": f"{kind}{reference}",
            "sg_message_id": "14c5d75ce93.dfd.64b469", "reference": reference, "reason": f"550 <{email}> unknown",
            **self.kinds[kind],
        }  # fmt: skip
        body = json.dumps([event]).encode()
        key = ec.generate_private_key(ec.SECP256R1()) if forged else SENDGRID_KEY
        signature = key.sign(str(STAMP).encode() + body, ec.ECDSA(hashes.SHA256()))
        name = "X-Twilio-Email-Event-Webhook"
        return Posted(body, {f"{name}-Signature": b64encode(signature).decode(), f"{name}-Timestamp": str(STAMP)})


AMAZON_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class AmazonSes:
    """https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html"""

    key, secrets, options = "amazon_ses", {}, {"sns_topic_arn": TOPIC}
    kinds = {
        "delivered": ("Delivery", {"delivery": {"smtpResponse": "250 ok", "recipients": ["EMAIL"]}}),
        "hard_bounce": (
            "Bounce",
            {"bounce": {
                "bounceType": "Permanent", "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": "EMAIL", "diagnosticCode": "smtp; 550 5.1.1 EMAIL unknown"}],
            }},
        ),
        "soft_bounce": (
            "Bounce",
            {"bounce": {
                "bounceType": "Transient", "bounceSubType": "MailboxFull",
                "bouncedRecipients": [{"emailAddress": "EMAIL"}],
            }},
        ),
        "complained": ("Complaint", {"complaint": {"complainedRecipients": [{"emailAddress": "EMAIL"}]}}),
        "opened": ("Open", {"open": {"ipAddress": "192.0.2.1", "userAgent": "Mail"}}),
        "clicked": ("Click", {"click": {"ipAddress": "192.0.2.1", "link": "https://x.example"}}),
    }  # fmt: skip

    def post(self, kind: str, reference: str, email: str, *, forged: bool = False) -> Posted:
        name, details = self.kinds[kind]
        metadata = {"name": "X-Metadata", "value": json.dumps({"reference": reference})}
        mail = {"messageId": "EXAMPLE-1", "destination": [email], "headers": [metadata]}
        event = {"eventType": name, "mail": mail, **details}
        message = {
            "Type": "Notification", "MessageId": f"{kind}-{reference}", "TopicArn": TOPIC,
            "Message": json.dumps(event).replace("EMAIL", email), "Timestamp": "2026-11-22T09:00:00.000Z",
            "SignatureVersion": "2", "SigningCertURL": CERTIFICATE_URL,
        }  # fmt: skip
        return signed_by_amazon(message, forged=forged)


def signed_by_amazon(message: dict[str, str], *, forged: bool = False) -> Posted:
    fields = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{message[name]}\n" for name in fields if name in message)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048) if forged else AMAZON_KEY
    signature = b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    headers = {"x-amz-sns-message-type": message["Type"], "x-amz-sns-message-id": message["MessageId"]}
    return Posted(json.dumps({**message, "Signature": signature}).encode(), headers)


PROVIDERS: list[Any] = [AmazonSes(), Brevo(), Mailgun(), Mailjet(), Postmark(), SendGrid()]
