"""Pages of a person's own account: who may see them, and what they say when the counters are away.

What is changed there, and the entry in the audit trail that says so, is one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import redis
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.gate import provider_of

logger = logging.getLogger(__name__)

ACCOUNT_PAGES = "/accounts/"


class SignInMiddleware:
    """Closes the account to sessions that began at an organization's provider.

    Whoever runs the provider decides whom it names. A passkey or password that such a session could add would open the
    person's other organizations, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self._is_closed(request):
            return render(request, "account/own_password.html", status=403)
        if request.method != "POST" or not request.path.startswith(ACCOUNT_PAGES):
            return self.get_response(request)
        # allauth says what it did once it is done: so the change and its entry in the trail stand or fall together.
        with transaction.atomic():
            response = self.get_response(request)
            if response.status_code >= 500:
                transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Nobody signs in uncounted: without the counters, passwords could be tried without end."""
        if not isinstance(error, redis.RedisError) or not request.path.startswith(ACCOUNT_PAGES):
            return None
        logger.warning("signing in is closed: no counters (%s)", type(error).__name__)
        return render(request, "account/no_counters.html", status=503)

    @staticmethod
    def _is_closed(request: HttpRequest) -> bool:
        if not request.path.startswith(ACCOUNT_PAGES) or not request.user.is_authenticated:
            return False
        names = ("account_logout", "account_login", "account_reset_password", "sign_on")
        ways_out = (*(reverse(name) for name in names), f"{ACCOUNT_PAGES}oidc/")
        return not request.path.startswith(ways_out) and provider_of(request.session) is not None
