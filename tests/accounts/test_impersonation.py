"""Operators inside an organization: named, announced, for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Impersonation, SignInRules, User
from accounts.tasks import look_after_members, tell_of_impersonation
from common.tenancy import tenant
from tests.support.cast import PASSWORD, Cast
from tests.support.world import make_participant

pytestmark = pytest.mark.django_db
GIVEN = {"organization": "Bakery", "email": "ana@bakery.example", "reason": "A launch hangs", "minutes": 30}


@pytest.fixture(autouse=True)
def _mail_stays_here(settings: Any) -> None:
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}


@pytest.fixture
def olga(cast: Cast) -> Client:
    """An operator, who is a member of nothing."""
    client = Client()
    client.force_login(User.objects.create_superuser("olga@operators.example", PASSWORD))
    return client


def begin(olga: Client, **given: object) -> int:
    return olga.post(reverse("account_operator"), {**GIVEN, **given}).status_code


def entries(cast: Cast, action: str) -> list[AuditEntry]:
    with tenant(cast.bakery.pk):
        return list(AuditEntry.objects.filter(action=action))


def test_without_it_an_operator_sees_nothing(cast: Cast, olga: Client) -> None:
    assert olga.get("/console/", follow=True).redirect_chain[-1][0].startswith(reverse("account_organizations"))
    page = olga.get(reverse("account_operator")).content.decode()
    assert "Bakery" not in page
    assert "ana@" not in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"organization": "Cinema"},
        {"organization": "bakery%"},
        {"email": "cleo@cinema.example"},
        {"reason": " "},
        {"minutes": 61},
        {"minutes": 0},
    ],
)
def test_it_takes_the_right_place_a_reason_and_an_end(cast: Cast, olga: Client, wrong: dict[str, object]) -> None:
    assert begin(olga, **wrong) == 422
    assert olga.get("/console/").status_code == 302


def test_only_operators_have_the_page(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.ana)
    assert client.get(reverse("account_operator")).status_code == 404
    assert client.post(reverse("account_operator"), GIVEN).status_code == 404


def test_owners_are_told_and_every_change_bears_both_names(cast: Cast, olga: Client) -> None:
    assert begin(olga) == 302
    page = olga.get("/console/").content.decode()
    assert "You are an operator in Bakery, in the place of ana@bakery.example" in page
    tell_of_impersonation(cast.bakery.pk)
    assert [message.to for message in mail.outbox] == [["ana@bakery.example"]]
    assert "A launch hangs" in str(mail.outbox[0].body)
    form = {"name": "Bakery", "legal_name": "Bread SA", "legal_address": "x", "timezone": "Europe/Brussels"}
    form |= {"consent_request_months": "6", "over_cap": "put_off", "smallest_crowd": "10"}
    changed = olga.post(f"/console/accounts/organization/{cast.bakery.pk}/change/", form)
    assert changed.status_code == 302
    (begun,), (entry,) = entries(cast, "impersonation:begin"), entries(cast, "row:change")
    for one in (begun, entry):
        assert (one.actor_name, one.impersonator_name) == ("ana@bakery.example", "olga@operators.example")
    assert begun.details == {"reason": "A launch hangs", "minutes": 30}
    olga.post(reverse("account_operator"), {"do": "end"})
    tell_of_impersonation(cast.bakery.pk)
    tell_of_impersonation(cast.bakery.pk)
    assert len(mail.outbox) == 2, "each beginning and end is told once"
    assert olga.get("/console/").status_code == 302


def test_members_are_not_for_operators_to_change(cast: Cast, olga: Client) -> None:
    begin(olga)
    page = olga.get("/console/accounts/membership/").content.decode()
    assert "membership/invite" not in page
    invited = olga.post("/console/accounts/membership/invite/", {"email": "x@y.example", "role": "owner"})
    assert invited.status_code == 403


def test_an_operator_has_no_more_than_the_member_in_whose_place_they_are(cast: Cast, olga: Client) -> None:
    make_participant(cast.bakery, "zoe@home.example", now=timezone.now())
    begin(olga, email="ben@bakery.example")
    assert olga.get("/console/accounts/auditentry/").status_code == 403
    assert "zoe@home.example" not in olga.get("/console/participants/participant/").content.decode()


def test_it_ends_by_itself(cast: Cast, olga: Client) -> None:
    begin(olga)
    with tenant(cast.bakery.pk):
        Impersonation.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert olga.get("/console/").status_code == 302
    look_after_members()
    (entry,) = entries(cast, "impersonation:end")
    assert entry.impersonator_name == "olga@operators.example"


def test_an_owner_ends_it_and_so_does_signing_out(cast: Cast, olga: Client) -> None:
    ana = Client()
    ana.force_login(cast.ana)
    begin(olga)
    with tenant(cast.bakery.pk):
        pk = Impersonation.objects.get().pk
    assert "olga@operators.example" in ana.get("/console/accounts/membership/").content.decode()
    ana.post(f"/console/accounts/membership/operators/{pk}/end/")
    assert olga.get("/console/").status_code == 302
    begin(olga)
    olga.post(reverse("account_logout"))
    with tenant(cast.bakery.pk):
        assert not Impersonation.objects.filter(ended_at=None).exists()


def test_somebody_who_is_no_operator_any_more_is_out(cast: Cast, olga: Client) -> None:
    begin(olga)
    User.objects.filter(email="olga@operators.example").update(is_superuser=False)
    assert olga.get("/console/").status_code == 302


def test_an_operator_needs_a_factor_of_their_own_where_members_do(cast: Cast, olga: Client) -> None:
    operator = User.objects.get(email="olga@operators.example")
    with tenant(cast.bakery.pk):
        rules = SignInRules.objects.create(organization=cast.bakery, second_factor_required=True)
    page = olga.post(reverse("account_operator"), GIVEN)
    assert page.status_code == 422
    assert "This organization asks everybody for a second factor." in page.content.decode()
    assert entries(cast, "impersonation:begin") == []
    TOTP.activate(operator, generate_totp_secret())
    assert begin(olga) == 302
    assert olga.get("/console/").status_code == 200
    # Whoever takes theirs away, or is inside when the organization begins to ask, is led to it like a member.
    Authenticator.objects.filter(user=operator).delete()
    assert olga.get("/console/").headers["Location"] == reverse("mfa_index")
    with tenant(cast.bakery.pk):
        rules.second_factor_required = False
        rules.save()
    assert olga.get("/console/").status_code == 200
