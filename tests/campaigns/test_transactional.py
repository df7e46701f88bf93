"""One message to one person by a call: decided and sent as a launch would, once, and with data of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connections

from campaigns.exemptions import approve_exemption, propose_exemption, withdraw_exemption
from campaigns.launches import expand_audience, launch_email
from campaigns.models import Campaign, Email, Exemption, Launch
from campaigns.services import LaunchRefused, save_email
from campaigns.transactional import TransactionalRefused, send_transactional
from common.tenancy import tenant
from consent.models import Topic
from consent.rules import ChoiceValue
from delivery.forgetting import forget_sent
from delivery.models import Mailing, MailingState, Message, MessageCall, MessageStatus
from delivery.sending import send_mailing
from delivery.services import cancel_mailing, suppress
from delivery.unknown import resolve_unknown
from privacy.services.erasure import erase_participant
from tests.campaigns.world import MakePerson, make_email
from tests.support.cast import Cast
from tests.support.smtp import SmtpServer
from tests.support.world import choose, make_topic, make_website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

BODY = (
    '<html><body><p>Dear {{ first_name }}, your order {{ data.order | default: "?" }}</p>'
    "{% for line in data.lines %}<p>{{ line }}</p>{% endfor %}"
    '<a href="https://shop.example.org/rye">Rye</a></body></html>'
)


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


@pytest.fixture
def topic(cast: Cast, now: datetime) -> Topic:
    """Of a website that measures whoever agreed."""
    website = make_website(cast.bakery, cast.ana, now=now, tracking=EmailTracking.BY_CONSENT)
    return make_topic(cast.bakery, website)


@pytest.fixture
def order(cast: Cast, campaign: Campaign, now: datetime) -> Email:
    fields = {"purpose": "transactional", "body": BODY, "body_format": "html", "preheader": ""}
    return make_email(cast.bakery, campaign, now=now, name="Order", subject="Order {{ data.order }}", **fields)


def change(cast: Cast, email: Email, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        save_email(cast.bakery, email, now=now)


def mailings(cast: Cast) -> list[Mailing]:
    with tenant(cast.bakery.pk):
        return list(Mailing.objects.order_by("pk"))


def send_all(cast: Cast, now: datetime) -> None:
    for mailing in mailings(cast):
        send_mailing(cast.bakery.pk, mailing.pk, clock=lambda: now + timedelta(seconds=1))


def statuses(cast: Cast) -> list[str]:
    with tenant(cast.bakery.pk):
        return list(Message.objects.order_by("pk").values_list("status", flat=True))


def test_it_arrives_with_data_of_its_own_which_is_forgotten_then(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    """H3: what a call says may be somebody's link; it is kept until it has left."""
    pia = player("pia")
    data = {"order": "A-7 <b>", "lines": ["2 rye", "1 boule"]}
    message = send_transactional(cast.bakery, order, pia, now=now, data=data)
    with tenant(cast.bakery.pk):
        assert MessageCall.objects.get(message=message).data == data
    send_all(cast, now)
    (got,) = server.messages()
    assert got.rcpt_to == "pia@mail.example.org"
    assert got.message["Subject"] == "Order A-7 <b>"
    assert "your order A-7 &lt;b&gt;" in got.html
    assert "<p>2 rye</p><p>1 boule</p>" in got.html
    assert "List-Unsubscribe" not in got.message
    assert statuses(cast) == ["sent"]
    with tenant(cast.bakery.pk):
        assert MessageCall.objects.get(message=message).data is None


def test_it_is_decided_as_a_launch_would_be(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    """S1, S2: a call is no way around anybody's choice."""
    yes, silent = player("yes"), player("silent")
    choose(cast.bakery, yes, now=now, opens=ChoiceValue.YES, clicks=ChoiceValue.YES)
    for person in (yes, silent):
        send_transactional(cast.bakery, order, person, now=now)
    send_all(cast, now)
    got = {one.rcpt_to.partition("@")[0]: one.html for one in server.messages()}
    assert got["yes"].count("https://pli.example/o/") == 1
    assert got["yes"].count("https://pli.example/c/") == 1
    assert "https://pli.example/o/" not in got["silent"]
    assert "https://pli.example/c/" not in got["silent"]


def test_a_person_gets_each_message_that_was_asked_for(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    """Each with keys of its own, though they wait together."""
    pia = player("pia")
    choose(cast.bakery, pia, now=now, opens=ChoiceValue.YES, clicks=ChoiceValue.YES)
    for number in range(3):
        send_transactional(cast.bakery, order, pia, now=now, data={"order": str(number)})
    send_all(cast, now)
    assert sorted(str(one.message["Subject"]) for one in server.messages()) == ["Order 0", "Order 1", "Order 2"]
    assert len(mailings(cast)) == 1
    with tenant(cast.bakery.pk):
        keys = {row.tracked_message.key for row in Message.objects.select_related("tracked_message")}
    assert len(keys) == 3


def test_the_same_key_again_is_the_same_message(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    pia = player("pia")
    first = send_transactional(cast.bakery, order, pia, now=now, data={"order": "1"}, idempotency_key="order-1")
    send_all(cast, now)
    again = send_transactional(cast.bakery, order, pia, now=now, data={"order": "1"}, idempotency_key="order-1")
    other = send_transactional(cast.bakery, order, pia, now=now, data={"order": "1"}, idempotency_key="order-2")
    send_all(cast, now)
    assert (first.pk, len(server.messages())) == (again.pk, 2)
    assert other.pk != first.pk
    with pytest.raises(TransactionalRefused, match="stands for another message"):
        send_transactional(cast.bakery, order, pia, now=now, data={"order": "9"}, idempotency_key="order-1")
    # Whatever names an order or a person is not kept as it is.
    with tenant(cast.bakery.pk):
        assert not MessageCall.objects.filter(digest__contains="order").exists()


def test_the_same_call_at_the_same_time_is_one_message(
    cast: Cast, order: Email, player: MakePerson, now: datetime
) -> None:
    pia, found = player("pia"), []
    barrier = threading.Barrier(4)

    def call() -> None:
        try:
            barrier.wait()
            found.append(send_transactional(cast.bakery, order, pia, now=now, idempotency_key="order-1").pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call) for _one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(mailings(cast)) == 1


def test_marketing_is_refused(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    with pytest.raises(TransactionalRefused, match="Marketing goes to the people who subscribed"):
        send_transactional(cast.bakery, email, subscriber("sue"), now=now)
    assert mailings(cast) == []


@pytest.mark.parametrize("purpose", ["authentication", "legal_notice"])
def test_other_purposes_that_answer_one_person_are_sent(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime, purpose: str
) -> None:
    order.purpose = purpose
    change(cast, order, now)
    send_transactional(cast.bakery, order, player("pia"), now=now)
    send_all(cast, now)
    assert len(server.messages()) == 1


def test_what_a_launch_would_be_refused_for_is_refused(
    cast: Cast, order: Email, player: MakePerson, now: datetime
) -> None:
    pia = player("pia")
    order.body = order.body.replace("</body>", '<img src="https://t.example/{{ data.order }}.gif"></body>')
    change(cast, order, now)
    with pytest.raises(TransactionalRefused, match="image"):
        send_transactional(cast.bakery, order, pia, now=now)
    order.body = BODY.replace("</body>", '<a href="{{ web_version_url }}">Browser</a></body>')
    change(cast, order, now)
    with pytest.raises(TransactionalRefused, match="no page in a browser"):
        send_transactional(cast.bakery, order, pia, now=now)
    assert mailings(cast) == []


def test_strangers_and_what_is_no_data_are_refused(cast: Cast, order: Email, player: MakePerson, now: datetime) -> None:
    pia = player("pia")
    with pytest.raises(TransactionalRefused, match="not one of yours"):
        send_transactional(cast.cinema, order, pia, now=now)
    for data in ({"when": now}, {"order": float("nan")}, {"order": "a\0b"}, {"order": "x" * 30_000}):
        with pytest.raises(TransactionalRefused, match="data"):
            send_transactional(cast.bakery, order, pia, now=now, data=data)


def test_a_changed_email_is_sent_as_it_is_now(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    pia = player("pia")
    send_transactional(cast.bakery, order, pia, now=now)
    with tenant(cast.bakery.pk):
        Email.objects.filter(pk=order.pk).update(subject="Your order")
    # Whatever the caller has read before.
    send_transactional(cast.bakery, order, pia, now=now)
    send_all(cast, now)
    assert sorted(str(one.message["Subject"]) for one in server.messages()) == ["Order", "Your order"]
    with tenant(cast.bakery.pk):
        assert Launch.objects.filter(email=order).count() == 2


def test_after_a_mailing_was_cancelled_a_call_begins_another(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    first = send_transactional(cast.bakery, order, player("one"), now=now, data={"order": "1"})
    cancel_mailing(cast.bakery, mailings(cast)[0], now=now)
    with tenant(cast.bakery.pk):
        assert MessageCall.objects.get(message=first).data is None
    send_transactional(cast.bakery, order, player("two"), now=now)
    send_all(cast, now)
    assert [one.rcpt_to for one in server.messages()] == ["two@mail.example.org"]
    assert [mailing.state for mailing in mailings(cast)] == [MailingState.CANCELLED, MailingState.DONE]


def test_an_address_that_accepts_no_mail_gets_none(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    gone, left = player("gone"), player("left")
    suppress(cast.bakery, gone.email_norm, reason="bounced", source="test", now=now)
    suppress(cast.bakery, left.email_norm, reason="unsubscribed", source="test", now=now)
    for person in (gone, left):
        send_transactional(cast.bakery, order, person, now=now)
    send_all(cast, now)
    assert statuses(cast) == [MessageStatus.SUPPRESSED, MessageStatus.SENT]


def test_nothing_is_sent_with_its_words_missing(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    """Somebody decides that a message in doubt is sent again, after its data was forgotten."""
    message = send_transactional(cast.bakery, order, player("pia"), now=now, data={"order": "1"})
    with tenant(cast.bakery.pk):
        MessageCall.objects.filter(message=message).update(data=None)
    send_all(cast, now)
    assert server.messages() == []
    with tenant(cast.bakery.pk):
        assert "forgotten" in Message.objects.get(pk=message.pk).error


def test_a_launch_still_gives_each_person_one(
    cast: Cast, email: Email, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    with tenant(cast.bakery.pk):
        launch = launch_email(cast.bakery, email, author=cast.max, now=now)
        Mailing.objects.filter(pk=launch.mailing_id).update(expanded_at=None)
        assert expand_audience(cast.bakery, launch, now=now) == 0
        assert Message.objects.count() == 1


def test_d2_an_erased_person_leaves_no_call(cast: Cast, order: Email, player: MakePerson, now: datetime) -> None:
    pia = player("pia")
    send_transactional(cast.bakery, order, pia, now=now, data={"order": "1"}, idempotency_key="k")
    with tenant(cast.bakery.pk):
        forget_sent(cast.bakery, pia, now=now)
        assert not MessageCall.objects.exists()
    assert statuses(cast) == ["cancelled"]


def test_an_email_that_needs_data_goes_to_no_audience(
    cast: Cast, order: Email, player: MakePerson, now: datetime
) -> None:
    player("pia")
    with tenant(cast.bakery.pk), pytest.raises(LaunchRefused, match=r"data\.order, data\.lines"):
        launch_email(cast.bakery, order, author=cast.max, now=now)


def test_d2_nothing_is_written_for_somebody_who_is_gone(
    cast: Cast, order: Email, player: MakePerson, now: datetime
) -> None:
    """The outbox has no foreign key that would notice."""
    pia = player("pia")
    erase_participant(cast.bakery, pia, actor=cast.dana, reason="test", now=now)
    with pytest.raises(TransactionalRefused, match="not one of yours"):
        send_transactional(cast.bakery, order, pia, now=now)
    with tenant(cast.bakery.pk):
        assert not Message.objects.exists()


def test_what_may_have_been_sent_keeps_its_data_until_somebody_decided(
    cast: Cast, order: Email, player: MakePerson, server: SmtpServer, now: datetime
) -> None:
    message = send_transactional(cast.bakery, order, player("pia"), now=now, data={"order": "1"})
    with tenant(cast.bakery.pk):
        Message.objects.update(status=MessageStatus.UNKNOWN, uncertain_at=now)
    send_all(cast, now)
    assert resolve_unknown(cast.bakery, [message.pk], resend=True, actor=cast.max, now=now).resent == 1
    send_all(cast, now)
    (got,) = server.messages()
    assert got.message["Subject"] == "Order 1"
    with tenant(cast.bakery.pk):
        assert MessageCall.objects.get(message=message).data is None


def test_counted_as_sent_its_data_is_forgotten(cast: Cast, order: Email, player: MakePerson, now: datetime) -> None:
    message = send_transactional(cast.bakery, order, player("pia"), now=now, data={"order": "1"})
    with tenant(cast.bakery.pk):
        Message.objects.update(status=MessageStatus.UNKNOWN, uncertain_at=now)
    resolve_unknown(cast.bakery, [message.pk], resend=False, actor=cast.max, now=now)
    with tenant(cast.bakery.pk):
        assert MessageCall.objects.get(message=message).data is None


def test_s6_withdrawn_and_approved_again_it_is_measured_again(
    cast: Cast, order: Email, player: MakePerson, now: datetime
) -> None:
    order.purpose = "authentication"
    change(cast, order, now)

    def approve() -> Exemption:
        with tenant(cast.bakery.pk):
            asked = propose_exemption(cast.bakery, order, reason="A code", author=cast.max, now=now)
            return approve_exemption(cast.bakery, asked, author=cast.dana, now=now, note="Nothing else.")

    first = approve()
    send_transactional(cast.bakery, order, player("pia"), now=now)
    with tenant(cast.bakery.pk):
        withdraw_exemption(cast.bakery, first, author=cast.max, now=now)
    approve()
    send_transactional(cast.bakery, order, player("pam"), now=now)
    assert [mailing.exempt_approved for mailing in mailings(cast)] == [False, True]
