"""What sending services report, with payloads as their documentation shows them.

For each: forged is refused, again is harmless, opens and clicks are dropped and counted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from django.core.cache import cache
from django.test import Client

from common.tenancy import tenant
from delivery.connection_models import Connection, News, ProviderNews
from delivery.connections import seal_secrets
from delivery.models import Message, MessageStatus, Suppression
from delivery.sns import cache_key, is_amazons
from delivery.transports.smtp import Outcome, Result
from tests.delivery.world import World

pytestmark = pytest.mark.django_db

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


@dataclass
class Scene:
    """A message that left through a connection, and the door that its service reports to."""

    world: World
    connection: Connection
    provider: Any

    def tell(self, posted: Posted) -> int:
        response = Client().post(
            f"/hooks/{self.connection.hook_key.hex}/", posted.body, "application/json", headers=posted.headers
        )
        return response.status_code

    def report(self, kind: str, *, forged: bool = False) -> int:
        return self.tell(self.provider.post(kind, self.message.reference.hex, "a@example.org", forged=forged))

    @property
    def message(self) -> Message:
        with tenant(self.world.cast.bakery.pk):
            return Message.objects.select_related("participant").get()

    @property
    def row(self) -> Connection:
        with tenant(self.world.cast.bakery.pk):
            return Connection.objects.get(pk=self.connection.pk)

    def suppressed(self) -> set[tuple[str, str]]:
        with tenant(self.world.cast.bakery.pk):
            return set(Suppression.objects.values_list("email_norm", "reason"))

    def news(self) -> int:
        with tenant(self.world.cast.bakery.pk):
            return ProviderNews.objects.count()


def make_scene(world: World, provider: Any, *, status: str = MessageStatus.SENT) -> Scene:
    bakery = world.cast.bakery
    connection = Connection(
        organization=bakery, name="Service", kind="esp", provider=provider.key, options=provider.options
    )
    seal_secrets(connection, provider.secrets)
    world.mailing([world.person("a")])
    with tenant(bakery.pk):
        connection.save()
        Message.objects.update(status=status, sent_at=world.time, connection=connection)
        connection.refresh_from_db()
    return Scene(world, connection, provider)


@pytest.fixture(autouse=True)
def _amazons_certificate() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(AMAZON_KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(AMAZON_KEY, hashes.SHA256())
    )
    cache.set(cache_key(CERTIFICATE_URL), certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.key)
def scene(request: pytest.FixtureRequest, world: World) -> Scene:
    return make_scene(world, request.param)


def test_each_kind_of_news_lands_on_its_message(scene: Scene) -> None:
    for kind in ("deferred", "soft_bounce", "delivered", "hard_bounce", "complained"):
        if kind not in scene.provider.kinds:
            continue
        assert scene.report(kind) == 200
        message = scene.message
        assert message.news == kind
        assert message.status == MessageStatus.SENT
        assert "@" not in message.news_words
    assert scene.suppressed() == {("a@example.org", "bounced"), ("a@example.org", "complained")}


def test_forged_news_are_refused_counted_and_change_nothing(scene: Scene) -> None:
    assert scene.report("hard_bounce", forged=True) == 403
    unsigned = scene.provider.post("hard_bounce", scene.message.reference.hex, "a@example.org")
    assert scene.tell(Posted(unsigned.body.replace(b"signature", b"x").replace(b'"Signature"', b'"x"'))) == 403
    assert scene.tell(Posted(b"{}")) == 403
    assert scene.tell(Posted(b"\xff not json", basic())) == 403
    assert scene.row.refused_news == 4
    assert scene.message.news == ""
    assert scene.suppressed() == set()


def test_news_that_come_again_are_harmless(scene: Scene) -> None:
    posted = scene.provider.post("hard_bounce", scene.message.reference.hex, "a@example.org")
    assert [scene.tell(posted) for _again in range(3)] == [200] * 3
    assert scene.news() == 1
    assert scene.suppressed() == {("a@example.org", "bounced")}
    # What is milder and comes late undoes nothing.
    scene.report("delivered")
    assert scene.message.news == News.HARD_BOUNCE


def test_s11_opens_and_clicks_are_dropped_and_counted_as_dropped(scene: Scene) -> None:
    assert scene.report("opened") == 200
    assert scene.report("clicked") == 200
    assert scene.report("clicked") == 200
    row = scene.row
    assert (row.dropped_opens, row.dropped_clicks) == (1, 2)
    assert scene.news() == 0
    assert (scene.message.news, scene.suppressed()) == ("", set())


def test_news_settle_what_may_have_been_sent(world: World) -> None:
    scene = make_scene(world, Brevo(), status=MessageStatus.UNKNOWN)
    scene.report("delivered")
    assert (scene.message.status, scene.message.news) == (MessageStatus.SENT, News.DELIVERED)


def test_a_message_is_found_by_the_services_own_name_for_it(world: World) -> None:
    scene = make_scene(world, Mailjet())
    with tenant(world.cast.bakery.pk):
        Message.objects.update(provider_id="19421777835146490")
    posted = Mailjet().post("delivered", "", "a@example.org")
    assert scene.tell(posted) == 200
    assert scene.message.news == News.DELIVERED
    assert Outcome(1, Result.ACCEPTED, provider_id="19421777835146490").provider_id


def test_news_of_a_stranger_suppress_nobody(world: World) -> None:
    scene = make_scene(world, Brevo())
    posted = Brevo().post("hard_bounce", "0" * 32, "somebody@else.example")
    assert scene.tell(posted) == 200
    assert scene.suppressed() == set()


def test_sendgrid_without_a_key_to_check_is_refused(world: World) -> None:
    scene = make_scene(world, SendGrid())
    with tenant(world.cast.bakery.pk):
        Connection.objects.update(sealed="")
    assert scene.report("hard_bounce") == 403


def test_a_service_whose_news_pli_cannot_get_is_refused(world: World) -> None:
    scene = make_scene(world, Brevo())
    with tenant(world.cast.bakery.pk):
        Connection.objects.update(provider="scaleway")
    assert scene.report("delivered") == 403


def test_another_topic_of_amazon_is_not_ours(world: World) -> None:
    scene = make_scene(world, AmazonSes())
    with tenant(world.cast.bakery.pk):
        Connection.objects.update(options={"sns_topic_arn": TOPIC + "-of-others"})
    assert scene.report("delivered") == 403
    with tenant(world.cast.bakery.pk):
        Connection.objects.update(options={})
    assert scene.report("delivered") == 403


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem", "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem", "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "https://user@sns.eu-west-1.amazonaws.com/a.pem", "https://s3.eu-west-1.amazonaws.com/a.pem",
    ],
)  # fmt: skip
def test_certificates_come_from_amazons_own_hosts_only(url: str) -> None:
    assert not is_amazons(url)
    assert is_amazons(CERTIFICATE_URL)


def test_a_wrong_address_is_no_door(db: None) -> None:
    assert Client().post("/hooks/" + "0" * 32 + "/").status_code == 404
    assert Client().post("/hooks/nothing/").status_code == 404
