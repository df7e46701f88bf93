"""Which way a website's mail takes: by trust (rule S11), by what is broken, by how fast it may go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import IntegrityError, connections, transaction
from django.utils.translation import override

from accounts.models import Organization
from common.tenancy import tenant
from delivery.connection_models import Connection, ConnectionDay, DkimKey, GuardCheck, WebsiteConnection
from delivery.connections import (
    ConnectionRefused,
    NoWayError,
    attest,
    built_in,
    delete_connection,
    seal_secrets,
    secrets_of,
    take_attestation_back,
    way_for,
    why_not_send,
)
from delivery.models import MailingState, Message
from delivery.providers import FAILURES_UNTIL_BROKEN
from delivery.services import resume_mailing
from delivery.signing import create_dkim_key
from delivery.throttle import take
from delivery.transports import EspAccount, SmtpAccount
from delivery.trust import account_digest
from tests.delivery.world import World, by_name
from tests.support.smtp import SmtpServer
from tests.support.world import make_website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loopback(settings) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://pli.example"


@pytest.fixture
def second(tmp_path: Path) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "second") as running:
        yield running


def connection(organization: Organization, name: str = "Relay", *, password: str = "", **fields: Any) -> Connection:
    fields = {"kind": "smtp", "security": "smtp", "host": "127.0.0.1", **fields}
    row = Connection(organization=organization, name=name, **fields)
    seal_secrets(row, {"password": password})
    with tenant(organization.pk):
        row.save()
    return row


def through(server: SmtpServer, world: World, name: str = "Relay", **fields: Any) -> Connection:
    return connection(world.cast.bakery, name, port=server.port, **fields)


def use(world: World, first: Connection, fallback: Connection | None = None) -> None:
    with tenant(world.cast.bakery.pk):
        WebsiteConnection.objects.update_or_create(
            website=world.website,
            defaults={"organization": world.cast.bakery, "connection": first, "fallback": fallback},
        )


def fresh(row: Connection) -> Connection:
    with tenant(row.organization_id):
        return Connection.objects.select_related("organization").get(pk=row.pk)


# --- Credentials ------------------------------------------------------------------------------------------------------


def test_credentials_are_sealed_and_an_empty_field_keeps_them(world: World) -> None:
    row = connection(world.cast.bakery, password="swordfish")
    assert "swordfish" not in row.sealed
    seal_secrets(row, {"password": ""})
    assert secrets_of(row) == {"password": "swordfish"}


def test_a_connection_in_use_is_not_deleted(world: World) -> None:
    row = connection(world.cast.bakery)
    use(world, row)
    with pytest.raises(ConnectionRefused, match="Daily bread"):
        delete_connection(world.cast.bakery, row)
    with pytest.raises(ConnectionRefused, match="installation"):
        delete_connection(world.cast.bakery, built_in(world.cast.bakery))
    with tenant(world.cast.bakery.pk):
        WebsiteConnection.objects.all().delete()
    delete_connection(world.cast.bakery, row)


def test_the_installations_server_has_one_row_whatever_else_has_its_name(world: World) -> None:
    connection(world.cast.bakery, "Mail server of this installation")
    row = built_in(world.cast.bakery)
    with override("fr"):
        assert built_in(world.cast.bakery) == row
    with pytest.raises(IntegrityError), tenant(world.cast.bakery.pk):
        Connection.objects.create(organization=world.cast.bakery, kind="builtin", name="Another")


def test_whether_something_could_leave_is_asked_without_a_trace(world: World, settings) -> None:
    settings.SMTP_URL = "smtp+starttls://bakery:secret@smtp-relay.brevo.com:587"
    assert "Brevo can add tracking" in why_not_send(world.cast.bakery, world.website, now=world.time)
    with tenant(world.cast.bakery.pk):
        assert not Connection.objects.exists()


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_two_rows_of_the_installations_server_become_one(world: World) -> None:
    migration = import_module("delivery.migrations.0027_one_built_in_connection")
    bakery, row = world.cast.bakery, built_in(world.cast.bakery)
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("DROP INDEX one_built_in_connection")
        double = Connection(organization=bakery, kind="builtin", name="Another", is_default=True)
        double.save(using="owner")
        used = WebsiteConnection(organization=bakery, website=world.website)
        used.connection_id, used.fallback_id = row.pk, double.pk
        used.save(using="owner")
        for one, sent in ((row, 3), (double, 4)):
            ConnectionDay(organization=bakery, connection_id=one.pk, day=world.time.date(), sent=sent).save(
                using="owner"
            )
        cursor.execute(migration.MERGE)
        assert Connection.objects.using("owner").get(organization=bakery) == double
        used = WebsiteConnection.objects.using("owner").get(organization=bakery)
        assert (used.connection_id, used.fallback_id) == (double.pk, None)
        assert ConnectionDay.objects.using("owner").get(organization=bakery).sent == 7
        transaction.set_rollback(True, using="owner")


# --- Which way --------------------------------------------------------------------------------------------------------


def test_a_website_takes_its_own_connection_else_the_default_else_the_installations(world: World, settings) -> None:
    settings.SMTP_URL = "smtp://operator.example"
    bakery = world.cast.bakery
    assert way_for(bakery, world.website, now=world.time).account == SmtpAccount("operator.example", 25)
    connection(bakery, "Default", is_default=True, port=2)
    way = way_for(bakery, world.website, now=world.time)
    assert isinstance(way.account, SmtpAccount)
    assert (way.account.port, way.account.is_judged) == (2, True)
    esp = connection(bakery, "Mailgun", kind="esp", provider="mailgun", options={"sender_domain": "mg.bread.example"})
    use(world, esp)
    assert way_for(bakery, world.website, now=world.time).account == EspAccount(
        "mailgun", {"sender_domain": "mg.bread.example"}
    )
    use(world, built_in(bakery))
    assert way_for(bakery, world.website, now=world.time).account == SmtpAccount("operator.example", 25)


def test_what_leaves_carries_the_connection_its_bounce_address_and_a_signature(
    world: World, server: SmtpServer
) -> None:
    row = through(server, world, bounce_address="returns@post.bread.example")
    use(world, row)
    key = create_dkim_key(world.cast.bakery, "bread.example", algorithm="ed25519", now=world.time)
    mailing = world.mailing([world.person("a")])
    with tenant(world.cast.bakery.pk):
        DkimKey.objects.filter(pk=key.pk).update(signs_since=world.time)
    world.send(mailing, minutes=1)
    received = by_name(server)["a"]
    message = world.rows(mailing)["a"]
    assert received.mail_from == f"returns+{message.reference.hex}@post.bread.example"
    assert received.raw.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=bread.example")
    assert message.connection_id == row.pk


# --- Rule S11 ---------------------------------------------------------------------------------------------------------


def test_s11_an_untrusted_connection_sends_nothing_for_a_website_that_promised_something(world: World) -> None:
    bakery, ana = world.cast.bakery, world.cast.ana
    row = connection(bakery, "Brevo", kind="esp", provider="brevo")
    use(world, row)
    mailing = world.mailing([world.person("a")])
    assert "Brevo can add tracking of its own" in why_not_send(bakery, world.website, now=world.time)
    world.send(mailing, minutes=1)
    paused = world.state(mailing)
    assert paused.state == MailingState.PAUSED
    assert "Brevo can add tracking" in paused.pause_reason
    assert world.statuses(mailing) == {"a": "queued"}
    with pytest.raises(ConnectionRefused):
        attest(bakery, row, author=ana, text="ok", now=world.time)
    attest(bakery, row, author=ana, text="Settings > Tracking: both switched off.", now=world.time)
    assert why_not_send(bakery, world.website, now=world.time) == ""
    assert way_for(bakery, world.website, now=world.time).connection == row
    take_attestation_back(bakery, row, author=ana, now=world.time)
    with pytest.raises(NoWayError):
        way_for(bakery, world.website, now=world.time)


def test_s11_the_mail_server_of_a_service_is_refused_like_the_service(world: World) -> None:
    use(world, connection(world.cast.bakery, "Relay", host="smtp-relay.brevo.com"))
    assert "Brevo can add tracking" in why_not_send(world.cast.bakery, world.website, now=world.time)


def test_s11_a_website_that_tracks_everybody_takes_any_connection(world: World, now: datetime) -> None:
    bakery = world.cast.bakery
    website = make_website(bakery, world.cast.ana, now=now, name="All", country="CH", tracking=EmailTracking.ALWAYS)
    row = connection(bakery, "Brevo", kind="esp", provider="brevo")
    with tenant(bakery.pk):
        WebsiteConnection.objects.create(organization=bakery, website=website, connection=row)
    assert why_not_send(bakery, website, now=world.time) == ""


def test_s11_a_canary_that_was_changed_stops_a_trusted_connection(world: World, server: SmtpServer) -> None:
    row = through(server, world)
    use(world, row)
    with tenant(world.cast.bakery.pk):
        GuardCheck.objects.create(
            organization=world.cast.bakery,
            connection=row,
            account=account_digest(row),
            state="leaky",
            sent_at=world.time,
            judged_at=world.time,
        )
    assert "changed the leak guard's newest message" in why_not_send(world.cast.bakery, world.website, now=world.time)


# --- The circuit breaker and the fallback -----------------------------------------------------------------------------


def test_a_broken_connection_rests_is_tried_with_one_run_and_comes_back(world: World, server: SmtpServer) -> None:
    row = through(server, world)
    use(world, row)
    mailing = world.mailing([world.person(name) for name in "abc"])
    server.kill()
    for _try in range(FAILURES_UNTIL_BROKEN):
        assert fresh(row).broken_since is None
        world.send(mailing, seconds=5)
    broken = fresh(row)
    assert broken.broken_since == world.time
    assert "refused" in broken.broken_words
    server.start()
    # It works again, but nobody tries before its time.
    world.send(mailing, seconds=5)
    assert set(world.statuses(mailing).values()) == {"queued"}
    assert "Relay is out of order" in world.state(mailing).pause_reason
    world.send(mailing, minutes=1)
    assert set(world.statuses(mailing).values()) == {"sent"}
    mended = fresh(row)
    assert (mended.broken_since, mended.failures, mended.probe_at) == (None, 0, None)


def test_only_one_run_at_a_time_tries_a_broken_connection(world: World) -> None:
    row = connection(
        world.cast.bakery, port=1, broken_since=world.time, broken_words="away", probe_at=world.time, failures=5
    )
    use(world, row)
    assert way_for(world.cast.bakery, world.website, now=world.time).is_probe
    with pytest.raises(NoWayError, match="out of order") as caught:
        way_for(world.cast.bakery, world.website, now=world.time)
    assert not caught.value.lasting


def test_the_fallback_takes_over_when_the_first_one_is_broken(
    world: World, server: SmtpServer, second: SmtpServer
) -> None:
    first, other = through(server, world, "First"), through(second, world, "Other")
    use(world, first, other)
    mailing = world.mailing([world.person(name) for name in "abc"])
    server.kill()
    for _try in range(FAILURES_UNTIL_BROKEN):
        progress = world.send(mailing, seconds=5)
    assert progress.more_due
    world.send(mailing, seconds=5)
    assert set(world.statuses(mailing).values()) == {"sent"}
    assert len(second.messages()) == 3
    assert {row.connection_id for row in world.rows(mailing).values()} == {other.pk}


def test_a_refused_sign_in_goes_to_the_fallback_at_once(world: World, tmp_path: Path, second: SmtpServer) -> None:
    with SmtpServer(tmp_path / "closed", auth=("ana", "right")) as closed:
        first = through(closed, world, "First", username="ana", password="wrong")
        use(world, first, through(second, world, "Other"))
        mailing = world.mailing([world.person("a")])
        assert world.send(mailing, minutes=1).more_due
        world.send(mailing, seconds=1)
    assert world.statuses(mailing) == {"a": "sent"}
    assert fresh(first).broken_words.startswith("535")


def test_s11_an_untrusted_fallback_is_not_taken(world: World, server: SmtpServer) -> None:
    first = through(server, world, "First", broken_since=world.time, broken_words="away", probe_at=None)
    use(world, first, connection(world.cast.bakery, "Brevo", kind="esp", provider="brevo"))
    with pytest.raises(NoWayError):
        way_for(world.cast.bakery, world.website, now=world.time)


# --- How fast ---------------------------------------------------------------------------------------------------------


def test_tokens_are_shared_and_come_back_with_time() -> None:
    first = take("test-a", rate=5, want=3)
    rest = take("test-a", rate=5, want=9, reserve=True)
    assert (first.granted, rest.granted) == (3, 2)
    assert rest.wait > 0
    steps = [later - earlier for earlier, later in zip(rest.later, rest.later[1:], strict=False)]
    assert all(step == pytest.approx(0.2, abs=0.01) for step in steps)
    assert take("test-b", rate=0.5, want=2).granted == 1


def test_without_redis_messages_leave_slower_and_not_faster(settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    taken = take("test-c", rate=8, want=10, reserve=True)
    assert taken.granted == 2
    assert len(taken.later) == 8


def test_a_recipients_server_gets_no_more_than_it_takes(world: World, server: SmtpServer, settings) -> None:
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    use(world, through(server, world, per_domain={"example.org": 2}))
    mailing = world.mailing([world.person(name) for name in "abcdef"])
    world.send(mailing, minutes=1)
    statuses = sorted(world.statuses(mailing).values())
    assert statuses.count("sent") == 2
    with tenant(world.cast.bakery.pk):
        waiting = Message.objects.filter(status="queued").order_by("due_at")
        due = [message.due_at - world.time for message in waiting]
        assert {message.attempts for message in waiting} == {0}
    # One after the other, as the rate says.
    assert [round(one.total_seconds(), 1) for one in due] == [0.5, 1.0, 1.5, 2.0]


def test_a_connection_has_a_rate_for_all(world: World, server: SmtpServer, settings) -> None:
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    use(world, through(server, world, per_second=20.0))
    mailing = world.mailing([world.person(f"p{number}") for number in range(25)])
    progress = world.send(mailing, minutes=1)
    # The first second's worth at once, the other five as they come.
    assert progress.counts["sent"] == 25
    assert set(world.statuses(mailing).values()) == {"sent"}


def test_a_connection_that_warms_up_takes_so_many_a_day(world: World, server: SmtpServer) -> None:
    row = through(server, world, warmup_from=world.time.date(), warmup_first=4)
    use(world, row)
    mailing = world.mailing([world.person(f"p{number}") for number in range(9)])
    world.send(mailing, minutes=1)
    world.send(mailing, minutes=1)
    assert len(server.messages()) == 4
    assert "warms up" in world.state(mailing).pause_reason
    world.send(mailing, days=1)
    assert len(server.messages()) == 9
    with tenant(world.cast.bakery.pk):
        assert [day.sent for day in ConnectionDay.objects.order_by("day")] == [4, 5]
    assert world.state(mailing).state == MailingState.DONE


def test_a_paused_mailing_goes_on_once_somebody_vouched(world: World, server: SmtpServer) -> None:
    row = through(server, world)
    use(world, row)
    with tenant(world.cast.bakery.pk):
        check = GuardCheck.objects.create(
            organization=world.cast.bakery,
            connection=row,
            account=account_digest(row),
            state="leaky",
            sent_at=world.time,
            judged_at=world.time,
        )
    mailing = world.mailing([world.person("a")])
    world.send(mailing, minutes=1)
    assert world.state(mailing).state == MailingState.PAUSED
    with tenant(world.cast.bakery.pk):
        GuardCheck.objects.filter(pk=check.pk).update(state="clean", judged_at=world.time - timedelta(hours=1))
    resume_mailing(world.cast.bakery, mailing, now=world.time)
    world.send(mailing, minutes=1)
    assert world.statuses(mailing) == {"a": "sent"}
