"""What sending services report, with payloads as their documentation shows them.

For each: forged is refused, again is harmless, opens and clicks are dropped and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from django.core.cache import cache
from django.test import Client

from common.keys import new_key
from common.tenancy import tenant
from delivery.connection_models import Connection, News, ProviderNews
from delivery.connections import seal_secrets
from delivery.models import Message, MessageStatus, Suppression
from delivery.sns import cache_key, is_amazons
from delivery.transports.smtp import Outcome, Result
from tests.delivery.provider_posts import (
    AMAZON_KEY,
    CERTIFICATE_URL,
    PROVIDERS,
    TOPIC,
    AmazonSes,
    Brevo,
    Mailjet,
    Posted,
    SendGrid,
    basic,
)
from tests.delivery.world import World

pytestmark = pytest.mark.django_db


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
        Message.objects.update(status=status, sent_at=world.time, connection=connection, reference=new_key())
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
