"""Accounts that somebody signed up for and nobody confirmed are dropped at night, and no others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.conf import LazySettings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services import add_member
from accounts.tasks import forget_old
from accounts.trail import UNCONFIRMED_KEPT
from tests.support.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
NEW = "a long pass phrase of three oaks"


def sign_up(email: str) -> User:
    Client().post(reverse("account_signup"), {"email": email, "password1": NEW, "password2": NEW})
    return User.objects.get(email=email)


def test_who_confirmed_nothing_within_a_week_is_dropped_and_nobody_else(cast: Cast, settings: LazySettings) -> None:
    settings.SIGN_UP_OPEN = True
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    old = timezone.now() - UNCONFIRMED_KEPT - timedelta(hours=1)
    people = {name: sign_up(f"{name}@home.example") for name in ("late", "fresh", "confirmed", "seen", "member")}
    assert len(mail.outbox) == len(people)
    User.objects.update(date_joined=old)
    User.objects.filter(pk=people["fresh"].pk).update(date_joined=timezone.now())
    EmailAddress.objects.filter(user=people["confirmed"]).update(verified=True)
    User.objects.filter(pk=people["seen"].pk).update(last_login=old)
    add_member(cast.cinema, people["member"], role="viewer", now=timezone.now())
    User.objects.create_superuser("olga@operators.example", PASSWORD)
    User.objects.filter(email="olga@operators.example").update(date_joined=old)
    EmailAddress.objects.filter(email="olga@operators.example").update(verified=False)
    before = set(User.objects.values_list("email", flat=True))
    forget_old()
    gone = before - set(User.objects.values_list("email", flat=True))
    assert gone == {"late@home.example"}
    assert not EmailAddress.objects.filter(email="late@home.example").exists()
    # The address is free again.
    assert sign_up("late@home.example").pk != people["late"].pk
