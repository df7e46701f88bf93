"""The forms of Publishing > Websites."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django import forms
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Organization, User
from consent.reasons import COLUMNS, RULE_KEYS, RULE_VALUES
from consent.rules import WebsiteState, lifted_keys, ruling_cell
from consent.selectors import country_name, local_day, website_state
from consent.services import WebsitePolicy, problems_of_policy
from websites.models import EmailTrackingChoice, Website
from websites.rules import Column, EmailTracking, RuleKey, cell, is_french

# From the strictest to the loosest, so that nobody slips to more than they meant.
CHOICES = [
    (choice.value, choice.label)
    for choice in (EmailTrackingChoice.NEVER, EmailTrackingChoice.BY_CONSENT, EmailTrackingChoice.ALWAYS)
]
SENTENCES = {
    EmailTracking.NEVER: gettext_lazy(
        "No pixel, no tracked link, nothing recorded: at once, and also for mail already delivered. Emails are "
        "delivered all the same; their reports say “not measured”."
    ),
    EmailTracking.BY_CONSENT: gettext_lazy("Only people who said yes are measured. No answer is not a yes."),
    EmailTracking.ALWAYS: gettext_lazy(
        "Everybody is measured, except people who refused, and except people in countries that require a yes. "
        "A website in such a country needs a legal justification."
    ),
}
_FALLBACK_MEANS = {
    "opens_fallback": gettext_lazy("What is left of opens for people who are not measured one by one."),
    "clicks_fallback": gettext_lazy("What is left of clicks for people who are not measured one by one."),
    "for_professionals": gettext_lazy(
        "People give a professional address here and read it at work. Forms may then offer the ticked box with its "
        "clear mention."
    ),
}
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class TrackingRadio(UnfoldAdminRadioSelectWidget):
    """A radio group with a sentence under each choice."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        context = self.get_context(name, value, attrs)
        options = [
            {**option, "sentence": SENTENCES[EmailTracking(option["value"])]}
            for _group, group_options, _index in context["widget"]["optgroups"]
            for option in group_options
        ]
        return render_to_string("consent/_tracking_radio.html", {"widget": context["widget"], "options": options})


def tracking_field(choices: Iterable[tuple[str, Any]] = CHOICES, **kwargs: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=gettext_lazy("Email tracking"), choices=list(choices), widget=TrackingRadio(), **kwargs
    )


def effect_of(state: WebsiteState, key: RuleKey, day: date) -> str:
    """One row of the rule table in a sentence: what it says of the website's country, and where it has no effect."""
    country = state.country
    said = str(RULE_VALUES[cell(key, country, day).value])
    if key in lifted_keys(state, country, day):
        said = _("loosened by a legal justification")
    sentence = _("%(what)s, in %(country)s: %(said)s.") % {
        "what": RULE_KEYS[key],
        "country": country_name(country),
        "said": said,
    }
    without = [
        str(COLUMNS[column])
        for column in Column
        if (ruling := ruling_cell(state, participant_country=column.value, key=key, on=day)) is not None
        and ruling.asks_for_consent
    ]
    if without:
        sentence += " " + _("No effect for people in: %(places)s.") % {"places": ", ".join(without)}
    return sentence


def host_of(text: str) -> str:
    """A host name out of what people paste: an address, upper case, a final slash, letters of their language."""
    host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    try:
        host = host.rstrip(".").encode("idna").decode()
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise forms.ValidationError(_("This is not a host name. For example: www.example.org"))
    return host


class WebsiteForm(forms.ModelForm):
    """A website with its policy. What the rules refuse is said beside the field that it is about."""

    # Set by the admin, per request.
    organization: ClassVar[Organization]
    author: ClassVar[User]

    email_tracking = tracking_field(required=False)
    reason = forms.CharField(
        label=gettext_lazy("Reason for the change"),
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Kept with the change. Needed when more is to be measured than before."),
    )

    class Meta:
        model = Website
        fields = (
            "name",
            "domain",
            "country",
            "declared_country",
            "tracking_domain",
            "sender_name",
            "sender_email",
            "email_tracking",
            "opens_fallback",
            "clicks_fallback",
            "for_professionals",
            "consent_scope",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("opens_fallback", "clicks_fallback", "consent_scope"):
            if name in self.fields:
                self.fields[name].required = False  # left out: as it is
        if self.instance.pk and "opens_fallback" in self.fields:
            self._explain()
        if "email_tracking" in self.fields and is_french(str(self.instance.country)):
            self.fields["email_tracking"].help_text = _(
                "French law covers this website: measuring an open or a click needs the person's yes. It started on "
                "Never track; whoever changes that does so with a recorded reason."
            )

    def _explain(self) -> None:
        """What the rule table says of each field for this website, and where it has no effect."""
        state = website_state(self.organization, self.instance, now=timezone.now())
        day = local_day(self.organization, timezone.now())
        for name, keys in (
            ("opens_fallback", (RuleKey.ANONYMOUS_OPENS, RuleKey.LAST_OPEN_DAY)),
            ("clicks_fallback", (RuleKey.ANONYMOUS_CLICKS,)),
            ("for_professionals", (RuleKey.PROFESSIONALS_OPT_OUT,)),
        ):
            lines = [effect_of(state, key, day) for key in keys]
            self.fields[name].help_text = " ".join([str(_FALLBACK_MEANS[name]), *lines])
        self.fields["consent_scope"].help_text = _(
            "The websites that one yes covers, because its wording names them. Another scope makes every permission "
            "begin again."
        )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        same = Website.objects.filter(organization=self.organization, name=name).exclude(pk=self.instance.pk)
        if same.exists():
            raise forms.ValidationError(_("There is a website with this name already."))
        return name

    def clean_domain(self) -> str:
        return host_of(self.cleaned_data["domain"])

    def clean_tracking_domain(self) -> str:
        text: str = self.cleaned_data["tracking_domain"]
        return host_of(text) if text else ""

    def policy(self) -> WebsitePolicy:
        return WebsitePolicy(
            country=str(self.cleaned_data["country"]),
            declared_country=str(self.cleaned_data.get("declared_country") or ""),
            tracking=self.cleaned_data.get("email_tracking") or EmailTracking.NEVER.value,
            opens_fallback=self.cleaned_data.get("opens_fallback") or None,
            clicks_fallback=self.cleaned_data.get("clicks_fallback") or None,
            for_professionals=self.cleaned_data.get("for_professionals"),
            consent_scope=self.cleaned_data.get("consent_scope"),
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk is None or self.errors:
            return cleaned
        current = Website.objects.get(organization=self.organization, pk=self.instance.pk)
        problems = problems_of_policy(
            self.organization,
            current,
            self.policy(),
            reason=cleaned.get("reason") or "",
            author=self.author,
            now=timezone.now(),
        )
        for field, problem in problems.items():
            self.add_error(field, problem)
        return cleaned


class ChangeTrackingForm(forms.Form):
    """One setting for one or several websites."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Kept with the change of each website."),
    )

    def __init__(self, *args: Any, only_stop: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields = {"tracking": tracking_field(CHOICES[:1] if only_stop else CHOICES), **self.fields}
