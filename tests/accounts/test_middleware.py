"""One transaction per console request."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts.middleware import OrganizationMiddleware
from accounts.models import Organization
from common.tenancy import tenant
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db


def answer_of(cast: Cast, status: int) -> HttpResponse:
    def view(request: HttpRequest) -> HttpResponse:
        Organization.objects.update(name="Half done")
        return HttpResponse(status=status)

    request = RequestFactory().post("/console/")
    request.user, request.session = cast.ana, SessionStore()
    return OrganizationMiddleware(view)(request)


@pytest.mark.parametrize(("status", "name"), [(200, "Half done"), (403, "Half done"), (500, "Bakery")])
def test_an_error_in_the_console_leaves_nothing_half_done(cast: Cast, status: int, name: str) -> None:
    assert answer_of(cast, status).status_code == status
    with tenant(cast.bakery.pk):
        assert Organization.objects.get().name == name


def test_a_member_writes_in_their_own_organization_only(cast: Cast) -> None:
    answer_of(cast, 200)
    with tenant(cast.cinema.pk):
        assert Organization.objects.get().name == "Cinema"
