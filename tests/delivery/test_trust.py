"""Rule S11: which account evidence is about, whose server needs some, and which websites ask for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from common.tenancy import tenant
from delivery.connection_models import Connection, GuardCheck, WebsiteConnection
from delivery.connections import attest, built_in, seal_secrets, way_for, why_not_send
from delivery.models import MailingState
from delivery.trust import account_digest
from tests.delivery.world import World, by_name
from tests.support.smtp import SmtpServer
from tests.support.world import make_website
from websites.rules import EmailTracking
from websites.services import stop_measuring

pytestmark = pytest.mark.django_db

CONFIRMED = "Settings > Tracking: both switched off."


def brevo(world: World, **fields: Any) -> Connection:
    row = Connection(organization=world.cast.bakery, name="Brevo", **{"kind": "esp", "provider": "brevo", **fields})
    seal_secrets(row, {"api_key": "first"})
    with tenant(world.cast.bakery.pk):
        row.save()
        WebsiteConnection.objects.create(organization=world.cast.bakery, website=world.website, connection=row)
    return row


def refusal(world: World) -> str:
    return why_not_send(world.cast.bakery, world.website, now=world.time)


def keep(world: World, row: Connection, **fields: Any) -> None:
    """Changed as its form does."""
    for name, value in fields.items():
        setattr(row, name, value)
    with tenant(world.cast.bakery.pk):
        row.save()


@pytest.mark.parametrize(
    ("kind", "change", "is_other"),
    [
        ({}, {"options": {"api_url": "https://other.example/"}}, True),
        ({}, {"name": "Brevo, new", "per_second": 3.0}, False),
        ({"kind": "smtp", "provider": "", "host": "smtp-relay.brevo.com"}, {"host": "in.mailjet.com"}, True),
        ({"kind": "smtp", "provider": "", "host": "smtp-relay.brevo.com"}, {"username": "another"}, True),
        ({"kind": "smtp", "provider": "", "host": "smtp-relay.brevo.com"}, {"port": 2525}, False),
    ],
)
def test_s11_a_confirmation_is_about_the_account_of_its_day(
    world: World, kind: dict[str, Any], change: dict[str, Any], is_other: bool
) -> None:
    row = brevo(world, **kind)
    attest(world.cast.bakery, row, author=world.cast.ana, text=CONFIRMED, now=world.time)
    assert refusal(world) == ""
    keep(world, row, **change)
    assert bool(refusal(world)) is is_other


def test_s11_another_key_may_be_anothers_account(world: World) -> None:
    row = brevo(world)
    attest(world.cast.bakery, row, author=world.cast.ana, text=CONFIRMED, now=world.time)
    seal_secrets(row, {"hook_password": "new"})
    keep(world, row)
    assert refusal(world) == ""
    seal_secrets(row, {"api_key": "second"})
    keep(world, row)
    assert "can add tracking of its own" in refusal(world)


def saw(world: World, row: Connection, state: str, **fields: Any) -> None:
    values = {"account": account_digest(row), "sent_at": world.time, "judged_at": world.time, **fields}
    with tenant(world.cast.bakery.pk):
        GuardCheck.objects.create(organization=world.cast.bakery, connection=row, state=state, **values)


def test_s11_what_a_canary_proved_is_about_the_account_that_it_took(world: World) -> None:
    row = brevo(world, kind="smtp", provider="", host="smtp-relay.brevo.com")
    saw(world, row, "clean")
    assert refusal(world) == ""
    keep(world, row, host="smtp-relay.sendinblue.com")
    assert "can add tracking of its own" in refusal(world)
    # Back where it was seen, it counts again.
    keep(world, row, host="smtp-relay.brevo.com")
    assert refusal(world) == ""


def test_s11_a_leak_is_known_until_the_account_of_today_is_seen_clean(world: World) -> None:
    row = brevo(world, kind="smtp", provider="", host="mail.bread.example", username="bakery")
    assert refusal(world) == ""
    saw(world, row, "leaky")
    earlier = account_digest(row)
    keep(world, row, username="bakery-2")
    assert "changed the leak guard's newest message" in refusal(world)
    world.time += timedelta(hours=1)
    saw(world, row, "clean", account=earlier)
    assert "changed the leak guard's newest message" in refusal(world), "the other account's"
    saw(world, row, "clean")
    assert refusal(world) == ""


def test_s11_a_leak_from_before_accounts_were_noted_is_known(world: World) -> None:
    row = brevo(world, kind="smtp", provider="", host="mail.bread.example")
    saw(world, row, "leaky", account="")
    assert "changed the leak guard's newest message" in refusal(world)


def test_s11_another_password_at_a_sending_service_may_be_anothers_account(world: World) -> None:
    row = brevo(world, kind="smtp", provider="", host="smtp.resend.com", username="resend")
    seal_secrets(row, {"password": "first"})
    keep(world, row)
    attest(world.cast.bakery, row, author=world.cast.ana, text=CONFIRMED, now=world.time)
    assert refusal(world) == ""
    seal_secrets(row, {"password": "second"})
    keep(world, row)
    assert "can add tracking of its own" in refusal(world)


def test_s11_a_new_secret_of_the_installation_takes_nobodys_word_back(world: World, settings: LazySettings) -> None:
    row = brevo(world, kind="smtp", provider="", host="smtp.resend.com", username="resend")
    attest(world.cast.bakery, row, author=world.cast.ana, text=CONFIRMED, now=world.time)
    settings.PLI_SECRET_KEYS = [f"first of {len(settings.PLI_SECRET_KEYS)}, long enough", *settings.PLI_SECRET_KEYS]
    assert refusal(world) == ""


def test_s11_the_operators_sending_service_needs_trust_too(world: World, settings) -> None:
    settings.SMTP_URL = "smtp+starttls://bakery:secret@smtp-relay.brevo.com:587"
    mailing = world.mailing([world.person("a")])
    assert "Brevo can add tracking of its own" in refusal(world)
    world.send(mailing, minutes=1)
    assert world.state(mailing).state == MailingState.PAUSED
    row = built_in(world.cast.bakery)
    attest(world.cast.bakery, row, author=world.cast.ana, text=CONFIRMED, now=world.time)
    assert refusal(world) == ""
    assert way_for(world.cast.bakery, world.website, now=world.time).connection == row
    settings.SMTP_URL = "smtp+starttls://bakery:another@smtp-relay.brevo.com:587"
    assert "Brevo can add tracking of its own" in refusal(world)
    settings.SMTP_URL = "smtp+starttls://bakery:secret@in-v3.mailjet.com:587"
    assert "Mailjet can add tracking of its own" in refusal(world)
    settings.SMTP_URL = "smtp://mail.bread.example"
    assert refusal(world) == ""


def test_s11_what_the_guard_saw_of_the_installations_server_counts_where_no_other_was_chosen(
    world: World, server: SmtpServer
) -> None:
    row = built_in(world.cast.bakery)
    with tenant(world.cast.bakery.pk):
        GuardCheck.objects.create(
            organization=world.cast.bakery, connection=row, account=account_digest(row), state="leaky",
            sent_at=world.time, judged_at=world.time,
        )  # fmt: skip
    assert "changed the leak guard's newest message" in refusal(world)


def test_what_is_set_for_the_installations_server_holds_where_no_other_was_chosen(
    world: World, server: SmtpServer
) -> None:
    keep(world, built_in(world.cast.bakery), bounce_address="returns@post.bread.example")
    mailing = world.mailing([world.person("a")])
    world.send(mailing, minutes=1)
    assert by_name(server)["a"].mail_from.startswith("returns+")


def test_s11_a_website_that_tracks_everybody_asks_for_trust_while_it_is_stopped(world: World, now: datetime) -> None:
    bakery, ana = world.cast.bakery, world.cast.ana
    website = make_website(bakery, ana, now=now, name="All", country="CH", tracking=EmailTracking.ALWAYS)
    row = brevo(world)
    with tenant(bakery.pk):
        WebsiteConnection.objects.create(organization=bakery, website=website, connection=row)
        assert why_not_send(bakery, website, now=world.time) == ""
        stop_measuring(bakery, website, reason="test", author=ana, now=now + timedelta(seconds=1))
        assert "can add tracking of its own" in why_not_send(bakery, website, now=world.time)


def test_s11_s7_a_website_that_must_ask_asks_for_trust_whatever_it_is_set_to(world: World, now: datetime) -> None:
    """As when its legal justification has ended."""
    bakery = world.cast.bakery
    website = make_website(bakery, world.cast.ana, now=now, name="All", country="CH", tracking=EmailTracking.ALWAYS)
    row = brevo(world)
    with tenant(bakery.pk):
        WebsiteConnection.objects.create(organization=bakery, website=website, connection=row)
        assert why_not_send(bakery, website, now=world.time) == ""
        type(website).objects.filter(pk=website.pk).update(country="FR")
        website.refresh_from_db()
        assert "can add tracking of its own" in why_not_send(bakery, website, now=world.time)
