"""What somebody does with their account is in the trails of their organizations, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.tasks import note_failed_sign_in
from common.tenancy import tenant
from tests.accounts.test_second_factors import code_of, first_step, give_app
from tests.support.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db
NEW = "a different horse, battery and staple"

type Noted = list[tuple[str, dict[str, Any]]]


def noted(cast: Cast, user: User) -> Noted:
    """What the trail of Bakery says of somebody, sign-ins apart."""
    with tenant(cast.bakery.pk):
        mine = AuditEntry.objects.filter(actor=user).exclude(action="session:sign_in").order_by("pk")
        return list(mine.values_list("action", "details"))


def surely_in(user: User) -> Client:
    """Signed in, and just now once more."""
    client = first_step(user)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def test_factors_come_and_go_on_the_record(cast: Cast) -> None:
    client = surely_in(cast.max)
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    client.post("/accounts/2fa/recovery-codes/generate/")
    client.post("/accounts/2fa/totp/deactivate/")
    add, remove = "session:factor:add", "session:factor:remove"
    app, codes = {"kind": "totp"}, {"kind": "recovery_codes"}
    anew = [(remove, codes), (add, codes)]
    assert noted(cast, cast.max) == [(add, app), (add, codes), *anew, (remove, app), (remove, codes)]
    assert noted(cast, cast.ana) == []


def test_a_factor_that_is_not_kept_leaves_no_entry(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client = surely_in(cast.max)
    client.raise_request_exception = False
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret

    def fail(*args: object) -> HttpResponse:
        raise LookupError

    # The last thing that the page does.
    monkeypatch.setattr("allauth.mfa.totp.views.ActivateTOTPView.get_success_url", fail)
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 500
    assert not Authenticator.objects.exists()
    assert noted(cast, cast.max) == []


def test_a_wrong_code_is_on_the_record_and_so_is_one_that_was_used(cast: Cast) -> None:
    secret = give_app(cast.max)
    before = len(noted(cast, cast.max))
    client, code = first_step(cast.max), code_of(secret)
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    client.post("/accounts/2fa/authenticate/", {"code": code})
    again = first_step(cast.max)
    # allauth forgets it earlier than the code ends.
    cache.delete(f"allauth.mfa.totp.used?user={cast.max.pk}&code={code}")
    again.post("/accounts/2fa/authenticate/", {"code": code})
    client.post("/accounts/2fa/reauthenticate/", {"code": "000000"})
    fails = [("session:factor:fail", {"signed_in": known}) for known in (False, False, True)]
    assert noted(cast, cast.max)[before:] == fails
    with tenant(cast.bakery.pk):
        assert code not in str(list(AuditEntry.objects.values()))


def test_a_new_password_and_a_session_that_was_ended_are_on_the_record(cast: Cast) -> None:
    first_step(cast.max)
    client = surely_in(cast.max)
    other = UserSession.objects.exclude(session_key=client.session.session_key).get()
    client.post("/accounts/sessions/", {"session": other.pk})
    client.post("/accounts/sessions/", {"session": "others"})
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    ends = [("session:end", {"others": others}) for others in (False, True)]
    assert noted(cast, cast.max) == [*ends, ("session:password:change", {})]


def test_another_address_takes_the_password_again_and_is_on_the_record(cast: Cast) -> None:
    EmailAddress.objects.create(user=cast.max, email="max@home.example", verified=True)
    client = first_step(cast.max)
    session = client.session
    for record in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] -= 3600
    session.save()
    change = {"action_primary": "", "email": "max@home.example"}
    assert client.post("/accounts/email/", change)["Location"].startswith("/accounts/reauthenticate/")
    assert noted(cast, cast.max) == []
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/email/").content.decode()
    assert "public/public.css" in page
    assert page.count("Sign in with this one") == page.count("Remove this address") == 1
    client.post("/accounts/email/", change)
    cast.max.refresh_from_db()
    assert cast.max.email == "max@home.example"
    details = {"before": "max@bakery.example", "after": "max@home.example"}
    assert noted(cast, cast.max) == [("member:address:change", details)]


def test_a_failed_sign_in_is_noted_by_a_worker_for_accounts_that_exist(
    cast: Cast, django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Any]]]
) -> None:
    for address in ("max@bakery.example", "nobody@bakery.example"):
        with django_capture_on_commit_callbacks() as asked:
            Client().post("/accounts/login/", {"login": address, "password": "a wrong password"})
        assert len(asked) == 1
    for number in (cast.max.pk, 0):
        note_failed_sign_in(number)
    assert noted(cast, cast.max) == [("session:sign_in:fail", {})]


def test_the_console_leads_to_the_one_page_for_passwords(cast: Cast) -> None:
    client = first_step(cast.max)
    for address in ("/console/password_change/", "/console/password_change/done/"):
        answer = client.post(address, {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})
        assert (answer.status_code, answer["Location"]) == (302, "/accounts/password/change/")
    cast.max.refresh_from_db()
    assert cast.max.check_password(PASSWORD)
