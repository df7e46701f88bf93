"""The pixel and the redirect under ``runserver`` and in tests; web processes answer them in ``tracking.asgi``."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tracking.asgi import judge_hit, respond
from tracking.recent import Recent
from tracking.record_now import record_now

_recent = Recent()


@csrf_exempt
def hit(request: HttpRequest) -> HttpResponse:
    """The same answer as in ``tracking.asgi``; its hit is recorded first, as a batch of one."""
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    answer, found = respond(request.method or "", request.path, request.META.get("QUERY_STRING", ""), headers)
    if found is not None and request.method == "HEAD":
        _recent.look_at(found.key)
    elif found is not None:
        seen = judge_hit(found, headers, request.META.get("REMOTE_ADDR", ""), _recent)
        record_now(settings.RECORDER_DATABASE_URL, *found, seen)
    response = HttpResponse(answer.body, status=answer.status)
    del response["Content-Type"]
    for name, value in answer.headers:
        response[name.decode()] = value.decode()
    return response
