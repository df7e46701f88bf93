"""Health: does this process live, and is the console ready? And what somebody reads at an address that is none."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.defaults import page_not_found

from common.metrics import exposition
from common.public_pages import language_of, public_page, render_public
from tracking.selectors import missing_hit_months

HEARTBEAT_KEY = "worker-heartbeat"
HEARTBEAT_MAX_AGE_SECONDS = 60


def healthz(request: HttpRequest) -> JsonResponse:
    """This process lives and takes hits, whatever the database does."""
    return JsonResponse({"status": "ok"})


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "ok" if not pending else f"{len(pending)} migrations to run"


def _hit_months() -> str:
    missing = missing_hit_months(now=timezone.now())
    return f"no table for the hits of {' and '.join(missing)}" if missing else "ok"


def _broker() -> str:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2)
    try:
        client.ping()
    finally:
        client.close()
    return "ok"


def _worker() -> str:
    seen = cache.get(HEARTBEAT_KEY)
    if seen is None:
        return "no sign of a worker"
    age = (timezone.now() - seen).total_seconds()
    return "ok" if age <= HEARTBEAT_MAX_AGE_SECONDS else f"last sign of a worker {age:.0f} s ago"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "hit_months": _hit_months,
    "broker": _broker,
    "worker": _worker,
}


def readyz(request: HttpRequest) -> JsonResponse:
    """The console is ready: database, migrations, broker, and a worker that was seen within the last minute."""
    results: dict[str, str] = {}
    for name, check in CHECKS.items():
        try:
            results[name] = check()
        except (DatabaseError, redis.RedisError, OSError) as error:
            results[name] = f"away ({type(error).__name__})"
    ready = all(result == "ok" for result in results.values())
    return JsonResponse({"status": "ok" if ready else "not ready", **results}, status=200 if ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Numbers of this process for Prometheus; for callers on this machine that no proxy stands for."""
    forwarded = any(request.headers.get(name) for name in ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"))
    if forwarded or not _is_loopback(request.META.get("REMOTE_ADDR", "")):
        raise Http404
    text, content_type = exposition()
    return HttpResponse(text, content_type=content_type)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


# The first part of recipients' addresses, and what they read where nothing is behind the rest.
NOTHING_THERE = dict.fromkeys(("a", "d", "me", "p", "s", "u", "w"), "privacy/public/unknown_key.html")
NOTHING_THERE["f"] = "intake/public/unknown.html"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A recipient whose link was cut reads their own language, and nothing of a console they have never seen."""
    template = NOTHING_THERE.get(request.path_info.split("/")[1])
    return page_not_found(request, exception) if template is None else _nothing_there(request, template)


@public_page
def _nothing_there(request: HttpRequest, template: str) -> HttpResponse:
    return render_public(template, {}, language_of(request), status=404)
