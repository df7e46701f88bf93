"""Console, Settings > Signing in: a second factor for everybody, and the organization's own provider."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from accounts.models import Role, SignInRules
from accounts.sign_on import ProviderError, save_rules, sign_in_page_origin, sign_in_rules
from accounts.signed_in import member_of, organization_of, role_of


class SignInRulesForm(forms.ModelForm):
    """A provider is asked before it is kept: a wrong one would lock the members out."""

    secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Kept sealed and never shown again. Leave empty to keep what is there."),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = SignInRules
        fields = (
            "second_factor_required",
            "short_name",
            "issuer",
            "client_id",
            "trusts_addresses",
            "sign_on_required",
        )
        widgets = {
            "second_factor_required": UnfoldBooleanSwitchWidget,
            "short_name": UnfoldAdminTextInputWidget,
            "issuer": UnfoldAdminTextInputWidget,
            "client_id": UnfoldAdminTextInputWidget,
            "trusts_addresses": UnfoldBooleanSwitchWidget,
            "sign_on_required": UnfoldBooleanSwitchWidget,
        }

    def clean_short_name(self) -> str:
        return str(self.cleaned_data["short_name"]).lower()

    def clean_issuer(self) -> str:
        issuer = str(self.cleaned_data["issuer"]).strip()
        if issuer and issuer != self.initial.get("issuer"):
            try:
                self.instance.provider_origin = sign_in_page_origin(issuer)
            except ProviderError as error:
                raise forms.ValidationError(str(error)) from error
        return issuer

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        issuer = cleaned.get("issuer")
        if issuer and not cleaned.get("client_id"):
            self.add_error("client_id", _("The provider knows Pli by this."))
        if issuer and not cleaned.get("short_name"):
            self.add_error("short_name", _("Members need it to find the provider."))
        if cleaned.get("sign_on_required") and not issuer and "issuer" not in self.errors:
            self.add_error("sign_on_required", _("There is no provider to sign in through."))
        return cleaned


def sign_in_page(request: HttpRequest, base: dict[str, Any]) -> HttpResponse:
    """Owners change the rules; everybody else reads them. ``base`` is what every page of the console has."""
    organization = organization_of(request)
    may_change = role_of(request) == Role.OWNER
    if request.method == "POST" and not may_change:
        raise PermissionDenied
    rules = sign_in_rules(organization)
    form = SignInRulesForm(request.POST if request.method == "POST" else None, instance=rules)
    if form.is_valid() and _saved(request, form):
        messages.success(request, _("The rules are changed."))
        return HttpResponseRedirect(request.path)
    if not may_change:
        for field in form.fields.values():
            field.disabled = True
    callback = reverse("openid_connect_callback", kwargs={"provider_id": rules.provider_key})
    context = {
        **base,
        "title": _("Signing in"),
        "form": form,
        "may_change": may_change,
        "has_secret": bool(rules.sealed_client_secret),
        "callback": request.build_absolute_uri(callback) if not rules._state.adding else "",
    }
    return TemplateResponse(request, "accounts/sign_in.html", context)


def _saved(request: HttpRequest, form: SignInRulesForm) -> bool:
    rules, secret = form.save(commit=False), form.cleaned_data["secret"]
    try:
        save_rules(organization_of(request), rules, secret=secret, actor=member_of(request), now=timezone.now())
    except IntegrityError:
        # The walls hide the other organization's row; the name is one for all.
        form.add_error("short_name", _("This name is taken."))
        return False
    return True
