"""A new secret first in the list: everything is sealed under it, and the old one can go."""

from __future__ import annotations

from datetime import datetime
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from accounts.models import SignInRules
from common.crypto import decrypt_secret, encrypt_secret, is_current
from common.tenancy import tenant
from config import sealed
from delivery.connection_models import Connection
from delivery.connections import attest, seal_secrets, trust_of
from delivery.providers import Trust
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
OLD, NEW = "an old secret, long enough to be one", "a new secret, long enough to be one"


def seal_some(cast: Cast) -> None:
    for organization in (cast.bakery, cast.cinema):
        with tenant(organization.pk):
            SignInRules.objects.create(organization=organization, sealed_client_secret=encrypt_secret("client"))
    for person in (cast.ana, cast.max, cast.cleo):
        TOTP.activate(person, "ABCDEFGH")


def everything(cast: Cast) -> list[str]:
    rows = [row.data["secret"] for row in Authenticator.objects.order_by("pk")]
    for organization in (cast.bakery, cast.cinema):
        with tenant(organization.pk):
            rows.append(SignInRules.objects.get().sealed_client_secret)
    return rows


def test_everything_is_sealed_again_and_the_old_secret_can_go(
    cast: Cast, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PLI_SECRET_KEYS = [OLD]
    seal_some(cast)
    settings.PLI_SECRET_KEYS = [NEW, OLD]
    assert decrypt_secret(everything(cast)[0]) == "ABCDEFGH"
    monkeypatch.setattr(sealed, "SLICE", 1)
    out = StringIO()
    call_command("rotate_secrets", stdout=out)
    assert out.getvalue() == "Sealed again: 5. Were so already: 0.\n"
    settings.PLI_SECRET_KEYS = [NEW]
    assert all(is_current(value) for value in everything(cast))
    assert {decrypt_secret(value) for value in everything(cast)} == {"ABCDEFGH", "client"}
    assert sealed.rotate() == sealed.Rotated(current=5)
    settings.PLI_SECRET_KEYS = ["a third secret that opens nothing"]
    with pytest.raises(CommandError, match="opens 5 values"):
        call_command("rotate_secrets")


def test_every_column_that_is_sealed_is_known() -> None:
    names = {f"{model._meta.label}.{column}" for model, column in sealed.sealed_columns()}
    assert {"accounts.SignInRules.sealed_client_secret", "delivery.Connection.sealed"} <= names
    assert any(name.startswith("consent.") for name in names)
    assert any(name.endswith("wrapped_key") for name in names)


def test_what_was_confirmed_of_an_account_outlives_the_old_secret(
    cast: Cast, settings: LazySettings, now: datetime
) -> None:
    settings.PLI_SECRET_KEYS = [OLD]
    row = Connection(organization=cast.bakery, name="Brevo", kind="esp", provider="brevo")
    seal_secrets(row, {"api_key": "first"})
    with tenant(cast.bakery.pk):
        row.save()
    attest(cast.bakery, row, author=cast.ana, text="Settings: both switched off.", now=now)
    settings.PLI_SECRET_KEYS = [NEW, OLD]
    sealed.rotate()
    settings.PLI_SECRET_KEYS = [NEW]
    with tenant(cast.bakery.pk):
        assert trust_of(cast.bakery, Connection.objects.get(pk=row.pk), now=now) is Trust.ATTESTED
