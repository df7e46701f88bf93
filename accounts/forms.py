"""Forms of the pages around an organization: joining one, founding one, an operator's way in."""

from __future__ import annotations

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from accounts.impersonation import MOST_MINUTES
from accounts.models import Role
from accounts.zones import zone_choices


class NewMemberForm(forms.Form):
    """Somebody who was invited and never signed in before."""

    full_name = forms.CharField(
        label=_("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=256,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=lazy(password_validators_help_text_html, str)(),
    )


class OrganizationForm(forms.Form):
    """Somebody who signed up says what their organization is called."""

    name = forms.CharField(
        label=_("Name of the organization"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    legal_address = forms.CharField(
        label=_("Postal address"),
        max_length=300,
        help_text=_("It stands below every email that you send."),
        widget=forms.TextInput(attrs={"autocomplete": "street-address"}),
    )
    timezone = forms.ChoiceField(label=_("Time zone"), choices=zone_choices, initial="Europe/Brussels")


class ImpersonationForm(forms.Form):
    """An operator says where, in whose place, why and for how long."""

    organization = forms.CharField(label=_("Organization"), max_length=200, help_text=_("Its exact name or public id."))
    email = forms.EmailField(label=_("In the place of"), help_text=_("The email address of the member who asked."))
    reason = forms.CharField(label=_("Reason"), max_length=300, help_text=_("The owners of the organization read it."))
    minutes = forms.IntegerField(
        label=_("Minutes"),
        min_value=1,
        max_value=MOST_MINUTES,
        initial=30,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )


class InviteForm(forms.Form):
    """Whom to ask in, as what."""

    email = forms.EmailField(label=_("Email address"))
    role = forms.ChoiceField(label=_("Role"), choices=Role)
