"""What allauth and Django say about sign-ins goes into the audit trail."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, password_changed, password_reset, password_set
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save
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
    # allauth sends its own signals about these once the change is committed.
    post_save.connect(note_factor_added, sender=Authenticator, dispatch_uid="accounts.note_factor_added")
    post_delete.connect(note_factor_removed, sender=Authenticator, dispatch_uid="accounts.note_factor_removed")
    authentication_failed.connect(note_wrong_code, dispatch_uid="accounts.note_wrong_code")
    email_changed.connect(note_address, dispatch_uid="accounts.note_address")


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


def note_factor_added(sender: Any, instance: Authenticator, created: bool, **kwargs: Any) -> None:
    if created:
        _note_factor(instance, "session:factor:add")


def note_factor_removed(sender: Any, instance: Authenticator, **kwargs: Any) -> None:
    _note_factor(instance, "session:factor:remove")


def _note_factor(factor: Authenticator, action: str) -> None:
    """An app, a passkey, or recovery codes, which are taken away and added when they are made anew."""
    user = User.objects.filter(pk=factor.user_id).first()
    if user is not None:
        record_everywhere(user, action, details={"kind": str(factor.type)}, now=timezone.now())


def note_wrong_code(sender: Any, user: User, reauthentication: bool = False, **kwargs: Any) -> None:
    """Recorded at once, by no worker: whoever gets here knew the password, so the time that it takes tells nothing."""
    details = {"signed_in": reauthentication}
    record_everywhere(user, "session:factor:fail", details=details, now=timezone.now())


def note_address(sender: Any, user: User, to_email_address: EmailAddress, **kwargs: Any) -> None:
    """The trail names members by their addresses, so it says when one is another."""
    before = kwargs.get("from_email_address")
    details = {"before": before.email if before else "", "after": to_email_address.email}
    record_everywhere(user, "member:address:change", details=details, now=timezone.now())
