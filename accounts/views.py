"""Pages of accounts that allauth has not, or where looking at its own would change something (rule H2)."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import UserTokenForm
from allauth.account.utils import perform_login
from allauth.account.views import PasswordResetFromKeyView
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.forms import ImpersonationForm, NewMemberForm, OrganizationForm
from accounts.gate import within_reach
from accounts.impersonation import ImpersonationRefused, end_impersonation, start_impersonation
from accounts.invitations import Invited, accept_as, accept_as_new, find_invited
from accounts.members import MembersRefused
from accounts.models import Organization
from accounts.selectors import organizations_of
from accounts.services import found_organization
from accounts.signed_in import member_of
from common.ratelimit import Limit, client_prefix, within_limit
from common.tenancy import tenant

LOOKING_AND_SENDING = ["GET", "HEAD", "POST"]
JOINING = Limit("invitations accepted", most=30, seconds=600)
FOUNDING = Limit("organizations founded", most=5, seconds=86_400)
GUESSES = Limit("unknown invitations", most=300, seconds=600)
CHOOSING = Limit("passwords chosen by link", most=30, seconds=600)


@method_decorator(never_cache, name="dispatch")
class PasswordFromKeyView(PasswordResetFromKeyView):
    """The link in the mail of a forgotten password, without a session: scanners open it before the person does.

    allauth puts the key into a session to keep it out of Referer headers. Ours tell other sites nothing
    (``SECURE_REFERRER_POLICY``), and a key works once.
    """

    def dispatch(self, request: HttpRequest, uidb36: str, key: str, **kwargs: Any) -> HttpResponseBase:
        self.request, self.key = request, key
        # allauth counts where we do not come by.
        if request.method == "POST" and not within_limit(CHOOSING, client_prefix(request), now=timezone.now()):
            return render(request, "429.html", status=429)
        token = UserTokenForm(data={"uidb36": uidb36, "key": key})
        self.reset_user = token.reset_user if token.is_valid() else None
        if self.reset_user is None:
            return self.render_to_response(self.get_context_data(token_fail=True))
        if request.method == "POST" and request.user.is_authenticated and request.user.pk != self.reset_user.pk:
            self.logout()
        return super(PasswordResetFromKeyView, self).dispatch(request, uidb36, key, **kwargs)


# --- Joining an organization ------------------------------------------------------------------------------------------


@never_cache
@require_http_methods(LOOKING_AND_SENDING)
def invitation(request: HttpRequest, key: str) -> HttpResponse:
    """The page of an invitation: looking keeps it, one button or form uses it up."""
    invited = find_invited(key, now=timezone.now())
    if invited is None:
        if not within_limit(GUESSES, client_prefix(request), now=timezone.now()):
            return render(request, "429.html", status=429)
        return render(request, "accounts/invitation_gone.html", status=404)
    form = None
    if not request.user.is_authenticated and not invited.has_account:
        form = NewMemberForm(request.POST or None)
    context: dict[str, Any] = {"invited": invited, "form": form}
    if request.user.is_authenticated:
        context["is_theirs"] = member_of(request).email.lower() == invited.email
    if request.method == "POST":
        if not within_limit(JOINING, client_prefix(request), now=timezone.now()):
            return render(request, "accounts/invitation.html", context | {"refused": _too_often()}, status=429)
        try:
            return _accept(request, invited, form)
        except MembersRefused as refusal:
            context["refused"] = str(refusal)
    return render(request, "accounts/invitation.html", context, status=422 if request.method == "POST" else 200)


def _accept(request: HttpRequest, invited: Invited, form: NewMemberForm | None) -> HttpResponse:
    if form is None:
        if not request.user.is_authenticated:
            raise MembersRefused(_("Sign in to accept."))
        accept_as(invited, member_of(request), now=timezone.now())
        return _into_console(request, invited.organization_id)
    if not form.is_valid():
        raise MembersRefused("")
    given = form.cleaned_data
    try:
        user = accept_as_new(invited, full_name=given["full_name"], password=given["password"], now=timezone.now())
    except ValidationError as error:
        form.add_error("password", error)
        raise MembersRefused("") from error
    request.session["organization"] = invited.organization_id
    return perform_login(request, user, redirect_url=reverse("admin:index"))


# --- Having several, one, or none -------------------------------------------------------------------------------------


@never_cache
@login_required
@require_http_methods(LOOKING_AND_SENDING)
def organizations(request: HttpRequest) -> HttpResponse:
    """The organizations of a person, to go to one of them; where sign-up is open, to found one."""
    person = member_of(request)
    found = within_reach(request.session, organizations_of(person))
    if request.method == "POST" and "organization" in request.POST:
        chosen = next((one for one in found if str(one.organization_id) == request.POST["organization"]), None)
        if chosen is None:
            raise Http404
        return _into_console(request, chosen.organization_id)
    if not settings.SIGN_UP_OPEN and request.method == "POST":
        raise Http404
    form = OrganizationForm(request.POST or None) if settings.SIGN_UP_OPEN else None
    refused = ""
    if request.method == "POST" and form is not None and form.is_valid():
        now = timezone.now()
        if within_limit(FOUNDING, str(person.pk), now=now, when_away=False):
            return _into_console(request, found_organization(person, **form.cleaned_data, now=now).pk)
        refused = _too_often()
    context = {"organizations": found, "form": form, "refused": refused}
    status = 422 if request.method == "POST" else 200
    return render(request, "accounts/organizations.html", context, status=status)


def _into_console(request: HttpRequest, organization_id: int) -> HttpResponse:
    request.session.pop("impersonation", None)
    request.session["organization"] = organization_id
    return HttpResponseRedirect(reverse("admin:index"))


def _too_often() -> str:
    return _("That were many attempts. Try again later.")


# --- Operators --------------------------------------------------------------------------------------------------------


@never_cache
@login_required
@require_http_methods(LOOKING_AND_SENDING)
def operator(request: HttpRequest) -> HttpResponse:
    """Where an operator begins and ends to act in the place of a member."""
    person = member_of(request)
    if not person.is_superuser:
        raise Http404
    if request.POST.get("do") == "end":
        leave_impersonation(request)
        return HttpResponseRedirect(reverse("account_operator"))
    form = ImpersonationForm(request.POST or None)
    refused = ""
    if request.method == "POST" and form.is_valid():
        leave_impersonation(request)
        try:
            started = start_impersonation(person, **form.cleaned_data, now=timezone.now())
        except ImpersonationRefused as refusal:
            refused = str(refusal)
        else:
            request.session["impersonation"] = [started.organization_id, started.pk]
            return HttpResponseRedirect(reverse("admin:index"))
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "refused": refused, "inside": "impersonation" in request.session}
    return render(request, "accounts/operator.html", context, status=status)


def leave_impersonation(request: HttpRequest) -> None:
    """End it if this session is in one."""
    inside = request.session.pop("impersonation", None)
    if inside is None:
        return
    organization_id, impersonation_id = inside
    with tenant(organization_id):
        organization = Organization.objects.filter(pk=organization_id).first()
        if organization is not None:
            end_impersonation(organization, impersonation_id, actor=member_of(request), now=timezone.now())
