"""Pages of signing in that allauth has not, or has otherwise: a list of sessions, the way to one's own provider."""

from __future__ import annotations

from typing import Any

from allauth.account.internal import flows
from allauth.account.views import LoginView
from allauth.usersessions.internal.flows.sessions import end_other_sessions
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.sign_on import provider_named
from accounts.signed_in import member_of
from accounts.trail import record_everywhere
from common.ratelimit import Limit, client_prefix, within_limit

NAMES_OF_NETWORK = Limit("names of organizations to sign in with", most=30, seconds=600)


class SignInView(LoginView):
    """Leads to signing up, where the operator lets people."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "sign_up_open": settings.SIGN_UP_OPEN}


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Where somebody is signed in, and how to end it there."""
    if request.method == "POST":
        return _end_session(request)
    rows = sorted(UserSession.objects.purge_and_list(request.user), key=lambda row: row.created_at, reverse=True)
    listed = [{"row": row, "current": row.is_current(), "browser": browser_name(row.user_agent)} for row in rows]
    return render(request, "usersessions/sessions.html", {"sessions": listed, "others": len(listed) > 1})


def _end_session(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("session", "")
    if wanted == "others":
        end_other_sessions(request, request.user)
    else:
        row = UserSession.objects.filter(user_id=request.user.pk, pk=wanted).first() if wanted.isdecimal() else None
        if row is None:
            raise Http404
        if row.is_current():
            flows.logout.logout(request)
            return HttpResponseRedirect(reverse("account_login"))
        row.end()
    record_everywhere(member_of(request), "session:end", details={"others": wanted == "others"}, now=timezone.now())
    messages.success(request, _("Signed out there."))
    return HttpResponseRedirect(request.path)


def end_sessions_without_it(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """A new second factor: whoever has only the password, and is in already, goes."""
    for row in UserSession.objects.filter(user_id=user.pk).exclude(session_key=request.session.session_key):
        row.end()


# The browsers that say they are another one too come first.
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"))


def browser_name(user_agent: str) -> str:
    """What a person calls their browser: "Firefox, Windows"."""
    found = [next((name for sign, name in kind if sign in user_agent), "") for kind in (_BROWSERS, _SYSTEMS)]
    if not found[1] and "Linux" in user_agent:
        found[1] = "Linux"
    return ", ".join(name for name in found if name) or user_agent[:60]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """Which organization's provider? By the name that the organization gave its members."""
    context: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        name = request.POST.get("name", "")
        if not within_limit(NAMES_OF_NETWORK, client_prefix(request), now=timezone.now(), when_away=False):
            context, status = {"error": _("Too many names. Try again in ten minutes.")}, 429
        elif (provider := provider_named(name)) is not None:
            return HttpResponseRedirect(reverse("openid_connect_login", kwargs={"provider_id": provider}))
        else:
            context = {"error": _("No organization signs in by this name.")}
        context["name"] = name[:40]
    return render(request, "socialaccount/choose.html", context, status=status)
