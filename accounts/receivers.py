"""What allauth and Django say about sign-ins goes into the audit trail."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.signals import password_changed, password_reset, password_set
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.tasks import NOTE_FAILED_TASK
from accounts.trail import record_everywhere
from accounts.views import leave_impersonation
from common.jobs import after_commit


def connect() -> None:
    """Once, when Django starts."""
    user_logged_in.connect(note_sign_in, dispatch_uid="accounts.note_sign_in")
    user_login_failed.connect(note_failure, dispatch_uid="accounts.note_failure")
    user_logged_out.connect(end_what_runs, dispatch_uid="accounts.end_what_runs")
    for signal in (password_changed, password_reset, password_set):
        signal.connect(note_password, dispatch_uid="accounts.note_password")
    authenticator_added.connect(note_factor_added, dispatch_uid="accounts.note_factor_added")
    authenticator_removed.connect(note_factor_removed, dispatch_uid="accounts.note_factor_removed")


def note_sign_in(sender: Any, request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    session = getattr(request, "session", None)
    methods = (session.get(AUTHENTICATION_METHODS_SESSION_KEY) or []) if session is not None else []
    details = {"by": sorted({str(one.get("method", "")) for one in methods})} if methods else None
    record_everywhere(user, "session:sign_in", details=details, now=timezone.now())


def note_failure(sender: Any, credentials: dict[str, Any], **kwargs: Any) -> None:
    """A worker writes it down: an address with an account would be told from one without by how long this takes."""
    address = str(credentials.get("email") or credentials.get("username") or "")
    user_id = User.objects.filter(email__iexact=address).values_list("pk", flat=True).first()
    after_commit(NOTE_FAILED_TASK, user_id=user_id or 0)


def end_what_runs(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """An operator who signs out is in nobody's place any more."""
    if user is not None and hasattr(request, "session"):
        leave_impersonation(request)


def note_password(sender: Any, user: User, **kwargs: Any) -> None:
    record_everywhere(user, "session:password:change", now=timezone.now())


def note_factor_added(sender: Any, user: User, authenticator: Any, **kwargs: Any) -> None:
    record_everywhere(user, "session:factor:add", details={"kind": str(authenticator.type)}, now=timezone.now())


def note_factor_removed(sender: Any, user: User, authenticator: Any, **kwargs: Any) -> None:
    record_everywhere(user, "session:factor:remove", details={"kind": str(authenticator.type)}, now=timezone.now())
