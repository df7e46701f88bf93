"""Where sending services report to: ``/hooks/<random key>/``."""

from __future__ import annotations

from uuid import UUID

from anymail.utils import get_request_basic_auth
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseNotFound
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from common.ratelimit import Limit, client_prefix, within_limit
from common.tenancy import call_door, tenant
from delivery.connection_models import Connection
from delivery.connections import secrets_of
from delivery.news import note_refused, take_reports
from delivery.provider_reports import HOOK_PASSWORD, HOOK_USER, ReportRefusedError, read_reports
from delivery.returns import take_mail

LARGEST_REPORT = 5 * 1024 * 1024
# Some services report each event by itself. They come again after a 429.
REPORTS = Limit("reports", most=30_000, seconds=60)
GUESSES = Limit("unknown-hooks", most=300, seconds=600)


@csrf_exempt
@require_http_methods(["HEAD", "POST"])
def hook(request: HttpRequest, key: str) -> HttpResponse:
    """Take the reports of one connection. What cannot prove where it comes from is refused and counted."""
    connection = _connection_of(key)
    if connection is None:
        return _unknown(request)
    if request.method == "HEAD":  # some services ask whether anybody is there
        return HttpResponse()
    now = timezone.now()
    if not within_limit(REPORTS, key, now=now):
        return HttpResponse(status=429)
    if int(request.headers.get("Content-Length") or 0) > LARGEST_REPORT:
        return HttpResponse(status=413)
    try:
        reports = read_reports(connection, secrets_of(connection), request, now=now)
    except ReportRefusedError:
        note_refused(connection.organization, connection)
        return HttpResponseForbidden()
    take_reports(connection.organization, connection, reports, now=now)
    return HttpResponse()


@csrf_exempt
@require_http_methods(["POST"])
def returned_mail(request: HttpRequest, key: str) -> HttpResponse:
    """A whole mail, from whoever holds the connection's secret: a mailbox that is forwarded instead of read."""
    connection = _connection_of(key)
    if connection is None:
        return _unknown(request)
    if not within_limit(REPORTS, key, now=timezone.now()):
        return HttpResponse(status=429)
    password = secrets_of(connection).get(HOOK_PASSWORD, "")
    given = get_request_basic_auth(request) or ""
    if not password or not constant_time_compare(given, f"{HOOK_USER}:{password}"):
        note_refused(connection.organization, connection)
        return HttpResponseForbidden()
    take_mail(connection.organization, connection, request.body, now=timezone.now())
    return HttpResponse()


def _unknown(request: HttpRequest) -> HttpResponse:
    if not within_limit(GUESSES, client_prefix(request), now=timezone.now()):
        return HttpResponse(status=429)
    return HttpResponseNotFound()


def _connection_of(key: str) -> Connection | None:
    try:
        rows = call_door("door_hook", [UUID(hex=key)])
    except ValueError:
        return None
    for organization_id, connection_id in rows:
        with tenant(organization_id):
            return Connection.objects.select_related("organization").get(pk=connection_id)
    return None
