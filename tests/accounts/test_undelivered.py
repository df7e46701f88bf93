"""Mail that no server takes: invitations come to an end, and nobody is told twice because somebody else is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from accounts import invitations
from accounts.impersonation import WORTH_TELLING, start_impersonation, tell_of_impersonations
from accounts.models import AuditEntry, Impersonation, Invitation, User
from accounts.services import add_member
from common.tenancy import call_door, tenant
from tests.support.cast import PASSWORD, Cast
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db
MEMBERS = "/console/accounts/membership/"
EVE = "eve@home.example"


@pytest.fixture(autouse=True)
def _mail_leaves(settings: LazySettings) -> None:
    """pytest-django keeps mail here."""
    settings.MAILERS = {"default": {"BACKEND": "delivery.transports.MemberMailBackend"}}


@pytest.fixture
def server(settings: LazySettings, tmp_path: Path) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path) as running:
        settings.SMTP_URL = running.url
        yield running


@pytest.fixture
def ana(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.ana)
    return client


def invited(cast: Cast, ana: Client) -> Invitation:
    ana.post(f"{MEMBERS}invite/", {"email": EVE, "role": "viewer"})
    return stored(cast)


def stored(cast: Cast) -> Invitation:
    with tenant(cast.bakery.pk):
        return Invitation.objects.get(email=EVE)


def send(cast: Cast, invitation: Invitation, *, now: datetime) -> bool:
    return invitations.mail_invitation(cast.bakery.pk, invitation.pk, now=now)


def looked_after(cast: Cast, now: datetime) -> bool:
    return (cast.bakery.pk,) in call_door("door_members_to_look_after", [now])


def test_an_address_that_no_server_takes_is_asked_once_and_shown(cast: Cast, ana: Client, server: SmtpServer) -> None:
    server.behave(refuse={EVE: "550 No such user"})
    invitation, now = invited(cast, ana), timezone.now()
    assert looked_after(cast, now)
    assert not send(cast, invitation, now=now)
    assert not looked_after(cast, now + timedelta(days=1))
    assert not send(cast, invitation, now=now + timedelta(days=1))
    assert "Not delivered." in ana.get(MEMBERS).content.decode()
    with tenant(cast.bakery.pk):
        assert AuditEntry.objects.get(action="member:invite:fail").target == EVE
    assert stored(cast).key_hash is None
    server.behave()
    ana.post(f"{MEMBERS}invitations/{invitation.pk}/resend/")
    assert send(cast, invitation, now=now)
    (received,) = server.messages()
    (link,) = re.findall(r"https?://[^/\s]+(/accounts/invitation/\S+)", received.text)
    assert Client().get(link).status_code == 200
    assert "Not delivered." not in ana.get(MEMBERS).content.decode()


def test_a_server_that_is_away_is_asked_a_few_times(cast: Cast, ana: Client, settings: LazySettings) -> None:
    settings.SMTP_URL = "smtp://127.0.0.1:1"
    invitation, now = invited(cast, ana), timezone.now()
    due = [0, *accumulate(invitations.MINUTES_BETWEEN)]
    tried = []
    for minute in sorted({*due, *(minute - 1 for minute in due[2:])}):
        before, moment = stored(cast).failures, now + timedelta(minutes=minute)
        assert looked_after(cast, moment)
        send(cast, invitation, now=moment)
        tried += [minute] * (stored(cast).failures - before)
        if minute == due[1]:
            assert "is tried again" in ana.get(MEMBERS).content.decode()
    assert tried == due
    assert not looked_after(cast, now + timedelta(days=1))
    assert "Not delivered." in ana.get(MEMBERS).content.decode()


def test_an_owner_who_cannot_be_reached_keeps_no_other_from_being_told(
    cast: Cast, server: SmtpServer, now: datetime
) -> None:
    server.behave(refuse={cast.ana.email: "550 No such user"})
    add_member(cast.bakery, cast.cleo, role="owner", now=now)
    operator = User.objects.create_superuser("olga@operators.example", PASSWORD)
    start_impersonation(
        operator, organization="Bakery", email=cast.max.email, reason="A launch hangs", minutes=5, now=now
    )
    for _time in range(3):
        tell_of_impersonations(cast.bakery, now=now)
    assert sorted(one.rcpt_to for one in server.messages()) == [cast.cleo.email, cast.max.email]


def test_an_owner_whose_server_takes_nothing_now_is_told_later(cast: Cast, server: SmtpServer, now: datetime) -> None:
    server.behave(refuse={cast.ana.email: "451 Try again later"})
    operator = User.objects.create_superuser("olga@operators.example", PASSWORD)
    start_impersonation(
        operator, organization="Bakery", email=cast.max.email, reason="A launch hangs", minutes=5, now=now
    )
    tell_of_impersonations(cast.bakery, now=now)
    server.behave()
    for minutes in (5, 10):
        tell_of_impersonations(cast.bakery, now=now + timedelta(minutes=minutes))
    assert [one.rcpt_to for one in server.messages()] == [cast.max.email, cast.ana.email]


def test_where_nobody_can_be_reached_trying_ends(cast: Cast, settings: LazySettings, now: datetime) -> None:
    settings.SMTP_URL = "smtp://127.0.0.1:1"
    operator = User.objects.create_superuser("olga@operators.example", PASSWORD)
    start_impersonation(
        operator, organization="Bakery", email=cast.max.email, reason="A launch hangs", minutes=5, now=now
    )
    told = []
    for moment in (now, now + WORTH_TELLING):
        tell_of_impersonations(cast.bakery, now=moment)
        with tenant(cast.bakery.pk):
            told.append(Impersonation.objects.get().told_of_start_at is not None)
    assert told == [False, True]
